"""When a schedule runs: the times that Airflow computes, known before it has the DAG."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, time, timedelta, timezone, tzinfo
from itertools import islice, takewhile

from kedro_airflow_k8s.config.values import UTC

WITHOUT_TIMES = {
    "@once": "once, as soon as the DAG is not paused",
    "@continuous": "again and again, each run when the one before has ended",
}
"""The presets that are not cron expressions, in words."""

PRESETS = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@quarterly": "0 0 1 */3 *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
"""The cron expressions of presets (`airflow.utils.dates`, `croniter`)."""


def run_times(
    schedule: str | None, timezone: str, start_date: date, now: datetime, count: int = 3
) -> list[str]:
    """Return the next runs as text: times with the zone's own abbreviation, or words.

    Args:
        schedule: As in `next_runs`, or None for no schedule.
        timezone: As in `next_runs`.
        start_date: As in `next_runs`.
        now: As in `next_runs`.
        count: How many times.
    """
    if schedule is None:
        return ["only when one is triggered"]
    if schedule in WITHOUT_TIMES:
        start = datetime.combine(start_date, time(), zone(timezone))
        words = WITHOUT_TIMES[schedule]
        return [words if start <= now else f"{words}, from {start_date} on"]
    times = next_runs(schedule, timezone, start_date, now, count)
    return [shown(moment) for moment in times]


def shown(moment: datetime) -> str:
    """Return a moment as text, with the zone's own abbreviation."""
    return f"{moment:%Y-%m-%d %H:%M} {moment.tzname()}"


def next_runs(
    cron: str, timezone: str, start_date: date, now: datetime, count: int = 3
) -> list[datetime]:
    """Return the next moments at which Airflow starts a run, in the DAG's time zone.

    They are those of Airflow 3 (`CronTriggerTimetable`). Airflow 2 starts a run at the end of the
    interval that it is for: at the same moments, but not at the first after a start date that
    is still to come, and sometimes otherwise in the hours in which clocks change. A DAG that is new
    in Airflow, or was paused, has one run more, at once, for the last moment that has passed.

    Args:
        cron: Five fields, or a preset for five fields.
        timezone: IANA name.
        start_date: The first day of the schedule.
        now: With a time zone; all results are later.
        count: How many at most; `@once` and `@continuous` have none.
    """
    if cron in WITHOUT_TIMES:
        return []
    where = zone(timezone)
    ticks = _Ticks(cron, where)
    start = datetime.combine(start_date, time(), where)
    return list(islice(ticks.following(_utc(start), _utc(now)), count))


def passed_run(
    cron: str, timezone: str, start_date: date, now: datetime, *, intervals: bool
) -> datetime | None:
    """Return the logical date of the run that Airflow starts at once for a DAG without any yet.

    Args:
        cron: As in `next_runs`.
        timezone: As in `next_runs`.
        start_date: As in `next_runs`.
        now: As in `next_runs`.
        intervals: Whether a run is for the interval that ends when it starts, as on Airflow 2.

    Returns:
        The last time that has passed, or with intervals the one before it; None if that is before
        the start date, or the schedule has no times.
    """
    if cron in WITHOUT_TIMES:
        return None
    where = zone(timezone)
    found = _Ticks(cron, where).passed(_utc(now), before=1 if intervals else 0)
    return found if found >= datetime.combine(start_date, time(), where) else None


def moments_between(
    cron: str, timezone: str, start: datetime, end: datetime
) -> list[tuple[datetime, datetime]]:
    """Return the moments of a schedule in a range, on the zone's clocks.

    Args:
        cron: Five fields, or a preset for five fields.
        timezone: IANA name.
        start: The beginning of the range, with a time zone.
        end: The end of the range, with a time zone.

    Returns:
        Each with the moment before it, at which its interval begins.
    """
    ticks = _Ticks(cron, zone(timezone))
    following = ticks.following(_utc(start), _utc(start) - timedelta(seconds=1))
    moments = takewhile(lambda moment: moment <= end, following)
    return [(ticks.passed(_utc(moment), before=1), moment) for moment in moments]


def as_airflow_tells(schedule: str) -> str:
    """Return a schedule as Airflow 3 tells it, which writes presets as cron expressions."""
    return PRESETS.get(schedule, schedule)


def zone(name: str) -> tzinfo:
    """Return the time zone of a name. UTC needs no list of zones."""
    if name == UTC:
        return timezone.utc
    from zoneinfo import ZoneInfo

    return ZoneInfo(name)


class _Ticks:
    """The moments, in UTC, of a cron expression on the clocks of a time zone.

    As in Airflow (`airflow.timetables._cron.CronMixin`): a time that the clocks skip counts as so
    much later, one that they show twice is the second; schedules of every hour run in all hours.
    """

    def __init__(self, cron: str, where: tzinfo) -> None:
        # Slow to import.
        from croniter import croniter

        self._croniter = croniter
        self._cron = PRESETS.get(cron, cron)
        self._where = where
        self._in_all_hours = croniter(self._cron).expanded[1] == ["*"]

    def following(self, start: datetime, now: datetime) -> Iterator[datetime]:
        """Yield those after now and not before the start, on the zone's clocks, without end."""
        tick = max(self._aligned_back(now), self._aligned(start))
        while True:
            if tick > now:
                yield tick.astimezone(self._where)
            tick = self._step(tick, 1)

    def passed(self, now: datetime, before: int) -> datetime:
        """Return the last one that is not after now, or one that is so many before it."""
        tick = self._aligned_back(now)
        for _ in range(before):
            tick = self._step(tick, -1)
        return tick.astimezone(self._where)

    def _aligned(self, moment: datetime) -> datetime:
        after = self._step(moment, 1)
        return moment if self._step(after, -1) == moment else after

    def _aligned_back(self, moment: datetime) -> datetime:
        before = self._step(moment, -1)
        return moment if self._step(before, 1) == moment else before

    def _step(self, moment: datetime, way: int) -> datetime:
        shown = moment.astimezone(self._where).replace(tzinfo=None, fold=0)
        ticks = self._croniter(self._cron, shown)
        tick: datetime = ticks.get_next(datetime) if way > 0 else ticks.get_prev(datetime)
        if self._in_all_hours:
            return moment + (tick - shown)
        return max(_utc(tick.replace(tzinfo=self._where, fold=fold)) for fold in (0, 1))


def _utc(moment: datetime) -> datetime:
    return moment.astimezone(timezone.utc)
