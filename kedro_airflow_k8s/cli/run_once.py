"""`run-once`: a run of a pipeline, started now."""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from kedro_airflow_k8s.cli._options import (
    airflow_k8s,
    checks_option,
    dag_name_option,
    image_option,
    interruptible,
    minutes_above_zero,
    output_option,
    progress,
    warn,
    with_airflow,
)

if TYPE_CHECKING:
    from kedro_airflow_k8s.deploy.target import Target
    from kedro_airflow_k8s.project.reader import KedroProject


def _date(text: str) -> datetime:
    """Parse a date and time as Airflow shows it (ISO 8601), with or without a zone."""
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
    type=minutes_above_zero,
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
    project: KedroProject, pipeline: str, target: Target, output: str | None, **options: Any
) -> None:
    """Upload the DAG of a pipeline without its schedule, and start a run of it.

    \b
    Example:
        kedro airflow-k8s run-once --wait-for-completion 60 --params model.depth=5
    """  # noqa: D301 - \b is for click
    from kedro_airflow_k8s.compile import compile_pipelines
    from kedro_airflow_k8s.deploy.params import conf_of, parse_params
    from kedro_airflow_k8s.deploy.run_once import RunOptions, run_once
    from kedro_airflow_k8s.plan.build import Overrides

    params = parse_params(options["params"])
    config = target.dag_config(options["image"], output)
    (dag,) = compile_pipelines(
        project,
        config,
        [pipeline],
        overrides=Overrides(dag_name=options["dag_name"], once=True),
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
    target.refresh_image(output)
    destination = target.output(output)
    interruptible(lambda: run_once(target.client, dag, destination, run, progress()))
