"""`show-config`: the settings of a pipeline, and where they come from."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from kedro_airflow_k8s.cli._options import airflow_k8s, with_project

if TYPE_CHECKING:
    from kedro_airflow_k8s.project.reader import KedroProject


@airflow_k8s.command("show-config")
@with_project
@click.option("--node", help="Of `resources`, show only the entry that this node selects.")
def show_config_command(project: KedroProject, pipeline: str, node: str | None) -> None:
    """Show all settings of a pipeline, each with the file and line that it comes from.

    Values that look like passwords are hidden, and variables are shown as the files have them.

    \b
    Example:
        kedro airflow-k8s show-config --pipeline data_science --node train_model_node
    """  # noqa: D301 - \b is for click
    from kedro_airflow_k8s.config.origins import as_text, read_origins, settings
    from kedro_airflow_k8s.plan.tasks import resources_of
    from kedro_airflow_k8s.project.config_files import CONFIG_NAME
    from kedro_airflow_k8s.project.nodes import named_node

    config = project.config()
    nodes = project.read_pipeline(pipeline).nodes
    entry = resources_of(named_node(nodes, node), config.of(pipeline).run_config) if node else None
    files = project.config_files(CONFIG_NAME)
    names = [Path(os.path.relpath(file, project.path)).as_posix() for file in files]
    origins = read_origins(list(zip(files, names, strict=True)))
    for line in as_text(settings(config, origins, pipeline, entry)):
        click.echo(line)
