"""Airflow and the sandbox's Kubernetes API in the background: `sandbox up`, `down`, `status`.

Everything is in `<project>/.airflow-sandbox`, which git and the pods' image leave out. `down` keeps
the DAG folder, Airflow's records and the logs for the next `up`; to start from nothing, delete the
folder after it. If the folder is deleted or moved while the sandbox runs, all of it ends by itself.
"""

from __future__ import annotations

import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import ClassVar

from kedro_airflow_k8s.errors import SandboxError
from kedro_airflow_k8s.project.reader import KedroProject
from kedro_airflow_k8s.sandbox.airflow import USERNAME, AirflowPython, AirflowServer, tail
from kedro_airflow_k8s.sandbox.folder import SandboxFolder, SandboxState
from kedro_airflow_k8s.sandbox.image import kedro_folder
from kedro_airflow_k8s.sandbox.locks import reserved_port
from kedro_airflow_k8s.sandbox.processes import kill_all, runs
from kedro_airflow_k8s.sandbox.spec import SandboxSpec, data_keys
from kedro_airflow_k8s.sandbox.supervisor import KUBERNETES, Startup, start_supervisor

Say = Callable[[str], None]

NOT_RUNNING = "The sandbox is not running. Start it with `kedro airflow-k8s sandbox up`."
LOG_LINES = 20
_READY_SECONDS = 180.0
_CHECK_SECONDS = 0.2


@dataclass(frozen=True)
class Service:
    """One of the sandbox's background processes.

    Attributes:
        name: `api-server` or `webserver`, `scheduler`, `dag-processor`, `triggerer`, `kubernetes`.
        pid: Its process id.
        log: Its output since it was started.
        running: Whether it runs.
        exit_code: How it ended, 128 + n after signal n; None if it runs, or if that is unknown.
    """

    name: str
    pid: int
    log: Path
    running: bool
    exit_code: int | None

    def __str__(self) -> str:
        code = "" if self.exit_code is None else f", exit code {self.exit_code}"
        return f"{self.name} (process {self.pid}{code})"


@dataclass(frozen=True)
class Sandbox:
    """An Airflow of the project's own, on this machine.

    Attributes:
        folder: Its files.
        state: How it was started.
        password: The password of the user `username`.
    """

    folder: SandboxFolder
    state: SandboxState
    password: str = field(repr=False)
    username: ClassVar[str] = USERNAME

    @property
    def host(self) -> str:
        """The address of its web page and API."""
        return self.state.host

    @property
    def output(self) -> Path:
        """The folder it reads DAGs from."""
        return self.folder.dags

    @property
    def services(self) -> tuple[Service, ...]:
        """The background processes as they are now."""
        state = self.folder.read_state()
        return () if state is None else _services(self.folder, state)

    def check(self) -> None:
        """Check that all services run.

        Raises:
            SandboxError: Some do not: the text names them, with the end of their logs.
        """
        services = self.services
        ended = [service for service in services if not service.running]
        if not services:
            raise SandboxError("The sandbox was stopped. Start it with `sandbox up`.")
        if ended:
            names = ", ".join(map(str, ended))
            logs = "".join(f"\n--- {s.log}\n{tail(s.log, LOG_LINES)}" for s in ended)
            raise SandboxError(
                f"{names} of the sandbox {'do' if len(ended) > 1 else 'does'} not run any more."
                f" `kedro airflow-k8s sandbox up` starts the sandbox again.{logs}"
            )

    def refresh_image(self, project: KedroProject) -> None:
        """Let pods that start from now on have the project's present files.

        Raises:
            SandboxError: They cannot be copied, the configuration does not fit this sandbox, or the
            sandbox lacks a Secret.
        """
        spec = SandboxSpec.of(project)
        spec.check(self.state.spec)
        if self.state.secrets is not None:
            fix = "kedro airflow-k8s sandbox down, then sandbox up --secrets FILE"
            spec.check_data(self.state.secrets, self.state.config_maps, fix)
        self.folder.images.refresh(project.path)


def start_sandbox(
    project: KedroProject,
    *,
    airflow_python: Path | None = None,
    secrets: Path | None = None,
    keep: bool = False,
    extra_environment: Mapping[str, str] | None = None,
    say: Say,
) -> Sandbox:
    """Start the services, and return when Airflow is ready. If all run, they are left alone.

    Args:
        project: The Kedro project.
        airflow_python: The Python that has Airflow; None: this one, or that of the running sandbox.
        secrets: A file of Secrets and ConfigMaps; None: none, or as the running sandbox.
        keep: Whether to keep the volumes of the last runs.
        extra_environment: Settings of Airflow (AIRFLOW__SECTION__KEY) in place of the sandbox's.
        say: Called with what is done.

    Raises:
        AirflowK8sError: Something is missing, a service ended, or Airflow does not get ready.
            Nothing runs then that did not run before.
        KeyboardInterrupt: It was interrupted; the same holds then, and `say` has printed it.
    """
    spec = SandboxSpec.of(project, airflow_python, secrets, extra_environment)
    spec = spec.model_copy(update={"keep": keep})
    folder = SandboxFolder(project.path)
    try:
        with _files_of(folder):
            folder.create()
            with folder.lock(say):
                state = _start(folder, spec, say)
    except KeyboardInterrupt:
        say(
            "Interrupted: the sandbox was not started. Nothing runs that did not run before"
            " (kedro airflow-k8s sandbox status)."
        )
        raise
    return _sandbox(folder, state)


def find_sandbox(project_path: Path) -> Sandbox | None:
    """Return the sandbox that was started for a project and not stopped, whether it runs or not.

    Raises:
        SandboxError: The sandbox's files were changed.
    """
    folder = SandboxFolder(project_path)
    state = folder.read_state()
    return None if state is None else _sandbox(folder, state)


def stop_sandbox(project_path: Path, say: Say) -> bool:
    """Stop all that was started for a project, and nothing else.

    Returns:
        Whether there was a sandbox.

    Raises:
        SandboxError: A process does not end, or the sandbox's folder cannot be used.
    """
    folder = SandboxFolder(project_path)
    if not folder.path.exists():
        return False
    with _files_of(folder), folder.lock(say):
        known = folder.state_file.exists()
        try:
            state = folder.read_state()
        except SandboxError:
            state = None  # What runs is found without it.
        if not kill_all(folder.path) and not known:
            return False
        folder.clear(state)
    say("The sandbox is stopped. Its DAG folder, Airflow's records and the logs are kept.")
    return True


def _start(folder: SandboxFolder, spec: SandboxSpec, say: Say) -> SandboxState:
    """Start the sandbox unless all of it runs; the folder is locked."""
    state = folder.read_state()
    if state is not None and folder.is_running(state):
        spec.check(state.spec)
        spec = state.spec
        missing = [s.name for s in _services(folder, state) if not s.running]
        if not missing:
            say("The sandbox is already running.")
            python = AirflowPython(spec.python, state.version)
            server = AirflowServer(python, folder, spec, state.port)
            return _wait(folder, server, datetime.min.replace(tzinfo=timezone.utc))
        say(f"The sandbox runs without {', '.join(missing)}: starting all of it again.")
    kill_all(folder.path)
    folder.clear(state)
    with reserved_port(folder.last_port()) as port:
        try:
            return _start_all(folder, spec, port, say)
        except BaseException:
            kill_all(folder.path)
            folder.clear(folder.read_state())
            raise


def _start_all(folder: SandboxFolder, spec: SandboxSpec, port: int, say: Say) -> SandboxState:
    python = AirflowPython.at(spec.python)
    say(f"Airflow {python.version}, Kubernetes provider {python.provider}")
    folder.create_airflow_home(python.version)
    server = AirflowServer(python, folder, spec, port)
    server.prepare()
    data = spec.pod_data()
    state = SandboxState(
        spec=spec.model_copy(update={"airflow_python": spec.python}),
        version=python.version,
        port=port,
        temporary=Path(tempfile.mkdtemp(prefix="kedro-airflow-k8s-")),
        secrets=data_keys(data.secrets),
        config_maps=data_keys(data.config_maps),
    )
    folder.write_state(state)
    since = datetime.now(timezone.utc)
    startup = Startup(
        project=folder.project,
        commands=server.commands(),
        environment=server.environment,
        own=server.patience(),
        airflow_home=server.home,
        bin_folder=kedro_folder(),
    )
    supervisor = start_supervisor(folder, startup)
    folder.images.refresh(folder.project)
    state = _wait(folder, server, since, supervisor)
    if failed := server.failed_runs():
        runs, are = ("DAG run", "is") if failed == 1 else ("DAG runs", "are")
        say(f"{failed} {runs} that did not end before the sandbox did {are} marked as failed.")
    return state


def _wait(
    folder: SandboxFolder,
    server: AirflowServer,
    since: datetime,
    supervisor: subprocess.Popen[bytes] | None = None,
) -> SandboxState:
    """Wait until all works.

    Args:
        folder: The sandbox's folder.
        server: Its Airflow.
        since: When the services were started, or before that.
        supervisor: The process that starts them; None if they were started before.

    Raises:
        SandboxError: Something has ended, or takes too long.
    """
    deadline = time.monotonic() + _READY_SECONDS
    while True:
        state = folder.read_state()
        ended = {} if state is None else dict(state.ended)
        if supervisor is not None and (code := supervisor.poll()) is not None:
            ended[KUBERNETES] = code
        if ended:
            name, code = next(iter(ended.items()))
            raise _cannot_start(folder, name, f"{name} has ended with exit code {code}")
        unready = server.unready(since)
        if not folder.kubeconfig.exists():
            unready.append(KUBERNETES)
        if state is not None and not unready:
            return state
        if time.monotonic() > deadline:
            names = ", ".join(unready)
            what = f"{names} did not get ready in {_READY_SECONDS:.0f} s"
            raise _cannot_start(folder, unready[0], what)
        time.sleep(_CHECK_SECONDS)


def _cannot_start(folder: SandboxFolder, name: str, what: str) -> SandboxError:
    log = folder.log(name)
    return SandboxError(
        f"The sandbox cannot start: {what}. The end of {log}:\n{tail(log, LOG_LINES)}"
    )


@contextmanager
def _files_of(folder: SandboxFolder) -> Iterator[None]:
    """Name the file of the sandbox that cannot be read or written."""
    try:
        yield
    except OSError as error:
        raise SandboxError(
            f"The sandbox cannot use {folder.path}: {error}. It needs a folder in which you may"
            " write, with space on the disk. If you delete it, what runs of the sandbox ends by"
            " itself."
        ) from error


def _sandbox(folder: SandboxFolder, state: SandboxState) -> Sandbox:
    return Sandbox(folder, state, folder.read_keys(state.version).password)


def _services(folder: SandboxFolder, state: SandboxState) -> tuple[Service, ...]:
    return tuple(
        Service(name, pid, folder.log(name), runs(pid, folder.path), state.ended.get(name))
        for name, pid in state.services.items()
    )
