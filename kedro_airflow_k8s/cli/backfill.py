"""`backfill`: runs of a DAG for moments of its schedule that have passed."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

import click

from kedro_airflow_k8s.cli._dag import dag_of_pipeline
from kedro_airflow_k8s.cli._options import (
    airflow_k8s,
    interruptible,
    params_option,
    progress,
    with_airflow,
)
from kedro_airflow_k8s.cli._runs import parsed_date

if TYPE_CHECKING:
    from kedro_airflow_k8s.deploy.target import Target
    from kedro_airflow_k8s.project.reader import KedroProject


def _day(text: str) -> date:
    """Parse a day, or a moment."""
    moment = parsed_date(text)
    return moment if "T" in text.upper() or " " in text else moment.date()


@airflow_k8s.command("backfill")
@with_airflow
@click.option(
    "-d", "--dag-name", help="Fill the DAG with this id.  [default: that of the pipeline]"
)
@click.option(
    "--from",
    "first",
    type=_day,
    metavar="DATE",
    help="Begin with this day or moment, in the DAG's time zone.",
)
@click.option("--to", "last", type=_day, metavar="DATE", help="End with this day, or moment.")
@click.option(
    "--max-active",
    type=click.IntRange(min=1),
    default=3,
    show_default=True,
    help="Run so many runs at once.",
)
@click.option(
    "--reprocess",
    type=click.Choice(["none", "failed", "all"]),
    default="none",
    show_default=True,
    help="Run moments again that have a run: none, those that failed, or all that have ended.",
)
@params_option
@click.option("--dry-run", is_flag=True, help="Show what would run, and start nothing.")
@click.option(
    "-f",
    "--follow",
    is_flag=True,
    help="Watch the runs to their ends. Without --from: those of the backfill that has not ended.",
)
@click.option("--cancel", is_flag=True, help="Cancel the backfill that has not ended.")
@click.option(
    "--cancel-on-interrupt",
    is_flag=True,
    help="Cancel the backfill on Ctrl-C. Without it, the runs continue.",
)
@click.option("--unpause", is_flag=True, help="Unpause the DAG first.")
def backfill_command(
    project: KedroProject, pipeline: str, target: Target, dag_name: str | None, **options: Any
) -> None:
    """Run the DAG for moments of its schedule that have passed.

    With --follow, the exit code is 1 unless every moment of the range has a run that succeeded. On
    Airflow 2.11 and in the sandbox, this command starts the runs, and stays until it has started
    the last one.

    \b
    Examples:
        kedro airflow-k8s backfill --from 2026-01-01 --to 2026-01-31 --follow
        kedro airflow-k8s backfill --from 2026-01-01 --to 2026-01-31 --reprocess failed
    """  # noqa: D301 - \b is for click
    from kedro_airflow_k8s.deploy.backfill import Backfills
    from kedro_airflow_k8s.deploy.backfill_plan import BackfillOptions
    from kedro_airflow_k8s.deploy.params import conf_of, parse_params
    from kedro_airflow_k8s.deploy.start import dag_in_airflow

    first, last = options["first"], options["last"]
    _check_usage(options)
    params = parse_params(options["params"])
    config = target.config.of(pipeline).run_config
    dag_id = dag_name or dag_of_pipeline(project, pipeline, target)
    form = dag_in_airflow(target.client, dag_id, config.timezone).trigger_params if params else ()
    backfills = Backfills(
        target.client,
        dag_id,
        config.timezone,
        BackfillOptions(
            max_active=options["max_active"],
            reprocess=options["reprocess"],
            conf=conf_of(params, form),
            date_param=(config.date_param.name, config.date_param.format)
            if config.date_param
            else None,
            partition_format=config.partitioned.key_format if config.partitioned else "",
            unpause=options["unpause"],
            follow=options["follow"],
            cancel_on_interrupt=options["cancel_on_interrupt"],
        ),
        progress(),
    )
    if options["cancel"]:
        interruptible(backfills.cancel)
    elif first is None:
        interruptible(backfills.follow)
    elif options["dry_run"]:
        interruptible(lambda: backfills.show(first, last))
    else:
        interruptible(lambda: backfills.start(first, last))


def _check_usage(options: dict[str, Any]) -> None:
    """Check that the options say one thing.

    Raises:
        click.UsageError: If they do not.
    """
    both = options["first"] is not None, options["last"] is not None
    if options["cancel"]:
        if any(both) or options["follow"] or options["dry_run"]:
            raise click.UsageError("--cancel is for the backfill that has not ended: use it alone.")
    elif any(both) and not all(both):
        raise click.UsageError("Give both --from and --to: the first and the last day to fill.")
    elif not any(both) and not options["follow"]:
        raise click.UsageError(
            "Give --from and --to, the first and the last day to fill. For the backfill that has"
            " not ended, give --follow or --cancel."
        )
    elif not any(both) and (options["params"] or options["dry_run"]):
        raise click.UsageError(
            "--params and --dry-run are for a new backfill: give --from and --to."
        )
