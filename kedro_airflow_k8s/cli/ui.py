"""`ui`: Airflow's page in a browser."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import click

from kedro_airflow_k8s.cli._dag import dag_of_pipeline
from kedro_airflow_k8s.cli._options import airflow_k8s, context_option, interruptible, with_airflow

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
@click.option(
    "--cluster",
    metavar="NAME",
    help="Show the web page of this entry of run_config.clusters in the newest run that has it.",
)
@context_option
def ui_command(
    project: KedroProject, pipeline: str, target: Target, dag_name: str | None, **options: Any
) -> None:
    """Open Airflow in a browser, and print the address.

    With --cluster, it is the page of a cluster such as one of Spark. kubectl forwards a port to it
    until you press Ctrl-C.

    \b
    Examples:
        kedro airflow-k8s ui --dag-name my-project --run
        kedro airflow-k8s ui --cluster spark
    """  # noqa: D301 - \b is for click
    from kedro_airflow_k8s.deploy.browser import dag_page, last_run_page, open_page
    from kedro_airflow_k8s.project.entities import DEFAULT_PIPELINE

    last_run, cluster = options["last_run"], options["cluster"]
    if not (last_run or cluster or dag_name or pipeline != DEFAULT_PIPELINE):
        open_page(target.host, click.echo)
        return
    dag_id = dag_name or dag_of_pipeline(project, pipeline, target)
    if not cluster:
        page = last_run_page if last_run else dag_page
        open_page(page(target.client, dag_id), click.echo)
        return
    from kedro_airflow_k8s.deploy.cluster_page import show_page

    if last_run:
        raise click.UsageError("--run is about a page of Airflow: leave out --cluster.")
    run, kubectl = target.config.of(pipeline).run_config, target.kubectl(options["context"])
    show = partial(open_page, say=click.echo)
    interruptible(lambda: show_page(kubectl, run, dag_id, cluster, show))
