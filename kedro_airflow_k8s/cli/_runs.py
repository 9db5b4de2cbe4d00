"""The options that the commands that start runs share."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeVar

import click
from kedro.framework.cli.utils import split_node_names, split_string

from kedro_airflow_k8s.cli._options import minutes_above_zero, params_option

F = TypeVar("F", bound=Callable[..., Any])


def run_options(command: F) -> F:
    """Add the options of a run."""
    for option in (
        click.option(
            "--cancel-on-interrupt",
            is_flag=True,
            help="Cancel the run on Ctrl-C. Without it, the run continues.",
        ),
        click.option(
            "--logical-date",
            type=parsed_date,
            metavar="DATE",
            help="Set the logical date of the run. A date without a time zone is in the DAG's time"
            " zone.  [default: none on Airflow 3, the current time on Airflow 2]",
        ),
        params_option,
        click.option(
            "-w",
            "--wait-for-completion",
            "minutes",
            metavar="MINUTES",
            type=minutes_above_zero,
            help="Watch the run for up to MINUTES; exit with 1 if it fails or takes longer.",
        ),
    ):
        command = option(command)
    return command


def part_options(command: F) -> F:
    """Add the options that select nodes, which are those of `kedro run`."""
    for option in (
        _selection(
            "--namespaces",
            "node_namespaces",
            split_node_names,
            "the nodes in these namespaces",
        ),
        _selection("--tags", "tags", split_string, "the nodes with one of these tags"),
        _selection("--to-nodes", "to_nodes", split_node_names, "these nodes and those before them"),
        _selection(
            "--from-nodes",
            "from_nodes",
            split_node_names,
            "these nodes and those after them",
        ),
        _selection("--nodes", "node_names", split_node_names, "these nodes"),
    ):
        command = option(command)
    return command


def _selection(
    name: str, parameter: str, split: Callable[..., Any], which: str
) -> Callable[[F], F]:
    return click.option(
        name,
        parameter,
        default="",
        metavar="NAMES",
        callback=split,
        help=f"Run only {which}. Separate names with commas.",
    )


def parsed_date(text: str) -> datetime:
    """Parse a date and time as Airflow shows it (ISO 8601), with or without a zone."""
    try:
        return datetime.fromisoformat(re.sub(r"[Zz]$", "+00:00", text))
    except ValueError:
        raise click.BadParameter(
            f"{text!r} is not a date such as 2026-01-31 or 2026-01-31T06:00:00+01:00."
        ) from None
