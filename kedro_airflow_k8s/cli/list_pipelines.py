"""`list-pipelines`: the DAGs of this plugin in Airflow."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING, Any

import click

from kedro_airflow_k8s.cli._options import airflow_k8s, output_file_option, progress, with_airflow

if TYPE_CHECKING:
    from kedro_airflow_k8s.deploy.target import Target


@airflow_k8s.command("list-pipelines")
@with_airflow
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "json"]),
    default="table",
    show_default=True,
    help="Print the list in this format.",
)
@output_file_option
def list_pipelines_command(
    target: Target, form: str, output_file: IO[str] | None, **_: Any
) -> None:
    """List the DAGs in Airflow that this plugin has made.

    \b
    Example:
        kedro airflow-k8s list-pipelines --format json --output-file dags.json
    """  # noqa: D301 - \b is for click
    from rich.console import Console

    from kedro_airflow_k8s.deploy.list_pipelines import as_json, list_pipelines, show

    dags = list_pipelines(target.client)
    if form == "json":
        click.echo(as_json(dags), output_file)
    else:
        show(dags, Console(file=output_file, emoji=False) if output_file else progress().console)
