"""`init`: write the files that a project needs."""

from __future__ import annotations

from typing import Any

import click

from kedro_airflow_k8s.cli._group import complete_env
from kedro_airflow_k8s.cli._options import (
    airflow_k8s,
    env_option_given,
    interruptible,
    project_metadata,
)


@airflow_k8s.command("init")
@click.argument("airflow_url", required=False)
@click.option(
    "-o", "--output", help="Set where Airflow reads DAGs: a folder, gs://, s3:// or abfs://."
)
@click.option(
    "-e",
    "--env",
    shell_complete=complete_env,
    help="Write the configuration for this environment.  [default: base]",
)
@click.option(
    "--force",
    is_flag=True,
    help="Replace existing files. With --dockerfile or --with-..., this replaces the configuration"
    " only if you also give AIRFLOW_URL, --output or --airflow-auth.",
)
@click.option("--dry-run", is_flag=True, help="Print the files instead of writing them.")
@click.option("--dockerfile", is_flag=True, help="Also write a Dockerfile.")
@click.option(
    "--with-github-actions",
    "github_actions",
    is_flag=True,
    help="Also write two GitHub workflows: one runs the pipeline for branches, one schedules it for"
    " the default branch.",
)
@click.option(
    "--with-gitlab-ci", "gitlab_ci", is_flag=True, help="Also write the same for GitLab CI."
)
@click.option(
    "--with-spark",
    "spark",
    is_flag=True,
    help="Also set up a Spark cluster for nodes with the tag cluster.spark: its packages, and its"
    " keys in a new configuration.",
)
@click.option(
    "--registry",
    type=click.Choice(["ghcr", "gar", "ecr"]),
    help="Set the registry of the images, for run_config.image and the CI service. ghcr is the"
    " registry of GitHub or GitLab, gar is Google's Artifact Registry, ecr is Amazon's ECR."
    "  [default with a CI service: ghcr]",
)
@click.option(
    "--airflow-auth",
    type=click.Choice(["token", "password", "google", "aws", "none"]),
    help="Set how to log in to Airflow's API: airflow_auth in the configuration.",
)
@click.pass_context
def init_command(
    ctx: click.Context, /, env: str | None, dry_run: bool, airflow_url: str | None, **options: Any
) -> None:
    """Write conf/base/airflow-k8s.yaml and the files that the image of the pods needs.

    AIRFLOW_URL is the base address of Airflow's web server. Without it and --output, the project is
    set up for the Airflow of the sandbox on this machine.

    If the configuration exists, --dockerfile and the --with options keep it and add their files.

    With --env, and if base has a configuration, the new file contains only the values that you
    pass. Comments show other settings.

    \b
    Example:
        kedro airflow-k8s init --output gs://bucket/dags --dockerfile https://airflow.example.com
    """  # noqa: D301 - \b is for click
    from datetime import datetime

    from kedro_airflow_k8s.init.arguments import InitRequest
    from kedro_airflow_k8s.init.files import write_files
    from kedro_airflow_k8s.init.next_steps import next_steps
    from kedro_airflow_k8s.init.plan import plan_init
    from kedro_airflow_k8s.upload import check_output

    request = InitRequest(url=airflow_url, env=env_option_given(ctx, env), **options)
    today = datetime.now().astimezone().date()
    plan = plan_init(project_metadata(ctx), request, today)
    if request.output is not None:
        check_output(request.output)
    if dry_run:
        for file in plan.files:
            click.echo(f"--- {plan.shown(file.path)}\n{file.text}")
        click.echo("Nothing was written: --dry-run.", err=True)
        return
    interruptible(lambda: write_files(plan.files))
    click.echo(next_steps(plan, request))
