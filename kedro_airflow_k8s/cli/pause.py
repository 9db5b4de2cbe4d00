"""`pause`: pauses a DAG."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING

import click

from kedro_airflow_k8s.cli._dag import with_dag
from kedro_airflow_k8s.cli._options import airflow_k8s, outcome_options, progress_on

if TYPE_CHECKING:
    from kedro_airflow_k8s.deploy.target import Target


@airflow_k8s.command("pause")
@with_dag("Pause")
@outcome_options
def pause_command(target: Target, dag_id: str, form: str, output_file: IO[str] | None) -> None:
    """Pause a DAG, so that Airflow starts none of its runs.

    Tasks that are running go on. No further task starts, also none that cleans up after a run.

    \b
    Example:
        kedro airflow-k8s pause --dag-name nightly
    """  # noqa: D301 - \b is for click
    from kedro_airflow_k8s.deploy.pause import as_json, say_paused, set_paused

    found = set_paused(target.client, dag_id, True)
    if form == "json":
        click.echo(as_json(found), output_file)
    else:
        say_paused(found, progress_on(output_file))
