"""What makes a unit test: no process and no connection, and `make test` runs it."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import croniter  # noqa: F401 - when it is imported, it runs the program `file` to learn about Python
import pytest

HERE = Path(__file__).parent
FORBIDDEN = {
    "os.exec",
    "os.fork",
    "os.forkpty",
    "os.posix_spawn",
    "os.system",
    "socket.bind",
    "socket.connect",
    "socket.getaddrinfo",
    "socket.sendto",
    "subprocess.Popen",
}
"""Names of Python's audit events."""

_seen: list[str] = []
_in_a_test = threading.Event()
_of_other_tests: set[int | None] = set()
"""Threads that run already when a unit test starts, such as those of a test of real stores."""


def _watch(event: str, arguments: tuple[Any, ...]) -> None:
    if event in FORBIDDEN and _in_a_test.is_set() and threading.get_ident() not in _of_other_tests:
        _seen.append(f"{event} {arguments}")
        raise PermissionError(f"a unit test must not do this: {event} {arguments}")


# An audit hook also sees what a library does. It cannot be removed.
sys.addaudithook(_watch)


@pytest.fixture(autouse=True)
def no_process_and_no_connection() -> Iterator[None]:
    """Fail a test that starts a process or opens a connection, even if it hides the error."""
    _seen.clear()
    _of_other_tests.clear()
    _of_other_tests.update(thread.ident for thread in threading.enumerate())
    _of_other_tests.discard(threading.get_ident())
    _in_a_test.set()
    yield
    _in_a_test.clear()
    assert _seen == [], "a unit test starts no process and opens no connection: move the test"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests of this folder as part of `make test`."""
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker("core")
