"""Lengths of time: numbers of seconds or text, stored as seconds, written as `timedelta`."""

from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from kedro_airflow_k8s.config.values import Delay, Duration
from kedro_airflow_k8s.dag.literals import literal, timedelta_call

DURATION, DELAY = TypeAdapter(Duration), TypeAdapter(Delay)
VALID = {
    90: 90,
    "90s": 90,
    "5m": 300,
    "2h": 7200,
    "3d": 259_200,
    "1h30m": 5400,
    "1d1s": 86_401,
    "010s": 10,
    "36500d": 3_153_600_000,
}
ZERO = [0, "0s", "0h0m"]
INVALID: list[Any] = [
    *("", "5", "m", "5 m", "5M", "5min", "1m1h", "1.5h", "-5m", "1h30", "5m\n", "9" * 5000 + "s"),
    *(-1, 1.0, True, None, [], "36501d", 3_153_600_001),
]


@pytest.mark.parametrize(("value", "seconds"), VALID.items(), ids=str)
def test_a_duration_is_stored_in_seconds(value: Any, seconds: int) -> None:
    for adapter in (DURATION, DELAY):
        assert adapter.validate_python(value) == seconds
        assert jsonschema.Draft202012Validator(adapter.json_schema()).is_valid(value)


@pytest.mark.parametrize("value", ZERO)
def test_only_a_delay_may_be_zero(value: Any) -> None:
    assert DELAY.validate_python(value) == 0
    assert jsonschema.Draft202012Validator(DELAY.json_schema()).is_valid(value)
    with pytest.raises(ValidationError, match="must be at least 1s"):
        DURATION.validate_python(value)
    assert not jsonschema.Draft202012Validator(DURATION.json_schema()).is_valid(value)


@pytest.mark.parametrize("value", INVALID, ids=lambda value: repr(value)[:20])
def test_anything_else_is_refused(value: Any) -> None:
    with pytest.raises(ValidationError, match=r"such as 90s, 5m, 2h, 3d or 1h30m|at most 36500d"):
        DELAY.validate_python(value)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "timedelta(seconds=0)"),
        (300, "timedelta(minutes=5)"),
        (5400, "timedelta(hours=1, minutes=30)"),
        (259_201, "timedelta(days=3, seconds=1)"),
    ],
)
def test_a_duration_is_written_in_the_units_people_say(seconds: int, text: str) -> None:
    assert literal(timedelta_call(seconds)) == text


@given(st.integers(0, 3_153_600_000))
def test_the_written_units_are_the_same_time(seconds: int) -> None:
    units = timedelta_call(seconds).keywords
    text = "".join(f"{n}{unit[0]}" for unit, n in units.items())

    assert DELAY.validate_python(text) == seconds
