"""`unpause`: unpauses a DAG."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING

import click

from kedro_airflow_k8s.cli._dag import with_dag
from kedro_airflow_k8s.cli._options import airflow_k8s, outcome_options, progress_on

if TYPE_CHECKING:
    from kedro_airflow_k8s.deploy.target import Target


@airflow_k8s.command("unpause")
@with_dag("Unpause")
@outcome_options
def unpause_command(target: Target, dag_id: str, form: str, output_file: IO[str] | None) -> None:
    """Unpause a DAG, so that Airflow starts its runs.

    Runs that waited begin. With a schedule, Airflow starts the run of the last interval at once if
    it has had none.

    \b
    Example:
        kedro airflow-k8s unpause --dag-name nightly
    """  # noqa: D301 - \b is for click
    from kedro_airflow_k8s.deploy.pause import as_json, say_paused, set_paused

    found = set_paused(target.client, dag_id, False)
    if form == "json":
        click.echo(as_json(found), output_file)
    else:
        say_paused(found, progress_on(output_file))
