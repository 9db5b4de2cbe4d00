"""`resume`: a failed run goes on where it stopped."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import click

from kedro_airflow_k8s.cli._dags import compiled
from kedro_airflow_k8s.cli._options import (
    airflow_k8s,
    checks_option,
    context_option,
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


@airflow_k8s.command("resume")
@with_airflow
@click.argument("run_id", required=False)
@click.option(
    "--from",
    "start_from",
    multiple=True,
    metavar="NODE",
    help="Run this node or task again, too, and those that follow it. Repeatable.",
)
@click.option("-f", "--follow", is_flag=True, help="Watch the run until its end.")
@click.option(
    "-w",
    "--wait-for-completion",
    "minutes",
    metavar="MINUTES",
    type=minutes_above_zero,
    help="Watch the run for up to MINUTES; exit with 1 if it fails or takes longer.",
)
@image_option
@output_option
@dag_name_option
@click.option("--unpause", is_flag=True, help="Unpause the DAG first.")
@context_option
@checks_option
def resume_command(
    project: KedroProject, pipeline: str, target: Target, run_id: str | None, **options: Any
) -> None:
    """Run the failed tasks of a run again, and those that follow them.

    RUN_ID is the last failed run by default. Finished tasks keep their results, if the run has
    kept its data: set run_config.keep_failed. If the code or the image is new, the DAG is uploaded
    first.

    \b
    Example:
        kedro airflow-k8s resume --from train_model --follow
    """  # noqa: D301 - \b is for click
    from kedro_airflow_k8s.deploy.find import find_tasks
    from kedro_airflow_k8s.deploy.resume import describe, plan_resumption, resume
    from kedro_airflow_k8s.deploy.run import RunOptions
    from kedro_airflow_k8s.deploy.start import keep_schedule
    from kedro_airflow_k8s.plan.build import Overrides

    output = options["output"]
    config = target.dag_config(options["image"], output).of(pipeline)
    shown = progress()
    named = Overrides(dag_name=options["dag_name"])
    registered = project.read_pipeline(pipeline)
    overrides = keep_schedule(target.client, registered, config.run_config, named, shown)
    (dag,) = compiled(project, config, pipeline, overrides, checks=options["checks"])
    names = [task.task_id for task in dag.tasks]
    start_from = find_tasks(options["start_from"], dag.tasks, names)
    volumes = target.volumes(config, options["context"])
    found = plan_resumption(target.client, dag, run_id, start_from, volumes)
    for line in describe(target.client, dag, found, project.path, pipeline):
        shown.say(line)
    run = RunOptions(
        unpause=options["unpause"] or None,
        minutes=math.inf if options["follow"] else options["minutes"],
    )
    target.refresh_image(output)
    destination = target.output(output)
    interruptible(lambda: resume(target.client, dag, destination, found, run, shown))
