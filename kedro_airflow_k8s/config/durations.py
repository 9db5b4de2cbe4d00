"""Lengths of time in `airflow-k8s.yaml`: whole seconds, or text such as `5m`."""

import re
from datetime import timedelta
from typing import Annotated, Any

from pydantic import BeforeValidator, WithJsonSchema

LONGEST_DAYS = 36_500
_LONGEST = timedelta(days=LONGEST_DAYS) // timedelta(seconds=1)
# Few digits: Python refuses to read integers of more than 4300.
_UNITS = "([0-9]{1,10}d)?([0-9]{1,10}h)?([0-9]{1,10}m)?([0-9]{1,10}s)?"
_ALLOWED = "must be a time: whole seconds, or text such as 90s, 5m, 2h, 3d or 1h30m"


def _seconds(value: Any) -> int:
    """Return a length of time as seconds."""
    seconds = value
    if isinstance(value, str):
        match = re.fullmatch(_UNITS, value)
        parts = match.groups() if match else ()
        if not any(parts):
            raise ValueError(_ALLOWED)
        days, hours, minutes, rest = (int(part[:-1]) if part else 0 for part in parts)
        seconds = ((days * 24 + hours) * 60 + minutes) * 60 + rest
    if isinstance(seconds, bool) or not isinstance(seconds, int) or seconds < 0:
        raise ValueError(_ALLOWED)
    if seconds > _LONGEST:
        reason = f"must be at most {LONGEST_DAYS}d"
        raise ValueError(reason)
    return seconds


def _positive_seconds(value: Any) -> int:
    seconds = _seconds(value)
    if not seconds:
        raise ValueError("must be at least 1s")
    return seconds


def _schema(least: int, ahead: str) -> WithJsonSchema:
    return WithJsonSchema(
        {
            "anyOf": [
                {"type": "integer", "minimum": least, "maximum": _LONGEST},
                {"type": "string", "pattern": f"^(?={ahead}){_UNITS}$"},
            ]
        }
    )


Duration = Annotated[int, BeforeValidator(_positive_seconds), _schema(1, "[0-9dhm]*[1-9]")]
"""A time of at least a second, stored as whole seconds."""

Delay = Annotated[int, BeforeValidator(_seconds), _schema(0, "[0-9]")]
"""A time that may be zero, stored as whole seconds."""
