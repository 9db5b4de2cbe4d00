"""The options of `backfill`: what contradicts itself is refused before Airflow is asked."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

import click
import pytest
from click.testing import CliRunner

from kedro_airflow_k8s.cli import airflow_k8s, backfill

NONE: dict[str, Any] = {
    **dict.fromkeys(("first", "last")),
    **dict.fromkeys(("cancel", "follow", "dry_run"), False),
    "params": (),
}
DAYS = {"first": date(2026, 1, 1), "last": date(2026, 1, 2)}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "Give --from and --to"),
        ({"first": date(2026, 1, 1)}, "Give both --from and --to"),
        ({"last": date(2026, 1, 1), "follow": True}, "Give both --from and --to"),
        ({"dry_run": True, "follow": True}, "are for a new backfill"),
        ({"params": ("a=1",), "follow": True}, "are for a new backfill"),
        ({**DAYS, "cancel": True}, "use it alone"),
        ({"cancel": True, "follow": True}, "use it alone"),
    ],
)
def test_options_that_do_not_say_one_thing_are_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(click.UsageError, match=words):
        backfill._check_usage({**NONE, **options})


@pytest.mark.parametrize(
    "options",
    [DAYS, {"follow": True}, {"cancel": True}, {**DAYS, "follow": True}, {**DAYS, "dry_run": True}],
)
def test_options_that_say_one_thing_are_taken(options: dict[str, Any]) -> None:
    backfill._check_usage({**NONE, **options})


def test_a_day_is_whole_and_a_moment_is_a_moment() -> None:
    assert type(backfill._day("2026-01-31")) is date
    assert backfill._day("2026-01-31T06:00") == datetime(2026, 1, 31, 6)  # noqa: DTZ001
    with pytest.raises(click.BadParameter, match="is not a date such as 2026-01-31"):
        backfill._day("tomorrow")


def test_a_number_of_runs_that_cannot_be_is_refused() -> None:
    done = CliRunner().invoke(airflow_k8s, ["backfill", "--max-active", "0"])
    assert done.exit_code == 2
    assert "is not in the range x>=1" in done.output
