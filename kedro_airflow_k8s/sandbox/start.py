"""How the services of a sandbox are started, all of them or those that are missing, and stopped."""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from pathlib import Path, PurePosixPath

from kedro_airflow_k8s.errors import SandboxError
from kedro_airflow_k8s.project.reader import KedroProject
from kedro_airflow_k8s.sandbox.airflow_home import tail
from kedro_airflow_k8s.sandbox.airflow_server import AirflowServer, read_keys
from kedro_airflow_k8s.sandbox.background import BackgroundProcess, exit_code, start_in_background
from kedro_airflow_k8s.sandbox.cluster_service import ClusterOptions
from kedro_airflow_k8s.sandbox.folder import SandboxFolder, SandboxState
from kedro_airflow_k8s.sandbox.image import LOCAL_IMAGE, kedro_folder
from kedro_airflow_k8s.sandbox.ports import is_free, reserved_port
from kedro_airflow_k8s.sandbox.secrets_file import read_secrets

KUBERNETES = "kubernetes"

Say = Callable[[str], None]
_READY_SECONDS = 180.0
_CHECK_SECONDS = 0.2
_LOG_LINES = 20


@dataclass(frozen=True)
class Wishes:
    """What the sandbox shall be like.

    Attributes:
        project: The project's folder.
        connection: The id of the connection that leads to the sandbox's Kubernetes API.
        home: Where the pods' image has the project.
        namespace: That of Secrets that name none.
        python: The Python that has Airflow; None: as it is, else this one.
        secrets: A file of Secrets; None: as it is, else none.
        environment: Settings of Airflow in place of the sandbox's.
    """

    project: Path
    connection: str
    home: PurePosixPath
    namespace: str
    python: Path | None = None
    secrets: Path | None = None
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)

    @classmethod
    def of(
        cls,
        project: KedroProject,
        python: Path | None = None,
        secrets: Path | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> Wishes:
        """What a project's configuration and the options of a command say.

        Raises:
            AirflowK8sError: The configuration or the file of Secrets is wrong.
        """
        run = project.config(default_image=LOCAL_IMAGE).run_config
        namespace = run.namespace or "default"
        if secrets is not None:
            read_secrets(secrets, namespace)
        return cls(
            project=project.path,
            connection=run.kubernetes_conn_id,
            home=PurePosixPath(run.volume.mount_path).parent,
            namespace=namespace,
            # Made absolute only: what a virtual environment links to is another Python.
            python=None if python is None else python.absolute(),
            secrets=None if secrets is None else secrets.absolute(),
            environment=environment or {},
        )

    def check(self, state: SandboxState) -> None:
        """See whether what was started is like this.

        Raises:
            SandboxError: It is not.
        """
        wanted = {
            "run_config.kubernetes_conn_id": (self.connection, state.connection),
            "the parent of run_config.volume.mount_path": (str(self.home), state.home),
        }
        if self.python is not None:
            wanted["the Python with Airflow"] = (str(self.python), state.python)
        if self.secrets is not None:
            wanted["the file of Secrets"] = (str(self.secrets), state.secrets)
        for what, (now, then) in wanted.items():
            if now != then:
                raise SandboxError(
                    f"The sandbox was started with another value of {what}: {then or 'none'}, and"
                    f" not {now}. Stop it with kedro airflow-k8s sandbox down, then start it again."
                )


def start_missing(
    folder: SandboxFolder, state: SandboxState | None, wishes: Wishes, say: Say
) -> SandboxState:
    """Start the services that do not run, and wait until all work; the folder is locked.

    Raises:
        SandboxError: A service ends, or does not work. What was started here is stopped.
    """
    port = None
    if state is not None:
        web = next(iter(state.services.values()), None)
        port = state.port
        if state.running and ((web is not None and web.running) or is_free(state.port)):
            wishes.check(state)
            return _Start(folder, wishes, say).repair(state)
        # Nothing runs, or what runs would not find Airflow's API at another port.
        stop_all(state)
        folder.clear(state)
    else:
        folder.forget_services()
    with reserved_port(port) as port:
        return _Start(folder, wishes, say).all_anew(port)


class _Start:
    """One call of `up`."""

    def __init__(self, folder: SandboxFolder, wishes: Wishes, say: Say) -> None:
        self._folder = folder
        self._wishes = wishes
        self._say = say

    def all_anew(self, port: int) -> SandboxState:
        """Start all services."""
        wishes = self._wishes
        python = wishes.python or Path(sys.executable).absolute()
        server = self._server(python, port)
        self._say(f"Airflow {server.version}, Kubernetes provider {server.provider_version}")
        server.prepare(self._say)
        self._folder.delete_cluster_files()
        state = SandboxState(
            project=str(self._folder.project),
            python=str(python),
            version=server.version,
            port=port,
            connection=wishes.connection,
            home=str(wishes.home),
            secrets=str(wishes.secrets or ""),
            temporary=tempfile.mkdtemp(prefix="kedro-airflow-k8s-"),
        )
        with ExitStack() as failed:
            failed.callback(self._folder.clear, state)
            state = self._start(server, state, [*server.commands(), KUBERNETES])
            failed.pop_all()
        return state

    def repair(self, state: SandboxState) -> SandboxState:
        """Start the services that do not run, and leave the others alone."""
        read_keys(self._folder, state.version)  # Those that run would not know new ones.
        server = self._server(Path(state.python), state.port)
        if server.version != state.version:
            raise SandboxError(
                f"{state.python} has Airflow {server.version} now, and the sandbox was started with"
                f" {state.version}: kedro airflow-k8s sandbox down, then up."
            )
        # One that did not come to be started, or that does not run any more.
        missing = [
            name
            for name in (*server.commands(), KUBERNETES)
            if name not in state.services or not state.services[name].running
        ]
        if missing:
            self._say(f"The sandbox runs without {', '.join(missing)}: starting that again.")
        else:
            self._say("The sandbox runs already.")
        for name in missing:
            if name in state.services:
                state.services[name].kill()
        if KUBERNETES in missing:
            self._folder.delete_cluster_files()
        return self._start(server, state, missing)

    def _server(self, python: Path, port: int) -> AirflowServer:
        wishes = self._wishes
        return AirflowServer(python, self._folder, wishes.connection, port, wishes.environment)

    def _start(
        self, server: AirflowServer, state: SandboxState, names: Sequence[str]
    ) -> SandboxState:
        begun: dict[str, datetime] = {}
        with ExitStack() as failed:
            for name in names:
                begun[name] = datetime.now(timezone.utc)
                process = self._start_service(server, state, name)
                failed.callback(process.kill)
                state = replace(state, services={**state.services, name: process})
                self._folder.write_state(state)
            if KUBERNETES in names:
                self._folder.images.refresh(self._folder.project)
            self._wait(server, state, begun)
            failed.pop_all()
        return state

    def _start_service(
        self, server: AirflowServer, state: SandboxState, name: str
    ) -> BackgroundProcess:
        if name != KUBERNETES:
            command = server.commands()[name]
            files = self._folder.service(name)
            return start_in_background(command, server.environment, server.home, files)
        options = ClusterOptions(
            folder=str(self._folder.cluster),
            temporary=state.temporary,
            kubeconfig=str(self._folder.kubeconfig),
            image=str(self._folder.images.current),
            home=state.home,
            bin_folder=str(kedro_folder()),
            secrets=state.secrets,
            namespace=self._wishes.namespace,
        )
        files = self._folder.service(name)
        return start_in_background(options.command(), os.environ, files.parent, files)

    def _wait(
        self, server: AirflowServer, state: SandboxState, begun: Mapping[str, datetime]
    ) -> None:
        """Wait until all works.

        Raises:
            SandboxError: Something has ended, or takes too long.
        """
        deadline = time.monotonic() + _READY_SECONDS
        while unready := self._unready(server, begun):
            for name, process in state.services.items():
                if not process.running:
                    code = exit_code(self._folder.service(name))
                    raise self._error(f"{name} has ended with exit code {code}", name)
            if time.monotonic() > deadline:
                raise self._error(
                    f"{', '.join(unready)} did not get ready in {_READY_SECONDS:.0f} s", unready[0]
                )
            time.sleep(_CHECK_SECONDS)

    def _unready(self, server: AirflowServer, begun: Mapping[str, datetime]) -> list[str]:
        unready = server.unready(begun)
        return unready if self._folder.kubeconfig.exists() else [*unready, KUBERNETES]

    def _error(self, what: str, name: str) -> SandboxError:
        log = self._folder.log(name)
        return SandboxError(
            f"The sandbox cannot start: {what}. The end of {log}:\n{tail(log, _LOG_LINES)}"
        )


def stop_all(state: SandboxState) -> None:
    """Kill the services and all they have started.

    Raises:
        SandboxError: A process does not end.
    """
    processes = state.services.values()
    for process in processes:
        process.ask_to_end()
    for process in processes:
        process.kill()
