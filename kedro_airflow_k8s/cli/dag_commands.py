"""`compile` and `upload-pipeline`: no Airflow is asked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from kedro_airflow_k8s.cli.group import (
    airflow_k8s,
    checks_option,
    image_option,
    named_pipelines,
    output_option,
    warn,
    with_airflow,
    with_project,
)


@airflow_k8s.command("compile")
@with_project
@image_option
@click.option(
    "-t",
    "--target-path",
    type=click.Path(file_okay=False),
    help="Folder to write to.  [default: dags]",
)
@click.option("--all", "every", is_flag=True, help="Compile every registered pipeline.")
@checks_option
def compile_command(
    project: Any,
    pipeline: str,
    image: str | None,
    target_path: str | None,
    every: bool,
    checks: bool,
) -> None:
    """Write the DAG of a pipeline to dags/<dag_id>.py.

    \b
    Example:
        kedro airflow-k8s compile --image registry.example.com/project:1.0
    """  # noqa: D301 - \b is for click
    from kedro_airflow_k8s.compilation import compile_pipelines
    from kedro_airflow_k8s.plan import Overrides
    from kedro_airflow_k8s.upload import upload_dag

    names = named_pipelines(project, pipeline, every)
    if target_path and "://" in target_path:
        raise click.UsageError(
            "compile writes to a folder of this machine. To deliver a DAG elsewhere:"
            f" kedro airflow-k8s upload-pipeline --output {target_path}"
        )
    folder = Path(target_path) if target_path else project.dags_path
    dags = compile_pipelines(
        project, names, output=folder, overrides=Overrides(image=image), checks=checks, warn=warn
    )
    for dag in dags:
        path = upload_dag(dag.source, dag.file_name, str(folder))
        click.echo(f"{path}: DAG {dag.dag_id} with {len(dag.task_ids)} tasks")


@airflow_k8s.command("upload-pipeline")
@with_airflow
@image_option
@output_option
@checks_option
def upload_pipeline(
    project: Any,
    pipeline: str,
    target: Any,
    image: str | None,
    output: str | None,
    checks: bool,
) -> None:
    """Write the DAG of a pipeline to where Airflow reads it: a folder, gs://, s3:// or abfs://.

    \b
    Example:
        kedro airflow-k8s upload-pipeline --output gs://bucket/dags
    """  # noqa: D301 - \b is for click
    from kedro_airflow_k8s.compilation import compile_pipelines
    from kedro_airflow_k8s.plan import Overrides
    from kedro_airflow_k8s.upload import upload_dag

    chosen_image = target.image_for(output, image)
    output = target.output(output)
    dags = compile_pipelines(
        project,
        [pipeline],
        output=Path(output),
        overrides=Overrides(image=chosen_image),
        checks=checks,
        warn=warn,
    )
    for dag in dags:
        click.echo(f"Uploaded DAG {dag.dag_id} to {upload_dag(dag.source, dag.file_name, output)}")
