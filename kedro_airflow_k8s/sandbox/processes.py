"""Processes of this machine, told apart from others that got their number later."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

_PROC = Path("/proc")
_BOOT = _PROC / "sys/kernel/random/boot_id"
_CHECK_SECONDS = 0.02


@dataclass(frozen=True)
class ProcessId:
    """A process.

    Attributes:
        pid: Its number, which another process can have later.
        started: When it was started, in a form that only serves to be compared.
    """

    pid: int
    started: str

    @classmethod
    def of(cls, pid: int) -> ProcessId | None:
        """The process that has a number now; None if none has, or only a dead one."""
        started = _started(pid)
        return None if started is None else cls(pid, started)

    def is_alive(self) -> bool:
        """Whether it still runs."""
        return _started(self.pid) == self.started

    def send(self, number: int) -> None:
        """Send it a signal, if it still runs."""
        if self.is_alive():
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def ends_within(self, seconds: float) -> bool:
        """Wait for its end; whether it came in time."""
        deadline = time.monotonic() + seconds
        while self.is_alive():
            if time.monotonic() > deadline:
                return False
            time.sleep(_CHECK_SECONDS)
        return True


def session_of(leader: ProcessId, folder: Path) -> list[ProcessId]:
    """The processes of a session, also when its first process is gone (Linux; none elsewhere).

    Args:
        leader: The process that began the session.
        folder: The working folder of all its processes: where the leader is gone, it tells them
            from those of another session, of a process that got the leader's number later.
    """
    first = ProcessId.of(leader.pid)
    if first is not None and first != leader:
        return []  # The number of a session is not given away while any of its processes lives.
    found = []
    for pid in [int(entry.name) for entry in _PROC.glob("[0-9]*")]:
        with contextlib.suppress(OSError):  # It has ended, or is another user's.
            fields = _stat(pid)
            if int(fields[3]) != leader.pid:
                continue
            process = ProcessId.of(pid)
            ours = first is not None or (_PROC / str(pid) / "cwd").readlink() == folder
            if process is not None and ours:
                found.append(process)
    return found


def kill_session(leader: ProcessId, folder: Path, seconds: float) -> bool:
    """SIGKILL for every process of a session (see `session_of`); whether they end in time."""
    deadline = time.monotonic() + seconds
    leader.send(signal.SIGKILL)
    while remains := session_of(leader, folder):
        for process in remains:
            process.send(signal.SIGKILL)
        if time.monotonic() > deadline:
            return False
        time.sleep(_CHECK_SECONDS)
    return True


def _started(pid: int) -> str | None:
    """When a process was started; None if there is none, or only what its parent must collect."""
    if _BOOT.exists():
        try:
            fields = _stat(pid)
            return None if fields[0] in ("Z", "X") else f"{_BOOT.read_text().strip()} {fields[19]}"
        except OSError:
            return None
    return _started_by_ps(pid)


def _stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat after the command's name: state, parent, group, session ...

    Raises:
        OSError: There is no such process.
    """
    text = (_PROC / str(pid) / "stat").read_bytes().decode(errors="replace")
    return text.rpartition(")")[2].split()  # The name can hold anything.


def _started_by_ps(pid: int) -> str | None:
    """The same by the command that every Unix has (POSIX names no start time, all have lstart)."""
    done = subprocess.run(
        ["ps", "-o", "stat=,lstart=", "-p", str(pid)],  # noqa: S607 - where it is differs
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "LC_ALL": "C", "TZ": "UTC"},
    )
    state, _, started = done.stdout.strip().partition(" ")
    return None if not started or state.startswith("Z") else started.strip()
