"""The log of one container: a file with a timestamp before each line, as a kubelet keeps it."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path

_LONGEST_LINE = 1 << 20
_CHECK_SECONDS = 1.0


@dataclass(frozen=True)
class LogQuery:
    """The lines that a reader wants: the parameters of `pods/log`."""

    follow: bool = False
    timestamps: bool = False
    since_seconds: int | None = None
    tail: int | None = None


def _now() -> bytes:
    nanoseconds = time.time_ns()
    moment = datetime.fromtimestamp(nanoseconds // 10**9, timezone.utc)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{nanoseconds % 10**9:09d}Z".encode()


class ContainerLog:
    """A log written by the thread that runs the container, and read by any number of others."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self._file = path.open("ab", buffering=0)
        self._rest = b""
        self._changed = threading.Condition()
        self._closed = False
        self.shown: Callable[[bytes], bytes] = lambda line: line
        """What each line becomes."""

    def write(self, data: bytes) -> None:
        """Add output of the container; a line is visible once it is complete."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        while len(self._rest) > _LONGEST_LINE:
            lines.append(self._rest[:_LONGEST_LINE])
            self._rest = self._rest[_LONGEST_LINE:]
        if lines:
            now = _now()
            with self._changed:
                shown = map(self.shown, lines)
                self._file.write(b"".join(b"%s %s\n" % (now, line) for line in shown))
                self._changed.notify_all()

    def close(self) -> None:
        """End the log, and so the readers that follow it. A second call has no effect."""
        if self._is_closed():
            return
        if self._rest:
            self.write(b"\n")
        with self._changed:
            self._closed = True
            self._file.close()
            self._changed.notify_all()

    def read(self, query: LogQuery, gone: Callable[[], bool]) -> Iterator[bytes]:
        """Yield the lines of a query in pieces; a reader that follows waits for the end.

        Args:
            query: The lines.
            gone: Tells whether the reader has disconnected, which ends the reading.
        """
        first = datetime.min.replace(tzinfo=timezone.utc)
        if query.since_seconds is not None:
            first = datetime.now(timezone.utc) - timedelta(seconds=query.since_seconds)
        with self.path.open("rb") as file:
            closed = self._is_closed()
            recent = (line for line in file if line[:19].decode() >= first.isoformat()[:19])
            chosen = recent if query.tail is None else deque(recent, maxlen=query.tail)
            yield b"".join(_shown(line, query) for line in chosen)
            while query.follow and not closed and not gone():
                # Read the flag first: what was written before the log was closed is still to come.
                closed = self._is_closed()
                lines = b"".join(_shown(line, query) for line in file)
                if lines:
                    yield lines
                elif not closed:
                    self._wait(file.tell())

    def text(self) -> str:
        """Return all lines without timestamps."""
        return b"".join(self.read(LogQuery(), lambda: True)).decode(errors="replace")

    def _is_closed(self) -> bool:
        with self._changed:
            return self._closed

    def _wait(self, seen: int) -> None:
        with self._changed:
            self._changed.wait_for(
                lambda: self._closed or self.path.stat().st_size > seen, timeout=_CHECK_SECONDS
            )


def _shown(line: bytes, query: LogQuery) -> bytes:
    return line if query.timestamps else line.partition(b" ")[2]
