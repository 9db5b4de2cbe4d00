"""`list-pipelines`: the DAGs of this plugin in Airflow."""

from __future__ import annotations

from functools import partial
from typing import IO, TYPE_CHECKING

import click

from kedro_airflow_k8s.cli._options import (
    airflow_k8s,
    console_for,
    format_option,
    output_file_option,
    with_airflow,
)

if TYPE_CHECKING:
    from kedro_airflow_k8s.deploy.target import Target
    from kedro_airflow_k8s.project.reader import KedroProject


@airflow_k8s.command("list-pipelines")
@partial(
    with_airflow,
    pipeline_help="List only the DAG of this registered pipeline.  [default: all DAGs]",
)
@format_option
@output_file_option
def list_pipelines_command(
    project: KedroProject,
    pipeline: str,
    target: Target,
    form: str,
    output_file: IO[str] | None,
) -> None:
    """List the DAGs in Airflow that this plugin has made.

    With --pipeline: only the DAG of that pipeline.

    \b
    Example:
        kedro airflow-k8s list-pipelines --format json --output-file dags.json
    """  # noqa: D301 - \b is for click
    from kedro_airflow_k8s.deploy.list_pipelines import as_json, list_pipelines, show
    from kedro_airflow_k8s.plan.build import AS_CONFIGURED, plan_dag_id
    from kedro_airflow_k8s.project.entities import DEFAULT_PIPELINE

    dag_id = None
    if pipeline != DEFAULT_PIPELINE:
        found = project.read_pipeline(pipeline)
        dag_id = plan_dag_id(found, target.config.of(found.name).run_config, AS_CONFIGURED)
    dags = list_pipelines(target.client, dag_id)
    if form == "json":
        click.echo(as_json(dags), output_file)
    else:
        show(dags, console_for(output_file), dag_id)
