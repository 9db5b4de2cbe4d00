"""`status`: how a run stands."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING

import click

from kedro_airflow_k8s.cli._dag import run_id_argument, with_dag
from kedro_airflow_k8s.cli._options import (
    airflow_k8s,
    console_for,
    format_option,
    output_file_option,
)

if TYPE_CHECKING:
    from kedro_airflow_k8s.deploy.target import Target


@airflow_k8s.command("status")
@with_dag("Show a run of")
@run_id_argument
@format_option
@output_file_option
def status_command(
    target: Target, dag_id: str, run_id: str | None, form: str, output_file: IO[str] | None
) -> None:
    """Show the tasks of a run: state, attempts, duration, and why they failed.

    Without RUN_ID: of the last run of the DAG.

    \b
    Examples:
        kedro airflow-k8s status
        kedro airflow-k8s status scheduled__2026-11-28T00:00:00+00:00 --dag-name nightly
        kedro airflow-k8s status --format json --output-file run.json
    """  # noqa: D301 - \b is for click
    from kedro_airflow_k8s.deploy.status import as_json, run_status, show_status

    status = run_status(target.client, dag_id, run_id)
    if form == "json":
        click.echo(as_json(status), output_file)
    else:
        show_status(status, console_for(output_file))
