"""Locks between processes of this machine, gone with the process that holds them."""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

PREFERRED_PORTS = range(8080, 8100)
_ANY = 0


@contextmanager
def locked(file: Path, waits: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Hold a lock; wait for the process that has it.

    Args:
        file: An empty file, made if it is not there; its folder is.
        waits: Called if another process has the lock.
    """
    with file.open("a") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            waits()
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield


@contextmanager
def reserved_port(first: int | None) -> Iterator[int]:
    """Yield a free port of 127.0.0.1 that no other sandbox takes meanwhile.

    Args:
        first: The port to take if it is free, so that a project's address stays the same.
    """
    folder = cache_folder() / "ports"
    folder.mkdir(parents=True, exist_ok=True)
    for port in (*([first] if first else []), *PREFERRED_PORTS):
        with (folder / str(port)).open("a") as handle, contextlib.suppress(BlockingIOError):
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if is_free(port):
                yield port
                return
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", _ANY))
        port = listener.getsockname()[1]
    yield port


def is_free(port: int) -> bool:
    """Return whether nothing listens on a port of this machine."""
    with socket.socket() as caller:
        # Some systems let a second program listen on an address of a port that is in use.
        if caller.connect_ex(("127.0.0.1", port)) == 0:
            return False
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def cache_folder() -> Path:
    """Return the user's folder for files that only save time."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "kedro-airflow-k8s"
