"""`run-once`, `schedule`, `list-pipelines` and `ui`: they talk to Airflow."""

from __future__ import annotations

import math
import re
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from kedro_airflow_k8s.cli.group import (
    airflow_k8s,
    checks_option,
    dag_name_option,
    image_option,
    interruptible,
    output_option,
    warn,
    with_airflow,
)


def _minutes(text: str) -> float:
    """A number of minutes above 0; one that is none would pass every comparison."""
    try:
        minutes = float(text)
    except ValueError:
        minutes = math.nan
    if not 0 < minutes < math.inf:
        raise click.BadParameter(f"{text!r} is not a number of minutes above 0.")
    return minutes


def _date(text: str) -> datetime:
    """A date and time as Airflow shows it (ISO 8601), with a zone if the text has one."""
    try:
        return datetime.fromisoformat(re.sub(r"[Zz]$", "+00:00", text))
    except ValueError:
        raise click.BadParameter(
            f"{text!r} is not a date such as 2026-01-31 or 2026-01-31T06:00:00+01:00."
        ) from None


@airflow_k8s.command("run-once")
@with_airflow
@output_option
@dag_name_option
@image_option
@click.option(
    "-w",
    "--wait-for-completion",
    "minutes",
    metavar="MINUTES",
    type=_minutes,
    help="Watch the run until its end, from its start at most so long; fail if it fails.",
)
@click.option(
    "--params",
    multiple=True,
    metavar="KEY=VALUE",
    help="Kedro parameter for this run, as in `kedro run --params`. May be given several times.",
)
@click.option(
    "--logical-date",
    type=_date,
    metavar="DATE",
    help="Logical date of the run, in the DAG's time zone if it has none.  [default: none;"
    " on Airflow 2 the present]",
)
@click.option(
    "--unpause/--no-unpause",
    default=None,
    help="Unpause the DAG before the run.  [default: if it is new in Airflow]",
)
@click.option(
    "--cancel-on-interrupt",
    is_flag=True,
    help="Fail the run on Ctrl-C. Without it, the run goes on.",
)
@checks_option
def run_once_command(
    project: Any, pipeline: str, target: Any, output: str | None, **options: Any
) -> None:
    """Upload the DAG of a pipeline without its schedule, and start a run of it.

    \b
    Example:
        kedro airflow-k8s run-once --wait-for-completion 60 --params model.depth=5
    """  # noqa: D301 - \b is for click
    from kedro_airflow_k8s.compilation import compile_pipelines
    from kedro_airflow_k8s.plan import Overrides
    from kedro_airflow_k8s.run_once import RunOptions, run_once
    from kedro_airflow_k8s.runtime_params import conf_of, parse_params

    params = parse_params(options["params"])
    output = target.output(output)
    (dag,) = compile_pipelines(
        project,
        [pipeline],
        output=Path(output),
        overrides=Overrides(
            dag_name=options["dag_name"], once=True, image=target.image(options["image"])
        ),
        checks=options["checks"],
        warn=warn,
    )
    run = RunOptions(
        conf=conf_of(params, dag.trigger_params),
        logical_date=options["logical_date"],
        unpause=options["unpause"],
        minutes=options["minutes"],
        cancel_on_interrupt=options["cancel_on_interrupt"],
    )
    interruptible(lambda: run_once(target.client, dag, output, run, _progress()))


@airflow_k8s.command("schedule")
@with_airflow
@output_option
@click.option(
    "-c",
    "--cron-expression",
    help="When it runs: five fields or a preset, in place of run_config.cron_expression.",
)
@dag_name_option
@image_option
@click.option(
    "-w",
    "--wait",
    "minutes",
    metavar="MINUTES",
    type=_minutes,
    help="Wait until Airflow has the DAG, at most so long.",
)
@checks_option
def schedule_command(
    project: Any, pipeline: str, target: Any, output: str | None, **options: Any
) -> None:
    """Upload the DAG of a pipeline with its schedule.

    \b
    Example:
        kedro airflow-k8s schedule --cron-expression "0 6 * * 1-5" --wait 10
    """  # noqa: D301 - \b is for click
    from kedro_airflow_k8s.compilation import compile_pipelines
    from kedro_airflow_k8s.deployment import PARSE_MINUTES, schedule
    from kedro_airflow_k8s.plan import Overrides

    output = target.output(output)
    (dag,) = compile_pipelines(
        project,
        [pipeline],
        output=Path(output),
        overrides=Overrides(
            dag_name=options["dag_name"],
            cron=options["cron_expression"],
            image=target.image(options["image"]),
        ),
        checks=options["checks"],
        warn=warn,
    )
    minutes = options["minutes"]
    client = target.client if minutes else None
    interruptible(lambda: schedule(client, dag, output, _progress(), minutes or PARSE_MINUTES))


@airflow_k8s.command("list-pipelines")
@with_airflow
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "json"]),
    default="table",
    show_default=True,
    help="How to print the list.",
)
def list_pipelines_command(target: Any, form: str, **_: Any) -> None:
    """List the DAGs in Airflow that this plugin has made.

    \b
    Example:
        kedro airflow-k8s list-pipelines --format json
    """  # noqa: D301 - \b is for click
    from kedro_airflow_k8s.pipeline_list import as_json, list_pipelines, show

    dags = list_pipelines(target.client)
    if form == "json":
        click.echo(as_json(dags))
    else:
        show(dags, _progress().console)


@airflow_k8s.command("ui")
@with_airflow
@click.option(
    "-d",
    "--dag-name",
    help="Id of the DAG to show.  [default: that of --pipeline, else Airflow's home page]",
)
@click.option(
    "--run", "last_run", is_flag=True, help="Show the last run of that DAG, or of the pipeline's."
)
def ui_command(
    project: Any, pipeline: str, target: Any, dag_name: str | None, last_run: bool
) -> None:
    """Open Airflow in a browser, and print the address.

    \b
    Example:
        kedro airflow-k8s ui --dag-name my-project --run
    """  # noqa: D301 - \b is for click
    from kedro_airflow_k8s.pipeline import DEFAULT_PIPELINE
    from kedro_airflow_k8s.plan import AS_CONFIGURED, plan_dag_id
    from kedro_airflow_k8s.web_page import dag_page, last_run_page, open_page

    if last_run or dag_name or pipeline != DEFAULT_PIPELINE:
        dag_id = dag_name or plan_dag_id(
            project.read(pipeline), target.config.run_config, AS_CONFIGURED
        )
        page = last_run_page if last_run else dag_page
        address = page(target.client, dag_id)
    else:
        address = target.host
    open_page(address, click.echo)


def _progress() -> Any:
    from kedro_airflow_k8s.progress import Progress, standard_console

    return Progress(standard_console())
