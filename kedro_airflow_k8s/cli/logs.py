"""`logs`: what the tasks of a run have written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from kedro_airflow_k8s.cli._dag import run_id_argument, with_dag
from kedro_airflow_k8s.cli._options import (
    airflow_k8s,
    interruptible,
    outcome_options,
    progress_on,
)

if TYPE_CHECKING:
    from kedro_airflow_k8s.deploy.target import Target


@airflow_k8s.command("logs")
@with_dag("Show logs of")
@run_id_argument
@click.option(
    "-n",
    "--node",
    "nodes",
    multiple=True,
    metavar="NODE",
    help="Show the log of this Kedro node or task. Repeatable.  [default: the tasks that failed]",
)
@click.option(
    "-f",
    "--follow",
    is_flag=True,
    help="Show what running tasks write until they end: those of --node, or all of the run."
    " Ctrl-C ends the command; the run continues.",
)
@click.option("--raw", is_flag=True, help="Show whole logs, with all lines of Airflow.")
@outcome_options
def logs_command(
    target: Target, dag_id: str, run_id: str | None, nodes: tuple[str, ...], **options: Any
) -> None:
    """Show what the tasks of a run have written, the traceback of a failure first.

    Without RUN_ID: of the last run of the DAG. Without --node: of the tasks that failed.

    \b
    Examples:
        kedro airflow-k8s logs
        kedro airflow-k8s logs --node train_model_node --follow
        kedro airflow-k8s logs run-once-20261128-220000-1f2e3d --raw --output-file run.log
    """  # noqa: D301 - \b is for click
    from kedro_airflow_k8s.deploy.logs import follow_logs, logs_as_json, show_logs

    raw, output_file = options["raw"], options["output_file"]
    if options["form"] == "json":
        if options["follow"]:
            raise click.UsageError("Use --follow or --format json, not both.")
        click.echo(logs_as_json(target.client, dag_id, run_id, nodes, raw=raw), output_file)
        return
    show = follow_logs if options["follow"] else show_logs
    progress = progress_on(output_file)
    interruptible(lambda: show(target.client, dag_id, run_id, nodes, progress, raw=raw))
