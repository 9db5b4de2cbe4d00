"""`assets`: the data of the project that Airflow knows."""

from __future__ import annotations

from functools import partial
from typing import IO, TYPE_CHECKING

import click

from kedro_airflow_k8s.cli._options import (
    airflow_k8s,
    console_for,
    format_option,
    output_file_option,
    with_project,
)

if TYPE_CHECKING:
    from kedro_airflow_k8s.project.reader import KedroProject


@airflow_k8s.command("assets")
@partial(
    with_project,
    pipeline_help="List only the assets of this pipeline.  [default: of all pipelines]",
)
@format_option
@output_file_option
def assets_command(
    project: KedroProject, pipeline: str, form: str, output_file: IO[str] | None
) -> None:
    """List the assets of the project, with the tasks that make and read them.

    An asset is a dataset that Airflow knows, as run_config.assets says. Without --pipeline: those
    of every registered pipeline that is not disabled in airflow-k8s.yaml. Airflow is not asked.

    \b
    Examples:
        kedro airflow-k8s assets
        kedro airflow-k8s assets --format json --output-file assets.json
    """  # noqa: D301 - \b is for click
    from kedro_airflow_k8s.deploy.assets import as_json, list_assets, show_assets
    from kedro_airflow_k8s.project.entities import DEFAULT_PIPELINE

    config = project.config()
    names = [pipeline] if pipeline != DEFAULT_PIPELINE else config.enabled(project.pipeline_names())
    assets = list_assets(project, config, names)
    if form == "json":
        click.echo(as_json(assets), output_file)
    else:
        show_assets(assets, console_for(output_file))
