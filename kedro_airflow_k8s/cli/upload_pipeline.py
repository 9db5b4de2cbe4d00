"""`upload-pipeline`: the DAG of a pipeline, where Airflow reads it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from kedro_airflow_k8s.cli._options import (
    airflow_k8s,
    checks_option,
    counted_warnings,
    image_option,
    output_option,
    with_airflow,
)

if TYPE_CHECKING:
    from kedro_airflow_k8s.deploy.target import Target
    from kedro_airflow_k8s.project.reader import KedroProject


@airflow_k8s.command("upload-pipeline")
@with_airflow
@image_option
@output_option
@checks_option
def upload_pipeline_command(
    project: KedroProject,
    pipeline: str,
    target: Target,
    image: str | None,
    output: str | None,
    checks: bool,
) -> None:
    """Write the DAG of a pipeline to where Airflow reads it: a folder, gs://, s3:// or abfs://.

    \b
    Example:
        kedro airflow-k8s upload-pipeline --output gs://bucket/dags
    """  # noqa: D301 - \b is for click
    from kedro_airflow_k8s.compile import compile_pipelines
    from kedro_airflow_k8s.upload import upload_dag

    config = target.dag_config(image, output)
    with counted_warnings(project, pipeline) as warn:
        dags = compile_pipelines(project, config, [pipeline], checks=checks, warn=warn)
    target.refresh_image(output)
    for dag in dags:
        where = upload_dag(dag.source, dag.file_name, target.output(output))
        click.echo(f"Uploaded DAG {dag.dag_id} to {where}")
