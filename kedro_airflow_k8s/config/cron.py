"""What is wrong with the five fields of a cron expression."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timezone

_FIELDS = (
    "a minute from 0 to 59",
    "an hour from 0 to 23",
    "a day of the month from 1 to 31",
    "a month from 1 to 12, or jan to dec",
    "a day of the week from 0 to 7, or sun to sat",
)


def unfollowed(fields: Sequence[str]) -> str | None:
    """Return why Airflow cannot follow five fields, or None if it can."""
    error = _error(fields)
    if error is None:
        return None
    for position, wanted in enumerate(_FIELDS):
        alone = ["*"] * len(_FIELDS)
        alone[position] = fields[position]
        if _error(alone) is not None:
            return f"must have {wanted}, not {fields[position]!r}"
    return f"must be a cron expression that Airflow can follow: {error}"


def _error(fields: Sequence[str]) -> str | None:
    """Return why Airflow's cron library finds no next run, or None if it finds one."""
    # It is slow to import, and most schedules are presets or none.
    from croniter import CroniterBadDateError, croniter

    try:
        croniter(" ".join(fields), datetime(2000, 1, 1, tzinfo=timezone.utc)).get_next()
    except CroniterBadDateError:
        return "no date matches it"
    except (ValueError, KeyError, TypeError, OverflowError, IndexError) as error:
        return str(error)
    return None
