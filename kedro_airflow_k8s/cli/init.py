"""`init`: the files that a project needs, made of what is known of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from kedro_airflow_k8s.cli._options import (
    airflow_k8s,
    env_option_given,
    interruptible,
    project_metadata,
)

if TYPE_CHECKING:
    from kedro_airflow_k8s.init.plan_files import InitPlan


@airflow_k8s.command("init")
@click.argument("airflow_url", required=False)
@click.option(
    "-o", "--output", help="Where Airflow reads DAGs: a folder, or gs://, s3:// or abfs://."
)
@click.option(
    "-e",
    "--env",
    help="Environment whose folder gets the file, with all keys.  [default: base]",
)
@click.option(
    "--force",
    is_flag=True,
    help="Replace files that are there: the configuration only if AIRFLOW_URL, --output or"
    " --airflow-auth is given, or nothing but it is asked for.",
)
@click.option("--dry-run", is_flag=True, help="Print the files, and write none.")
@click.option("--dockerfile", is_flag=True, help="Also write a Dockerfile.")
@click.option(
    "--with-github-actions",
    "github_actions",
    is_flag=True,
    help="Also write two workflows for GitHub: one runs branches, one schedules what is on the"
    " default branch.",
)
@click.option(
    "--with-gitlab-ci", "gitlab_ci", is_flag=True, help="Also write the same for GitLab CI."
)
@click.option(
    "--registry",
    type=click.Choice(["ghcr", "gar", "ecr"]),
    help="With one of these: where the image goes. ghcr is the service's own registry, GitHub's or"
    " GitLab's; gar is Google's Artifact Registry, ecr Amazon's ECR.  [default: ghcr]",
)
@click.option(
    "--airflow-auth",
    type=click.Choice(["token", "password", "google", "aws", "none"]),
    help="How the plugin logs in to Airflow's API: airflow_auth in the file.",
)
@click.pass_context
def init_command(
    ctx: click.Context, /, env: str | None, dry_run: bool, airflow_url: str | None, **options: Any
) -> None:
    """Write conf/base/airflow-k8s.yaml, and add to the project what its pods need.

    AIRFLOW_URL is the address of Airflow's web page. Without it and --output, the project is set up
    for the Airflow of the sandbox on this machine.

    If the file is there, --dockerfile and the --with options leave it as it is and add theirs.

    \b
    Example:
        kedro airflow-k8s init --output gs://bucket/dags --dockerfile https://airflow.example.com
    """  # noqa: D301 - \b is for click
    from datetime import datetime

    from kedro_airflow_k8s.init.arguments import InitRequest
    from kedro_airflow_k8s.init.closing_words import closing_words, file_line
    from kedro_airflow_k8s.init.plan_files import plan_init

    request = InitRequest(url=airflow_url, env=env_option_given(ctx, env), **options)
    if request.registry and not (request.github_actions or request.gitlab_ci):
        raise click.UsageError("--registry needs --with-github-actions or --with-gitlab-ci.")
    today = datetime.now().astimezone().date()
    plan: InitPlan = plan_init(project_metadata(ctx), request, today)
    if dry_run:
        for file in plan.files:
            click.echo(f"--- {file.shown}\n{file.text}")
        click.echo("Nothing was written: --dry-run.", err=True)
        return
    interruptible(plan.write)
    for file in plan.files:
        click.echo(file_line(file))
    click.echo(closing_words(plan, request))
