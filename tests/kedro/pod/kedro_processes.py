"""Kedro started as a pod starts it, and asked to stop as Kubernetes asks."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from kedro_airflow_k8s.pod.environment import CONTRACT, CONTRACT_VARIABLE
from tests.support.waiting import WAIT_SECONDS


@dataclass
class Running:
    """A process that has printed IT RUNS."""

    process: subprocess.Popen[str]
    folder: Path
    said: list[str]

    def ask_to_stop(self) -> None:
        """Do what Kubernetes does to the first process of a container."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        inside = self.process.args[0] == "unshare"  # type: ignore[index]
        os.kill(int(children.read_text()) if inside else self.process.pid, signal.SIGTERM)

    def hear(self, words: str) -> None:
        """Wait until the process prints a line."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.said.append(line)
            if line == f"{words}\n":
                return
        raise AssertionError("".join(self.said))

    def exit_code(self) -> int:
        """Wait for the end."""
        rest, _ = self.process.communicate(timeout=WAIT_SECONDS)
        self.said.append(rest)
        return self.process.returncode

    @property
    def output(self) -> str:
        """What it has printed, as far as it was waited for."""
        return "".join(self.said)

    def note(self, name: str) -> str | None:
        """What a node or a hook has written down."""
        path = self.folder / name
        return path.read_text() if path.exists() else None


@contextmanager
def running(
    folder: Path,
    *arguments: str,
    environment: Mapping[str, str] | None = None,
    prefix: tuple[str, ...] = (),
) -> Iterator[Running]:
    """Start Python with arguments, and wait until it prints IT RUNS."""
    with subprocess.Popen(
        [*prefix, sys.executable, *arguments],
        cwd=folder,
        env=pod_environment(environment or {}),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            found = Running(process, folder, [])
            found.hear("IT RUNS")
            yield found
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def kedro_arguments(*arguments: str) -> list[str]:
    """What a pod gives to Python to run Kedro."""
    return ["-m", "kedro_airflow_k8s.pod", *arguments]


def run_task(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run Kedro as a pod does, to its end."""
    return subprocess.run(
        [sys.executable, *kedro_arguments("run", *arguments)],
        cwd=folder,
        env=pod_environment(environment),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=WAIT_SECONDS,
    )


def pod_environment(more: Mapping[str, str]) -> dict[str, str]:
    """The variables of a pod, on this machine."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("KEDRO_")}
    quiet = {"DO_NOT_TRACK": "1", "PYTHONWARNINGS": "ignore", "COLUMNS": "300"}
    return kept | quiet | {CONTRACT_VARIABLE: CONTRACT} | dict(more)
