"""`usage`: what tasks have used, beside what they ask for."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING, Any

import click

from kedro_airflow_k8s.cli._options import (
    airflow_k8s,
    console_for,
    format_option,
    output_file_option,
    with_airflow,
)

if TYPE_CHECKING:
    from kedro_airflow_k8s.deploy.target import Target
    from kedro_airflow_k8s.project.reader import KedroProject


@airflow_k8s.command("usage")
@with_airflow
@click.option("-d", "--dag-name", help="Show the DAG with this id.  [default: that of --pipeline]")
@click.option(
    "--runs",
    type=click.IntRange(1, 100),
    default=10,
    show_default=True,
    help="Look at this number of the last runs.",
)
@click.option(
    "--suggest",
    is_flag=True,
    help="Print entries of `resources` that would fit, as YAML: the peak and 25 % more, rounded.",
)
@format_option
@output_file_option
def usage_command(
    project: KedroProject,
    pipeline: str,
    target: Target,
    form: str,
    output_file: IO[str] | None,
    **options: Any,
) -> None:
    """Show what tasks have used in the last runs, beside what they ask for.

    Peak memory, CPUs, time, and data read and written, the most of all runs. A task that failed is
    not counted. With --format json also what it has used in each run.

    \b
    Examples:
        kedro airflow-k8s usage
        kedro airflow-k8s usage --runs 50 --suggest
    """  # noqa: D301 - \b is for click
    from kedro_airflow_k8s.deploy.usage import as_json, asked_for, show_usage, suggestion, usage_of
    from kedro_airflow_k8s.plan.build import AS_CONFIGURED, plan_dag_id

    read, config = project.read_pipeline(pipeline), target.config.of(pipeline).run_config
    dag_id = options["dag_name"] or plan_dag_id(read, config, AS_CONFIGURED)
    tasks = usage_of(target.client, dag_id, options["runs"], asked_for(read, config))
    if form == "json":
        click.echo(as_json(tasks), output_file)
    elif options["suggest"]:
        click.echo(suggestion(tasks), output_file, nl=False)
    else:
        show_usage(tasks, console_for(output_file))
