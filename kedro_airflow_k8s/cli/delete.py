"""`delete`: removes a DAG from Airflow."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING

import click

from kedro_airflow_k8s.cli._dag import with_dag
from kedro_airflow_k8s.cli._options import airflow_k8s, outcome_options, progress_on, warn

if TYPE_CHECKING:
    from kedro_airflow_k8s.deploy.target import Target


@airflow_k8s.command("delete")
@with_dag("Delete")
@click.option(
    "-o",
    "--output",
    help="Delete the file from this folder or bucket, in place of `output` in the file.",
)
@click.option("-y", "--yes", is_flag=True, help="Delete without asking.")
@outcome_options
def delete_command(
    target: Target,
    dag_id: str,
    output: str | None,
    yes: bool,
    form: str,
    output_file: IO[str] | None,
) -> None:
    """Delete a DAG: its file, and then Airflow's records of it and of its runs.

    Only a DAG of this plugin whose file is in the output, and of which no run is in progress. What
    nodes have stored stays, and so do the image and runs in MLflow.

    \b
    Examples:
        kedro airflow-k8s delete
        kedro airflow-k8s delete --dag-name my-branch --yes
    """  # noqa: D301 - \b is for click
    from kedro_airflow_k8s.deploy.delete import (
        as_json,
        delete,
        plan_deletion,
        question,
        say_deleted,
        warning,
    )

    destination = target.output(output)
    deletion = plan_deletion(target.client, dag_id, destination)
    if before := warning(deletion):
        warn(before)
    if not (yes or _confirmed(question(deletion))):
        raise click.ClickException("Nothing was deleted. --yes deletes without asking.")
    deleted = delete(target.client, deletion, destination)
    if form == "json":
        click.echo(as_json(deleted), output_file)
    else:
        say_deleted(deleted, progress_on(output_file))


def _confirmed(question: str) -> bool:
    """Return whether the user says yes; False where no one can be asked."""
    try:
        return click.confirm(question, err=True)
    except click.Abort:
        click.echo(err=True)
        return False
