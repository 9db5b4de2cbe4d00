"""`compile`: the DAG of a pipeline, as a file on this machine."""

from __future__ import annotations

import atexit
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from kedro_airflow_k8s.cli._dags import hint_at_init, named_pipelines
from kedro_airflow_k8s.cli._options import (
    airflow_k8s,
    all_option,
    checks_option,
    image_option,
    warn_of,
    with_project,
)

if TYPE_CHECKING:
    from kedro_airflow_k8s.project.reader import KedroProject

GARBAGE_THRESHOLDS = (100_000, 100)
"""New objects before a collection, and collections before a deeper one."""


@contextmanager
def little_garbage_collection() -> Iterator[None]:
    """Collect garbage rarely, and not at all at the end of the process.

    Nearly all objects of `compile` are needed until its end, so collections find nothing. With 5000
    nodes this saves a tenth of its CPU time and more.
    """
    import gc

    thresholds = gc.get_threshold()
    gc.set_threshold(*GARBAGE_THRESHOLDS)
    atexit.register(gc.freeze)
    try:
        yield
    finally:
        gc.set_threshold(*thresholds)


@airflow_k8s.command("compile")
@little_garbage_collection()
@with_project
@image_option
@click.option(
    "-t",
    "--target-path",
    type=click.Path(file_okay=False),
    help="Write to this folder.  [default: dags]",
)
@all_option("Compile")
@checks_option
def compile_command(
    project: KedroProject,
    pipeline: str,
    image: str | None,
    target_path: str | None,
    all_pipelines: bool,
    checks: bool,
) -> None:
    """Write the DAG of a pipeline to dags/<dag_id>.py.

    \b
    Example:
        kedro airflow-k8s compile --image registry.example.com/project:1.0
    """  # noqa: D301 - \b is for click
    from kedro_airflow_k8s.compile import compile_pipelines
    from kedro_airflow_k8s.config.wording import counted
    from kedro_airflow_k8s.upload import upload_dag

    if target_path and "://" in target_path:
        raise click.UsageError(
            "compile writes to a folder of this machine. To deliver a DAG elsewhere:"
            f" kedro airflow-k8s upload-pipeline --output {target_path}"
        )
    folder = str(Path(target_path) if target_path else project.dags_path)
    config = project.config(image, output=folder)
    names = named_pipelines(project, config, pipeline, all_pipelines)
    with hint_at_init(project, config):
        dags = compile_pipelines(project, config, names, checks=checks, warn=warn_of)
    for dag in dags:
        path = upload_dag(dag.source, dag.file_name, folder, setting="--target-path")
        click.echo(f"{path}: DAG {dag.dag_id} with {counted(len(dag.task_ids), 'task')}")
