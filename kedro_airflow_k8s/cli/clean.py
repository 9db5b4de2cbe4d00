"""`clean`: deletes the data that runs have left."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import click

from kedro_airflow_k8s.cli._options import (
    airflow_k8s,
    context_option,
    outcome_options,
    progress_on,
    with_airflow,
)

if TYPE_CHECKING:
    from kedro_airflow_k8s.deploy.left_data import LeftData
    from kedro_airflow_k8s.deploy.target import Target
    from kedro_airflow_k8s.project.reader import KedroProject


@airflow_k8s.command("clean")
@partial(
    with_airflow, pipeline_help="Clean up after this registered pipeline.  [default: all pipelines]"
)
@click.option("-d", "--dag-name", help="Clean up after the DAG with this id.")
@click.option("--dry-run", is_flag=True, help="List the data, and delete nothing.")
@click.option("--kept", is_flag=True, help="Delete also what is kept for `resume`.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask before deleting.")
@context_option
@outcome_options
def clean_command(
    project: KedroProject, pipeline: str, target: Target, dag_name: str | None, **options: Any
) -> None:
    """Delete the data that failed runs of the project's DAGs have left.

    It is listed first: volumes, and folders in run_config.intermediate_data. Data of runs that
    have not ended, and of runs that Airflow does not know, stays.

    \b
    Examples:
        kedro airflow-k8s clean --dry-run
        kedro airflow-k8s clean --yes --format json --output-file cleaned.json
    """  # noqa: D301 - \b is for click
    from kedro_airflow_k8s.deploy.clean import as_json, delete, find, show
    from kedro_airflow_k8s.plan.build import AS_CONFIGURED, plan_dag_id
    from kedro_airflow_k8s.project.entities import DEFAULT_PIPELINE

    in_json = options["form"] == "json"
    if in_json and not (options["dry_run"] or options["yes"]):
        raise click.UsageError("--format json does not ask: add --yes or --dry-run.")
    config = target.config
    names = [pipeline]
    if pipeline == DEFAULT_PIPELINE and not dag_name:
        names = project.pipeline_names()
    dags = {}
    for name in names:
        run = config.of(name).run_config
        dag_id = dag_name or plan_dag_id(project.read_pipeline(name), run, AS_CONFIGURED)
        dags[dag_id] = run
    shown = progress_on(options["output_file"])
    kubectl = target.kubectl(options["context"])
    found = find(target.client, kubectl, dags, kept=options["kept"])
    deletable = [] if options["dry_run"] else [each.data for each in found if each.deletable]
    if in_json:
        deleted: list[LeftData] = []
        try:
            delete(deletable, deleted.append)
        finally:
            click.echo(as_json(found, deleted), options["output_file"])
        return
    show(found, shown.console)
    if deletable and not options["yes"]:
        click.confirm("Delete what no run needs?", abort=True)
    delete(deletable, lambda data: shown.say(f"Deleted {data.place}."))
