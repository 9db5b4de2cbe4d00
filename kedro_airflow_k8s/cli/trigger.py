"""`trigger`: a run of the DAG that Airflow has, started now."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from kedro_airflow_k8s.cli._dag import dag_of_pipeline
from kedro_airflow_k8s.cli._options import airflow_k8s, interruptible, progress, with_airflow
from kedro_airflow_k8s.cli._runs import run_options

if TYPE_CHECKING:
    from kedro_airflow_k8s.deploy.target import Target
    from kedro_airflow_k8s.project.reader import KedroProject


@airflow_k8s.command("trigger")
@with_airflow
@click.option(
    "-d", "--dag-name", help="Start the DAG with this id.  [default: that of the pipeline]"
)
@run_options
@click.option("--unpause", is_flag=True, help="Unpause the DAG before the run.")
def trigger_command(
    project: KedroProject, pipeline: str, target: Target, dag_name: str | None, **options: Any
) -> None:
    """Start a run of the DAG in Airflow, without uploading it.

    The DAG, its schedule and the image stay as they are.

    \b
    Example:
        kedro airflow-k8s trigger --params model.depth=5 --wait-for-completion 60
    """  # noqa: D301 - \b is for click
    from kedro_airflow_k8s.deploy.params import parse_params
    from kedro_airflow_k8s.deploy.run import RunOptions
    from kedro_airflow_k8s.deploy.start import trigger

    params = parse_params(options["params"])
    config = target.config.of(pipeline).run_config
    dag_id = dag_name or dag_of_pipeline(project, pipeline, target)
    run = RunOptions(
        logical_date=options["logical_date"],
        unpause=options["unpause"],
        minutes=options["minutes"],
        cancel_on_interrupt=options["cancel_on_interrupt"],
        partition_format=config.partitioned.key_format if config.partitioned else "",
    )
    interruptible(lambda: trigger(target.client, dag_id, config.timezone, params, run, progress()))
