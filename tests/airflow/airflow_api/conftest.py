"""Time for the tests of the client: pauses between two attempts are counted, not slept."""

from __future__ import annotations

import time
from types import SimpleNamespace

import pytest


@pytest.fixture(autouse=True)
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long the client would have slept, each time."""
    slept: list[float] = []
    clock = SimpleNamespace(sleep=slept.append, time=time.time)
    monkeypatch.setattr("urllib3.util.retry.time", clock)
    return slept
