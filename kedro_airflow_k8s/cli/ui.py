"""`ui`: Airflow's page in a browser."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from kedro_airflow_k8s.cli._dag import dag_of_pipeline
from kedro_airflow_k8s.cli._options import airflow_k8s, with_airflow

if TYPE_CHECKING:
    from kedro_airflow_k8s.deploy.target import Target
    from kedro_airflow_k8s.project.reader import KedroProject


@airflow_k8s.command("ui")
@with_airflow
@click.option(
    "-d",
    "--dag-name",
    help="Show the DAG with this id.  [default: that of --pipeline, else Airflow's home page]",
)
@click.option(
    "--run", "last_run", is_flag=True, help="Show the last run of that DAG, or of the pipeline's."
)
def ui_command(
    project: KedroProject, pipeline: str, target: Target, dag_name: str | None, last_run: bool
) -> None:
    """Open Airflow in a browser, and print the address.

    \b
    Example:
        kedro airflow-k8s ui --dag-name my-project --run
    """  # noqa: D301 - \b is for click
    from kedro_airflow_k8s.deploy.browser import dag_page, last_run_page, open_page
    from kedro_airflow_k8s.project.entities import DEFAULT_PIPELINE

    if last_run or dag_name or pipeline != DEFAULT_PIPELINE:
        dag_id = dag_name or dag_of_pipeline(project, pipeline, target)
        page = last_run_page if last_run else dag_page
        address = page(target.client, dag_id)
    else:
        address = target.host
    open_page(address, click.echo)
