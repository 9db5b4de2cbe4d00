"""The arguments of `DAG(...)` that follow from the plan's schedule and settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from kedro_airflow_k8s.config.values import UTC
from kedro_airflow_k8s.dag.literals import Call, Expression, timedelta_call
from kedro_airflow_k8s.plan.dag import DagSettings, Notification
from kedro_airflow_k8s.plan.schedule import Schedule

_END_OF_DAY = (23, 59, 59)


def arguments(settings: DagSettings, schedule: Schedule) -> dict[str, Any]:
    """Return values for the template; lists of arguments have only those that are set."""
    titles = {"dag_display_name": settings.display_name, "description": settings.description}
    limits = {
        "max_active_runs": schedule.max_active_runs,
        "max_active_tasks": settings.max_active_tasks,
        "dagrun_timeout": timedelta_call(settings.timeout) if settings.timeout else None,
    }
    access = {
        "owner_links": dict(settings.owner_links) or None,
        "access_control": _plain(settings.access_control) or None,
        "is_paused_upon_creation": settings.paused,
    }
    own = settings.doc_md.rstrip() if settings.doc_md else None
    return {
        "start_date": _moment(schedule.start_date, schedule.timezone),
        "end_date": _moment(schedule.end_date, schedule.timezone, *_END_OF_DAY)
        if schedule.end_date
        else None,
        # A call, because a long text is written as several, each on its line.
        "doc_md": Call('"\\n\\n".join', {}, ([own, Expression("__doc__")],))
        if own
        else Expression("__doc__"),
        "titles": _given(titles),
        "limits": _given(limits),
        "access": _given(access),
        "callbacks": callbacks(settings.of_runs),
    }


def callbacks(notifications: Sequence[Notification]) -> list[tuple[str, list[Call]]]:
    """Return the callbacks that send messages, by the argument of DAG or of an operator."""
    found: dict[str, list[Call]] = {}
    for each in notifications:
        # Airflow has no callback for a deadline that 2.11 and 3 share: such a run has failed.
        event = "failure" if each.event == "deadline" else each.event
        given = (each.event, each.channel, *([each.connection] if each.connection else []))
        message = {"message": each.message} if each.message else {}
        call = Call("Notify", {**message, **each.options}, given)
        found.setdefault(f"on_{event}_callback", []).append(call)
    return sorted(found.items())


def _given(found: Mapping[str, Any]) -> list[tuple[str, Any]]:
    return [(name, value) for name, value in found.items() if value is not None]


def _plain(roles: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    return {role: dict(permissions) for role, permissions in roles.items()}


def _moment(day: date, timezone: str, *time: int) -> Call:
    """Return a moment of a day, midnight by default, in the time zone that the DAG takes of it."""
    start = (day.year, day.month, day.day, *time)
    if timezone == UTC:
        return Call("datetime", {"tzinfo": Expression("timezone.utc")}, start)
    return Call("pendulum.datetime", {"tz": timezone}, start)
