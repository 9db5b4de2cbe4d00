"""Airflow and the sandbox's Kubernetes API as background processes: `sandbox up`, `down`, `status`.

Everything is in `<project>/.airflow-sandbox`, which git and the pods' image leave out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from kedro_airflow_k8s.errors import SandboxError
from kedro_airflow_k8s.project import KedroProject

Say = Callable[[str], None]


@dataclass(frozen=True)
class Service:
    """One of the sandbox's background processes.

    Attributes:
        name: `api-server` or `webserver`, `scheduler`, `dag-processor`, `kubernetes`.
        pid: Its process id; None if it could not be started.
        port: Where it listens on 127.0.0.1; None if it does not.
        log: What it has said since it was started.
        running: Whether it is there.
        exit_code: How it ended, as a shell says it; None if it runs, or nobody knows.
    """

    name: str
    pid: int | None
    port: int | None
    log: Path
    running: bool
    exit_code: int | None


@dataclass(frozen=True)
class Sandbox:
    """An Airflow of the project's own, on this machine.

    Attributes:
        project_path: The Kedro project's folder.
        airflow_version: The version of Airflow.
        airflow_python: The Python that has it.
        host: The address of its web page and API.
        output: The folder it reads DAGs from.
        connection: The id of the Airflow connection that leads to the sandbox's Kubernetes API.
        username: Who may log in.
        password: With what.
    """

    project_path: Path
    airflow_version: str
    airflow_python: Path
    host: str
    output: Path
    connection: str
    username: str
    password: str = field(repr=False)

    @property
    def services(self) -> tuple[Service, ...]:
        """The background processes as they are now."""
        raise SandboxError("not yet")

    def check(self) -> None:
        """See whether all services run.

        Raises:
            SandboxError: Some do not: the text names them, with the end of what they said.
        """
        raise SandboxError("not yet")

    def refresh_image(self, project: KedroProject) -> None:
        """Let pods that start from now on have the project's present files.

        Raises:
            SandboxError: They cannot be copied, or the configuration does not fit this sandbox.
        """
        raise SandboxError("not yet")


def start_sandbox(
    project: KedroProject,
    *,
    airflow_python: Path | None = None,
    secrets: Path | None = None,
    extra_environment: Mapping[str, str] | None = None,
    say: Say,
) -> Sandbox:
    """Start what does not run, and return when Airflow is ready. Harmless when all runs.

    Args:
        project: The Kedro project.
        airflow_python: The Python that has Airflow; None: this one, or that of the running sandbox.
        secrets: A file of Kubernetes Secrets for the pods; None: none, or as the running sandbox.
        extra_environment: Settings of Airflow (AIRFLOW__SECTION__KEY) in place of the sandbox's.
        say: Called with what is done.

    Raises:
        AirflowK8sError: Something is missing, a service ended, or Airflow does not get ready.
            Nothing runs then that did not run before.
    """
    raise SandboxError("not yet")


def find_sandbox(project_path: Path) -> Sandbox | None:
    """The sandbox that was started for a project and not stopped, be it well or not.

    Raises:
        SandboxError: The project was moved since.
    """
    raise SandboxError("not yet")


def stop_sandbox(project_path: Path, say: Say) -> bool:
    """Stop all that was started for a project, and nothing else; whether there was a sandbox.

    Raises:
        SandboxError: A process does not end.
    """
    raise SandboxError("not yet")
