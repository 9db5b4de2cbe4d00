"""`schedule`: the DAG of a pipeline, with its schedule."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from kedro_airflow_k8s.cli._options import (
    airflow_k8s,
    checks_option,
    dag_name_option,
    image_option,
    interruptible,
    minutes_above_zero,
    output_option,
    progress,
    with_airflow,
)
from kedro_airflow_k8s.cli._runs import compiled

if TYPE_CHECKING:
    from kedro_airflow_k8s.deploy.target import Target
    from kedro_airflow_k8s.project.reader import KedroProject


@airflow_k8s.command("schedule")
@with_airflow
@output_option
@click.option(
    "-c",
    "--cron-expression",
    help="Use this schedule, five fields or a preset, in place of run_config.cron_expression.",
)
@dag_name_option
@image_option
@click.option(
    "-w",
    "--wait",
    "minutes",
    metavar="MINUTES",
    type=minutes_above_zero,
    help="Wait up to MINUTES until Airflow has the DAG.  [default: only for a new DAG]",
)
@click.option(
    "--unpause/--paused",
    default=None,
    help="Unpause the DAG, or leave it as it is.  [default: unpause it if it is new in Airflow]",
)
@checks_option
def schedule_command(
    project: KedroProject, pipeline: str, target: Target, output: str | None, **options: Any
) -> None:
    """Upload the DAG of a pipeline with its schedule, and say when it runs next.

    \b
    Example:
        kedro airflow-k8s schedule --cron-expression "0 6 * * 1-5" --wait 10
    """  # noqa: D301 - \b is for click
    from kedro_airflow_k8s.deploy.schedule import ScheduleOptions, schedule
    from kedro_airflow_k8s.plan.build import Overrides

    config = target.dag_config(options["image"], output)
    overrides = Overrides(dag_name=options["dag_name"], cron=options["cron_expression"])
    dag = compiled(project, config, pipeline, overrides, checks=options["checks"])
    how = ScheduleOptions(minutes=options["minutes"], unpause=options["unpause"])
    connect = (lambda: target.client) if how.needs_airflow or target.has_host else None
    target.refresh_image(output)
    destination = target.output(output)
    interruptible(lambda: schedule(connect, dag, destination, progress(), how))
