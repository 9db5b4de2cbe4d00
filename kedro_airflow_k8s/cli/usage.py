"""`usage`: what tasks have used, beside what they ask for."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

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


@airflow_k8s.command("usage")
@with_airflow
@click.option("-d", "--dag-name", help="Show the DAG with this id.  [default: that of --pipeline]")
@click.option(
    "--runs",
    type=click.IntRange(1, 100),
    default=10,
    show_default=True,
    help="Look at this number of the last runs.",
)
@click.option(
    "--suggest",
    is_flag=True,
    help="Print entries of `resources` that would fit, as YAML: the peak and 25 % more, rounded.",
)
@click.option(
    "--html",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Also write a page to FILE: a Gantt chart of a run, and the memory of the tasks.",
)
@click.option(
    "--run-id", help="Show this run in the Gantt chart of --html.  [default: the last one]"
)
@format_option
@output_file_option
def usage_command(
    project: KedroProject,
    pipeline: str,
    target: Target,
    form: str,
    output_file: IO[str] | None,
    **options: Any,
) -> None:
    """Show what tasks have used in the last runs, beside what they ask for.

    Peak memory, CPUs, time, and data read and written, the most of all runs. A task that failed is
    not counted. With --format json also what it has used in each run. The page of --html is a
    single file without scripts.

    \b
    Examples:
        kedro airflow-k8s usage
        kedro airflow-k8s usage --runs 50 --suggest
        kedro airflow-k8s usage --html usage.html
    """  # noqa: D301 - \b is for click
    html: Path | None = options["html"]
    if options["run_id"] and not html:
        raise click.UsageError("--run-id is for the chart of --html: give both.")
    from kedro_airflow_k8s.deploy.usage import as_json, asked_for, show_usage, suggestion, usage_of
    from kedro_airflow_k8s.plan.build import AS_CONFIGURED, plan_dag_id

    read, config = project.read_pipeline(pipeline), target.config.of(pipeline).run_config
    if html:
        # Only the page needs a template.
        from kedro_airflow_k8s.deploy import usage_page

        usage_page.check_place(html)
    dag_id = options["dag_name"] or plan_dag_id(read, config, AS_CONFIGURED)
    tasks = usage_of(target.client, dag_id, options["runs"], asked_for(read, config))
    if html:
        now = datetime.now(timezone.utc)
        page = usage_page.usage_page(target.client, dag_id, options["run_id"], tasks, now)
        usage_page.write_page(html, usage_page.as_html(page))
        click.echo(f"Page written: {html}", err=True)
    if form == "json":
        click.echo(as_json(tasks), output_file)
    elif options["suggest"]:
        click.echo(suggestion(tasks), output_file, nl=False)
    else:
        show_usage(tasks, console_for(output_file))
