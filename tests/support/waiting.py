"""How long tests wait for something that happens in another process or thread."""

from __future__ import annotations

import time
from collections.abc import Callable

WAIT_SECONDS = 600
"""The deadline of every wait in the tests. It only ends a hang: no machine is that slow."""


def wait_until(condition: Callable[[], bool], what: str) -> None:
    """Wait for something that another process or thread does by itself."""
    deadline = time.monotonic() + WAIT_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {WAIT_SECONDS} seconds: {what}")
        time.sleep(0.1)  # between two looks, not for a test to pass
