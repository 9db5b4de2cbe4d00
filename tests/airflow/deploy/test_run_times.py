"""The next runs are those that Airflow works out, on the clocks of the DAG's time zone."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from kedro_airflow_k8s.config.values import CRON_PRESETS, cron_reason
from kedro_airflow_k8s.deploy.run_times import WITHOUT_TIMES, next_runs, passed_run, run_times
from tests.support.airflow_environments import AIRFLOW_PYTHONS

SCRIPT = Path(__file__).parents[2] / "support/airflow_scripts" / "next_runs.py"

ZONES = [
    *("UTC", "Europe/Paris", "America/New_York", "America/Sao_Paulo", "Asia/Kolkata"),
    *("Australia/Lord_Howe", "Pacific/Apia", "Africa/Casablanca", "Asia/Tehran", "Etc/GMT+12"),
    *("America/St_Johns", "Pacific/Chatham", "Europe/Dublin"),
]
# Where clocks change, Airflow 2's timetable repeats runs, skips some, or gives up.
STEADY = {"UTC", "Asia/Kolkata", "Etc/GMT+12"}
CRONS = [
    *("0 6 * * *", "30 2 * * *", "15,45 */2 * * *", "0 0 1 * *", "*/20 * * * *", "0 0 * * 7"),
    *("59 23 31 12 *", "0 0 29 2 *", "0 12 13 * 5", "0 9 * * mon-fri", "5 4 * * 5#2", "0 0 L * *"),
    *("0 1-3 * * *", "10 * * * *", "0 0 * jan,jul sun", "* * * * *", "30 1,2 * * *"),
]
# Clocks change there, or nearly.
MOMENTS = [
    datetime(2026, 3, 29, 0, 45, tzinfo=timezone.utc),
    datetime(2026, 3, 29, 1, tzinfo=timezone.utc),
    datetime(2026, 10, 25, 0, 20, tzinfo=timezone.utc),
    datetime(2026, 10, 25, 1, 20, tzinfo=timezone.utc),
    datetime(2026, 11, 1, 5, 30, tzinfo=timezone.utc),
    datetime(2026, 3, 8, 6, 59, tzinfo=timezone.utc),
    datetime(2017, 10, 15, 2, 30, tzinfo=timezone.utc),
    datetime(2026, 4, 4, 15, 10, tzinfo=timezone.utc),
    datetime(2026, 12, 31, 23, 59, 59, tzinfo=timezone.utc),
]

Ask = Callable[..., dict[str, list[str]]]


@pytest.fixture(scope="module", params=AIRFLOW_PYTHONS, name="airflow")
def _airflow(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Ask]:
    """Airflow's own timetables."""
    home = tmp_path_factory.mktemp("airflow")
    with subprocess.Popen(
        [request.param, SCRIPT],
        env={
            **{k: v for k, v in os.environ.items() if not k.startswith("AIRFLOW__")},
            "AIRFLOW_HOME": str(home),
        },
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        while (line := process.stdout.readline().strip()) != "ready":
            assert process.poll() is None, line
        requests, answers = process.stdin, process.stdout

        def ask(**request: Any) -> dict[str, list[str]]:
            print(json.dumps(request), file=requests, flush=True)
            found: dict[str, list[str]] = json.loads(answers.readline())
            return found

        yield ask


def in_utc(moments: list[datetime]) -> list[str]:
    return [moment.astimezone(timezone.utc).isoformat() for moment in moments]


fields = st.tuples(
    st.sampled_from(["0", "*", "*/7", "30", "15,45", "59"]),
    st.sampled_from(["0", "*", "*/2", "1", "2", "1-3", "23", "0,12"]),
    st.sampled_from(["*", "1", "31", "*/10", "L"]),
    st.sampled_from(["*", "2", "3", "10-11", "*/5"]),
    st.sampled_from(["*", "0", "7", "1-5", "sat"]),
).map(" ".join)
presets = st.sampled_from([name for name in CRON_PRESETS if name not in WITHOUT_TIMES])
near_a_change = st.builds(
    lambda moment, minutes: moment + timedelta(minutes=minutes),
    st.sampled_from(MOMENTS),
    st.integers(-1500, 1500),
)
anytime = st.integers(0, 37 * 365 * 24 * 60).map(
    lambda minutes: datetime(2000, 1, 1, tzinfo=timezone.utc) + timedelta(minutes=minutes)
)


@given(
    cron=st.sampled_from(CRONS) | fields | presets,
    zone=st.sampled_from(ZONES),
    now=near_a_change | anytime,
)
@example("30 2 * * *", "Europe/Paris", MOMENTS[0])
@example("15,45 */2 * * *", "Europe/Paris", MOMENTS[2])
@example("10 * * * *", "Australia/Lord_Howe", MOMENTS[7])
@example("@daily", "Pacific/Apia", datetime(2011, 12, 29, 12, tzinfo=timezone.utc))
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_next_runs_are_those_of_airflow(
    airflow: Ask, cron: str, zone: str, now: datetime
) -> None:
    assume(cron_reason(cron) is None)
    found = next_runs(cron, zone, date(1980, 1, 1), now, 4)

    answer = airflow(cron=cron, timezone=zone, start="1980-01-01", now=now.isoformat(), count=4)

    assert in_utc(found) == answer["trigger"]
    if zone in STEADY:
        assert in_utc(found) == answer["interval"]
    assert all(moment > now for moment in found)
    assert all(
        moment.utcoffset() == moment.astimezone(ZoneInfo(zone)).utcoffset() for moment in found
    )


@given(
    cron=st.sampled_from(CRONS) | presets,
    zone=st.sampled_from(ZONES),
    start=st.dates(date(2026, 8, 1), date(2028, 1, 1)),
)
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_before_its_start_date_the_first_run_is_that_of_airflow_3_and_the_second_that_of_airflow_2(
    airflow: Ask, cron: str, zone: str, start: date
) -> None:
    now = datetime(2026, 7, 21, 12, tzinfo=timezone.utc)
    found = next_runs(cron, zone, start, now, 4)

    answer = airflow(
        cron=cron, timezone=zone, start=start.isoformat(), now=now.isoformat(), count=4
    )

    assert in_utc(found) == answer["trigger"]
    if zone in STEADY:
        assert in_utc(found)[1:] == answer["interval"][:3]


@pytest.mark.parametrize("start", [date(1980, 1, 1), date(2026, 7, 20), date(2026, 7, 22)], ids=str)
@pytest.mark.parametrize("cron", ["0 6 * * *", "@daily", "30 2 * * 1", "*/20 * * * *"])
def test_the_run_for_a_time_that_has_passed_is_the_one_that_airflow_starts_at_once(
    airflow: Ask, cron: str, start: date
) -> None:
    now = datetime(2026, 7, 21, 12, tzinfo=timezone.utc)
    answer = airflow(
        cron=cron, timezone="Asia/Kolkata", start=start.isoformat(), now=now.isoformat(), count=1
    )
    for name, intervals in (("trigger", False), ("interval", True)):
        found = passed_run(cron, "Asia/Kolkata", start, now, intervals=intervals)
        assert in_utc([found] if found else []) == answer[f"{name} at once"], name


def test_times_are_shown_on_the_clocks_of_the_zone() -> None:
    now = datetime(2026, 10, 23, 12, tzinfo=timezone.utc)
    assert run_times("0 6 * * *", "Europe/Paris", date(2021, 1, 1), now) == [
        "2026-10-24 06:00 CEST",
        "2026-10-25 06:00 CET",
        "2026-10-26 06:00 CET",
    ]
    assert run_times("@daily", "UTC", date(2021, 1, 1), now, 1) == ["2026-10-24 00:00 UTC"]
    assert run_times("@daily", "UTC", date(2027, 5, 1), now, 1) == ["2027-05-01 00:00 UTC"]


@pytest.mark.parametrize("schedule", ["@once", "@continuous"])
def test_what_has_no_times_is_reported_in_words(schedule: str) -> None:
    now = datetime(2026, 10, 23, tzinfo=timezone.utc)
    assert next_runs(schedule, "UTC", date(2021, 1, 1), now) == []
    assert passed_run(schedule, "UTC", date(2021, 1, 1), now, intervals=False) is None
    (words,) = run_times(schedule, "UTC", date(2021, 1, 1), now)
    assert words == WITHOUT_TIMES[schedule]
    (later,) = run_times(schedule, "Europe/Paris", date(2027, 1, 1), now)
    assert later == f"{words}, from 2027-01-01 on"


def test_without_a_schedule_someone_has_to_start_it() -> None:
    now = datetime(2026, 10, 23, tzinfo=timezone.utc)
    assert run_times(None, "UTC", date(2021, 1, 1), now) == ["only when one is triggered"]
