"""`cancel`: ends a run."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING

import click

from kedro_airflow_k8s.cli._dag import run_id_argument, with_dag
from kedro_airflow_k8s.cli._options import airflow_k8s, outcome_options, progress_on

if TYPE_CHECKING:
    from kedro_airflow_k8s.deploy.target import Target


@airflow_k8s.command("cancel")
@with_dag("Cancel a run of")
@run_id_argument
@outcome_options
def cancel_command(
    target: Target, dag_id: str, run_id: str | None, form: str, output_file: IO[str] | None
) -> None:
    """Cancel a run: Airflow stops its pods, and then cleans up.

    Without RUN_ID: the run that has not ended, if there is only one.

    The run is marked as failed. Tasks that have not started are skipped; those that delete the
    volume or the intermediate data of the run, and end its MLflow run, still run.

    \b
    Examples:
        kedro airflow-k8s cancel
        kedro airflow-k8s cancel run-once-20261128-220000-1f2e3d --dag-name nightly
    """  # noqa: D301 - \b is for click
    from kedro_airflow_k8s.deploy.cancel import as_json, cancel, say_cancelled

    cancelled = cancel(target.client, dag_id, run_id)
    if form == "json":
        click.echo(as_json(cancelled), output_file)
    else:
        say_cancelled(cancelled, progress_on(output_file))
