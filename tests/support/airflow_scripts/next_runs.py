"""When Airflow would run schedules: answers each line of JSON with one, in Airflow's Python.

A request has cron, timezone, start (a date), now (a moment) and count. The answers have the moments
of the runs that a scheduler would start one after the other if the DAG were new at that time, and
the logical dates of those that it would start at once; none where Airflow itself gives up.
"""

import json
import sys
from typing import Any
from unittest import mock

import pendulum
from airflow.timetables import interval, trigger
from airflow.timetables.base import DataInterval, TimeRestriction


def runs(
    timetable: Any, module: Any, timezone: str, start: str, now: str, count: int
) -> tuple[list[str], list[str]]:
    """The moments of the first runs after now, and the logical dates of those at once."""
    present: Any = pendulum.parse(now)
    earliest: Any = pendulum.parse(start, tz=timezone)
    restriction = TimeRestriction(earliest=earliest, latest=None, catchup=False)
    last: DataInterval | None = None
    found: list[str] = []
    at_once: list[str] = []
    with mock.patch.object(module, "utcnow", return_value=present):
        while len(found) < count:
            try:
                info = timetable.next_dagrun_info(
                    last_automated_data_interval=last, restriction=restriction
                )
            except (AssertionError, ValueError):  # Where clocks change by half an hour.
                return [], []
            last = info.data_interval
            if info.run_after > present:
                found.append(info.run_after.in_timezone("UTC").isoformat())
            else:
                at_once.append(info.data_interval.start.in_timezone("UTC").isoformat())
    return found, at_once


def answer(cron: str, timezone: str, start: str, now: str, count: int) -> dict[str, list[str]]:
    """By the name of the timetable."""
    timetables: dict[str, tuple[Any, Any]] = {
        "trigger": (trigger.CronTriggerTimetable(cron, timezone=timezone), trigger),
        "interval": (interval.CronDataIntervalTimetable(cron, timezone), interval),
    }
    answers: dict[str, list[str]] = {}
    for name, (timetable, module) in timetables.items():
        found, at_once = runs(timetable, module, timezone, start, now, count)
        answers |= {name: found, f"{name} at once": at_once}
    return answers


print("ready", flush=True)
for line in sys.stdin:
    print(json.dumps(answer(**json.loads(line))), flush=True)
