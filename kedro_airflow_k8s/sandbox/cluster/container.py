"""One running container: a process of this machine behind `container_init`."""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

from kedro_airflow_k8s.sandbox.cluster.logs import ContainerLog

_KILL_CHECK_SECONDS = 0.01
_INIT = Path(__file__).with_name("container_init.py")


class StartFailed(Exception):
    """The command cannot be executed, for instance because there is no such program."""


@dataclass(frozen=True)
class Limit:
    """The moment (of `time.monotonic`) to stop a command, and the seconds until it is killed."""

    moment: float
    grace: float


class ContainerProcess:
    """A command with everything it starts. Its output goes to the log."""

    def __init__(
        self, command: list[str], variables: dict[str, str], folder: Path, log: ContainerLog
    ) -> None:
        """Start it.

        Args:
            command: The program and its arguments.
            variables: All its environment, with a TMPDIR that no other container has.
            folder: Its working directory.
            log: Takes its output.

        Raises:
            StartFailed: There is no way to hand such a command or environment to a process.
        """
        reader, writer = os.pipe()
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", str(_INIT), str(os.getpid()), str(writer), *command],
                env=variables,
                cwd=folder,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                pass_fds=(writer,),
                start_new_session=True,
            )
        except (OSError, ValueError) as error:  # for instance: argument list too long, null byte
            os.close(reader)
            raise StartFailed(str(error)) from None
        finally:
            os.close(writer)
        self._status = reader
        # One of its own in each pod, and inherited by everything the command starts.
        self._mark = f"TMPDIR={variables['TMPDIR']}".encode()
        self._output = cast(IO[bytes], self._process.stdout).fileno()
        self._orders = cast(IO[bytes], self._process.stdin)
        self._log = log
        self._order = threading.Lock()

    def stop(self, grace: float) -> None:
        """Ask the command to stop; kill all of it `grace` seconds later. For any thread."""
        with self._order:
            if self._orders.closed:
                return
            try:
                os.write(self._orders.fileno(), f"{grace}\n".encode())
            except BrokenPipeError:
                return  # it has just ended

    def run(self, started: Callable[[], None], limit: Limit | None = None) -> tuple[int, bool]:
        """Wait for the end of the command.

        Args:
            started: Called when the command runs.
            limit: When to stop it.

        Returns:
            The exit code, 128 + n after signal n, and whether the limit was reached.

        Raises:
            StartFailed: The command cannot be executed.
        """
        try:
            report, late = self._follow(started, limit)
        finally:
            self._finish()
        return self._exit_code(report.decode(errors="replace")), late

    def _follow(self, started: Callable[[], None], limit: Limit | None) -> tuple[bytes, bool]:
        """Pass output on until the end; what the init process reported, and whether it is late."""
        report, late = b"", False
        with selectors.DefaultSelector() as selector:
            selector.register(self._output, selectors.EVENT_READ)
            selector.register(self._status, selectors.EVENT_READ)
            while True:
                left = None if limit is None else max(0.0, limit.moment - time.monotonic())
                ready = [key.fd for key, _ in selector.select(left)]
                if not ready and limit is not None:
                    self.stop(limit.grace)
                    limit, late = None, True
                if self._output in ready and not self._pump():
                    selector.unregister(self._output)
                if self._status in ready:
                    news = os.read(self._status, 4096)
                    if not news:
                        return report, late
                    if b"started" not in report and b"started" in report + news:
                        started()
                    report += news

    def _pump(self) -> bool:
        data = os.read(self._output, 1 << 16)
        self._log.write(data)
        return bool(data)

    def _finish(self) -> None:
        with self._order:
            self._orders.close()  # kills what is left, if the end has not come by itself
        self._process.wait()
        os.close(self._status)
        # Everything written is in the pipe by now; its end may never come where a process escaped.
        os.set_blocking(self._output, False)
        with contextlib.suppress(BlockingIOError):
            while self._pump():
                pass
        cast(IO[bytes], self._process.stdout).close()

    def _exit_code(self, report: str) -> int:
        lines = dict(line.partition(" ")[::2] for line in report.splitlines())
        if "failed" in lines:
            raise StartFailed(lines["failed"])
        if "exit" in lines:
            return int(lines["exit"])
        # Somebody killed the init process; on a cluster that ends the container as well.
        _kill_all_with(self._mark)
        return 128 + signal.SIGKILL


def _kill_all_with(variable: bytes) -> None:
    """SIGKILL for every process that was started with a certain environment variable (Linux)."""
    while True:
        found = [pid for pid in _processes() if variable in _environment(pid)]
        if not found:
            return
        for pid in found:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(_KILL_CHECK_SECONDS)


def _processes() -> list[int]:
    return [int(path.name) for path in Path("/proc").glob("[0-9]*")]


def _environment(pid: int) -> list[bytes]:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return []  # it has ended, or is another user's
