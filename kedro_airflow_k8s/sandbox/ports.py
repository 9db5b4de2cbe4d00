"""A free port of 127.0.0.1 for the web page, the same for a project as long as that is possible."""

from __future__ import annotations

import contextlib
import fcntl
import socket
from collections.abc import Iterator
from contextlib import contextmanager

from kedro_airflow_k8s.sandbox.airflow_home import cache_folder

PREFERRED = range(8080, 8100)
_ANY = 0


@contextmanager
def reserved_port(first: int | None) -> Iterator[int]:
    """A port that nobody listens on, and that no other sandbox takes meanwhile.

    Args:
        first: The one to take if it is free.
    """
    folder = cache_folder() / "ports"
    folder.mkdir(parents=True, exist_ok=True)
    for port in (*([first] if first else []), *PREFERRED):
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
    """Whether nobody listens on a port of this machine."""
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
