"""`schedule`: the DAG of a pipeline, with its schedule."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from kedro_airflow_k8s.cli._dags import compiled
from kedro_airflow_k8s.cli._options import (
    airflow_k8s,
    all_option,
    checks_option,
    dag_name_option,
    image_option,
    interruptible,
    minutes_above_zero,
    output_option,
    progress,
    with_airflow,
)

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
@all_option("Schedule")
@click.option(
    "-w",
    "--wait",
    "minutes",
    metavar="MINUTES",
    type=minutes_above_zero,
    help="Wait up to MINUTES until Airflow has read the DAG.  [default: only for a new DAG]",
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
    """Upload the DAG of a pipeline with its schedule, and print the next runs.

    If Airflow cannot be reached, the DAG is uploaded anyway, with a warning. With --wait or
    --unpause, the command fails instead.

    \b
    Example:
        kedro airflow-k8s schedule --cron-expression "0 6 * * 1-5" --wait 10
    """  # noqa: D301 - \b is for click
    from kedro_airflow_k8s.compile import CompiledDag
    from kedro_airflow_k8s.deploy.schedule import ScheduleOptions, reachable, schedule
    from kedro_airflow_k8s.deploy.several import deploy_all, scheduled_only
    from kedro_airflow_k8s.plan.build import Overrides

    every, shown = options["all_pipelines"], progress()
    if every and (options["dag_name"] or options["cron_expression"]):
        raise click.UsageError(
            "--all cannot be combined with --dag-name or --cron-expression. Each pipeline has its"
            " own: set run_name and cron_expression below `pipelines` in airflow-k8s.yaml."
        )
    config, destination = target.dag_config(options["image"], output), target.output(output)
    overrides = Overrides(dag_name=options["dag_name"], cron=options["cron_expression"])
    checks = options["checks"]
    dags = compiled(project, config, pipeline, overrides, all_pipelines=every, checks=checks)
    how = ScheduleOptions(minutes=options["minutes"], unpause=options["unpause"])
    connect = (lambda: target.client) if how.needs_airflow or target.has_host else None
    target.refresh_image(output)

    def deploy(dag: CompiledDag) -> str:
        return schedule(connect, dag, destination, shown, how)

    if every:
        scheduled = scheduled_only(dags, shown.say)
        connect = reachable(connect, shown, how)
        interruptible(lambda: deploy_all(scheduled, deploy, shown.console))
    else:
        interruptible(lambda: deploy(*dags))
