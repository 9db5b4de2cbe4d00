"""Airflow and the sandbox's Kubernetes API as background processes: `sandbox up`, `down`, `status`.

Everything is in `<project>/.airflow-sandbox`, which git and the pods' image leave out. `down` keeps
the DAG folder, Airflow's records and the logs for the next `up`; to start anew, delete the folder
after it. What runs while the folder is deleted ends by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from kedro_airflow_k8s.errors import SandboxError
from kedro_airflow_k8s.project.reader import KedroProject
from kedro_airflow_k8s.sandbox.airflow_home import tail
from kedro_airflow_k8s.sandbox.airflow_server import USERNAME, read_keys
from kedro_airflow_k8s.sandbox.background import exit_code
from kedro_airflow_k8s.sandbox.folder import SandboxFolder, SandboxState
from kedro_airflow_k8s.sandbox.start import Wishes, start_missing, stop_all

Say = Callable[[str], None]

NOT_RUNNING = "The sandbox does not run. Start it with `kedro airflow-k8s sandbox up`."
LOG_LINES = 20


@dataclass(frozen=True)
class Service:
    """One of the sandbox's background processes.

    Attributes:
        name: `api-server` or `webserver`, `scheduler`, `dag-processor`, `kubernetes`.
        pid: Its process id.
        port: Where it listens on 127.0.0.1; None if nobody but Airflow needs to know.
        log: What it has said since it was started.
        running: Whether it is there.
        exit_code: How it ended, as a shell says it; None if it runs, or nobody was there to see.
    """

    name: str
    pid: int
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
        """The background processes as they are now.

        Raises:
            SandboxError: The project was moved since they were started.
        """
        folder = SandboxFolder(self.project_path)
        state = read_state(folder)
        return () if state is None else _services(folder, state)

    def check(self) -> None:
        """See whether all services run.

        Raises:
            SandboxError: Some do not: the text names them, with the end of what they said.
        """
        services = self.services
        ended = [service for service in services if not service.running]
        if not services:
            raise SandboxError("The sandbox was stopped. Start it with `sandbox up`.")
        if ended:
            logs = "".join(f"\n--- {s.log}\n{tail(s.log, LOG_LINES)}" for s in ended)
            raise SandboxError(
                f"{_names(ended)} of the sandbox {'do' if len(ended) > 1 else 'does'} not run any"
                f" more. `kedro airflow-k8s sandbox up` starts what is missing.{logs}"
            )

    def refresh_image(self, project: KedroProject) -> None:
        """Let pods that start from now on have the project's present files.

        Raises:
            SandboxError: They cannot be copied, or the configuration does not fit this sandbox.
        """
        folder = SandboxFolder(self.project_path)
        state = read_state(folder)
        if state is not None:
            Wishes.of(project).check(state)
        folder.images.refresh(project.path)


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
        KeyboardInterrupt: It was interrupted; the same holds then, and `say` was told.
    """
    wishes = Wishes.of(project, airflow_python, secrets, extra_environment)
    folder = SandboxFolder(project.path)
    folder.create()
    try:
        with _files_of(folder), folder.lock(say):
            state = start_missing(folder, read_state(folder), wishes, say)
    except KeyboardInterrupt:
        say(
            "Interrupted: the sandbox was not started. Nothing runs that did not run before"
            " (kedro airflow-k8s sandbox status)."
        )
        raise
    return _sandbox(folder, state)


def find_sandbox(project_path: Path) -> Sandbox | None:
    """The sandbox that was started for a project and not stopped, be it well or not.

    Raises:
        SandboxError: The project was moved since.
    """
    folder = SandboxFolder(project_path)
    state = read_state(folder)
    return None if state is None else _sandbox(folder, state)


def stop_sandbox(project_path: Path, say: Say) -> bool:
    """Stop all that was started for a project, and nothing else; whether there was a sandbox.

    Raises:
        SandboxError: A process does not end, or the sandbox's folder cannot be used.
    """
    folder = SandboxFolder(project_path)
    if not folder.path.exists():
        return False
    with _files_of(folder), folder.lock(say):
        state = folder.read_state()
        if state is None:
            if folder.forget_services():
                say("What ran without a record in state.json ends now.")
                return True
            return False
        stop_all(state)
        folder.clear(state)
    say("The sandbox is stopped. Its DAG folder, Airflow's records and the logs are kept.")
    return True


def read_state(folder: SandboxFolder) -> SandboxState | None:
    """What was started.

    Raises:
        SandboxError: The project was moved since, and what was started does not know.
    """
    state = folder.read_state()
    if state is not None and state.running and Path(state.project) != folder.project:
        raise SandboxError(
            f"The project was moved from {state.project} to {folder.project} while its sandbox ran,"
            " which does not find its files now: kedro airflow-k8s sandbox down, then up."
        )
    return state


@contextmanager
def _files_of(folder: SandboxFolder) -> Iterator[None]:
    """Say which file of the sandbox it is that cannot be read or written."""
    try:
        yield
    except OSError as error:
        raise SandboxError(
            f"The sandbox cannot use {folder.path}: {error}. Let it be a folder in which you may"
            " write, with space on the disk. If you delete it, what runs of the sandbox ends by"
            " itself."
        ) from error


def _sandbox(folder: SandboxFolder, state: SandboxState) -> Sandbox:
    return Sandbox(
        project_path=folder.project,
        airflow_version=state.version,
        airflow_python=Path(state.python),
        host=state.host,
        output=folder.dags,
        connection=state.connection,
        username=USERNAME,
        password=read_keys(folder, state.version).password,
    )


def _services(folder: SandboxFolder, state: SandboxState) -> tuple[Service, ...]:
    return tuple(
        Service(
            name=name,
            pid=process.main.pid,
            port=state.port if index == 0 else None,
            log=folder.log(name),
            running=(running := process.running),
            exit_code=None if running else exit_code(folder.service(name)),
        )
        for index, (name, process) in enumerate(state.services.items())
    )


def _names(services: list[Service]) -> str:
    return ", ".join(
        f"{service.name} (process {service.pid}"
        + ("" if service.exit_code is None else f", exit code {service.exit_code}")
        + ")"
        for service in services
    )
