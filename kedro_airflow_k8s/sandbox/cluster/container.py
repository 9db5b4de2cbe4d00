"""One running container: a process of this machine behind `container_init`."""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import IO, cast

import psutil

from kedro_airflow_k8s.sandbox.cluster.logs import ContainerLog
from kedro_airflow_k8s.sandbox.cluster.mounts import Mount

_KILL_CHECK_SECONDS = 0.01
_INIT = Path(__file__).with_name("container_init.py")
_INIT_COMMAND = (sys.executable, "-I", "-S", str(_INIT))
_PROBE = """
import os, sys
sys.path.append(os.path.dirname(sys.argv[1]))
import container_init
container_init.show_in_place_of(sys.argv[2], sys.argv[3])
"""


class StartFailed(Exception):
    """The command cannot be executed, for instance because there is no such program."""


@cache
def can_share_paths() -> bool:
    """Return whether this machine lets a process have a folder at the path of another one."""
    if sys.platform != "linux":
        return False
    with tempfile.TemporaryDirectory(prefix="kedro-airflow-k8s-") as folder:
        for name in ("source", "place"):
            (Path(folder) / name).mkdir()
        command = [sys.executable, "-I", "-S", "-c", _PROBE, str(_INIT)]
        command += [f"{folder}/place", f"{folder}/source"]
        return subprocess.run(command, capture_output=True, check=False).returncode == 0


@dataclass(frozen=True)
class View:
    """What a process finds in other places than this machine has them.

    Attributes:
        mounts: The mounts with their places, parents first.
        scratch: An empty folder, if a place may not be on this machine.
    """

    mounts: Sequence[tuple[Mount, str]] = ()
    scratch: Path | None = None


def _triple(mount: Mount, place: str) -> tuple[str, str, str]:
    return "ro" if mount.read_only else "rw", str(mount.source), place


class ContainerProcess:
    """A command with everything it starts. Its output goes to the log."""

    def __init__(
        self,
        command: list[str],
        variables: dict[str, str],
        folder: str,
        log: ContainerLog,
        view: View | None = None,
    ) -> None:
        """Start the command.

        Args:
            command: The program and its arguments.
            variables: Its whole environment, with a HOME and TMPDIR that no other pod has.
            folder: Its working directory.
            log: Takes its output.
            view: What it finds in other places than this machine has them.

        Raises:
            StartFailed: A process cannot have such a command or environment.
        """
        view = view or View()
        mounts = [text for mount, place in view.mounts for text in _triple(mount, place)]
        count = str(len(view.mounts))
        reader, writer = os.pipe()
        try:
            self._process = subprocess.Popen(
                [
                    *(*_INIT_COMMAND, str(os.getpid()), str(writer), folder),
                    *(str(view.scratch or ""), count, *mounts, *command),
                ],
                env=variables,
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
        # No other pod has the same of all, and everything that the command starts inherits them.
        marks = ("HOME", "TMPDIR", "HOSTNAME")
        self._mark = {name: variables[name] for name in marks if name in variables}
        self._output = cast(IO[bytes], self._process.stdout).fileno()
        self._orders = cast(IO[bytes], self._process.stdin)
        self._log = log
        self._order = threading.Lock()

    @property
    def pid(self) -> int:
        """The process whose child the command is."""
        return self._process.pid

    def stop(self, grace: float) -> None:
        """Ask the command to stop; kill all of it `grace` seconds later. For any thread."""
        with self._order:
            if self._orders.closed:
                return
            try:
                os.write(self._orders.fileno(), f"{grace}\n".encode())
            except BrokenPipeError:
                return  # it has just ended

    def run(self, started: Callable[[], None]) -> int:
        """Wait for the end of the command and return its exit code, 128 + n after signal n.

        Args:
            started: Called when the command runs.

        Raises:
            StartFailed: The command cannot be executed.
        """
        try:
            report = self._follow(started)
        finally:
            self._finish()
        return self._exit_code(report.decode(errors="replace"))

    def _follow(self, started: Callable[[], None]) -> bytes:
        """Pass output on until the end, and return what the init process has reported."""
        report = b""
        with selectors.DefaultSelector() as selector:
            selector.register(self._output, selectors.EVENT_READ)
            selector.register(self._status, selectors.EVENT_READ)
            while True:
                ready = [key.fd for key, _ in selector.select()]
                if self._output in ready and not self._pump():
                    selector.unregister(self._output)
                if self._status in ready:
                    news = os.read(self._status, 4096)
                    if not news:
                        return report
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
        # All output is in the pipe by now; its end may never come if a process has escaped.
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
        # The init process was killed; on a cluster that ends the container as well.
        while left := self._processes():
            for process in left:
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.kill()
            time.sleep(_KILL_CHECK_SECONDS)
        return 128 + signal.SIGKILL

    def _processes(self) -> list[psutil.Process]:
        return [
            process
            for process in psutil.process_iter(["environ", "status"])
            if self._mark.items() <= (process.info["environ"] or {}).items()
            and process.info["status"] != psutil.STATUS_ZOMBIE
        ]
