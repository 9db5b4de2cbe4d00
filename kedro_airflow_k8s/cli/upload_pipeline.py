"""`upload-pipeline`: the DAG of a pipeline, where Airflow reads it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from kedro_airflow_k8s.cli._dags import compiled
from kedro_airflow_k8s.cli._options import (
    airflow_k8s,
    all_option,
    checks_option,
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
@all_option("Upload")
@checks_option
def upload_pipeline_command(
    project: KedroProject,
    pipeline: str,
    target: Target,
    image: str | None,
    output: str | None,
    **options: Any,
) -> None:
    """Write DAGs to where Airflow reads them: a folder, gs://, s3:// or abfs://.

    \b
    Example:
        kedro airflow-k8s upload-pipeline --output gs://bucket/dags
    """  # noqa: D301 - \b is for click
    from kedro_airflow_k8s.compile import CompiledDag
    from kedro_airflow_k8s.deploy.several import deploy_all
    from kedro_airflow_k8s.terminal.progress import standard_console
    from kedro_airflow_k8s.upload import upload_dag

    config, destination = target.dag_config(image, output), target.output(output)
    every = options["all_pipelines"]
    dags = compiled(project, config, pipeline, all_pipelines=every, checks=options["checks"])
    target.refresh_image(output)

    def upload(dag: CompiledDag) -> str:
        where = upload_dag(dag.source, dag.file_name, destination)
        return f"Uploaded DAG {dag.dag_id} to {where}"

    if every:
        deploy_all(dags, upload, standard_console())
    else:
        click.echo(upload(*dags))
