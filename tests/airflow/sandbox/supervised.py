"""A project with a sandbox in which processes of a test take the place of Airflow's services."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from kedro_airflow_k8s.sandbox.folder import SandboxFolder, SandboxState
from kedro_airflow_k8s.sandbox.processes import kill_all
from kedro_airflow_k8s.sandbox.spec import SandboxSpec
from kedro_airflow_k8s.sandbox.supervisor import Startup, start_supervisor
from tests.airflow.sandbox.cluster.cluster_client import wait_for

VERSION = "3.3.2"
SLEEP = "import time; time.sleep(1000)"


@dataclass(frozen=True)
class Supervised:
    """A sandbox with one service, `scheduler`.

    Attributes:
        folder: Its files.
        supervisor: Its first process.
        state: What was recorded when it had started.
    """

    folder: SandboxFolder
    supervisor: subprocess.Popen[bytes]
    state: SandboxState

    @property
    def project(self) -> Path:
        return self.folder.project

    def now(self) -> SandboxState:
        state = self.folder.read_state()
        assert state is not None
        return state


def start(project: Path, code: str = SLEEP) -> Supervised:
    """Start a sandbox whose service runs Python code."""
    folder = SandboxFolder(project)
    folder.create()
    folder.create_airflow_home(VERSION)
    temporary = project.parent / "short"
    temporary.mkdir(exist_ok=True)
    folder.write_state(
        SandboxState(
            spec=SandboxSpec(
                project=folder.project,
                connection="kubernetes_default",
                home=PurePosixPath("/home/kedro"),
                namespace="default",
            ),
            version=VERSION,
            port=8080,
            temporary=temporary,
        )
    )
    startup = Startup(
        project=folder.project,
        commands={"scheduler": [sys.executable, "-c", code]},
        environment=dict(os.environ),
        airflow_home=folder.airflow_home(VERSION),
        bin_folder=Path(sys.executable).parent,
    )
    supervisor = start_supervisor(folder, startup)
    wait_for(folder.kubeconfig.exists)
    state = folder.read_state()
    assert state is not None
    return Supervised(folder, supervisor, state)


@contextmanager
def supervised(project: Path, code: str = SLEEP) -> Iterator[Supervised]:
    """Start a sandbox whose service runs Python code, and end it."""
    project.mkdir(exist_ok=True)
    try:
        yield start(project, code)
    finally:
        kill_all(SandboxFolder(project).path)
