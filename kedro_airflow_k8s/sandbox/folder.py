"""The folder of a project's sandbox: what is where, and what is known of what was started."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

from kedro_airflow_k8s.errors import SandboxError
from kedro_airflow_k8s.sandbox.background import BackgroundProcess
from kedro_airflow_k8s.sandbox.cluster.files import discard
from kedro_airflow_k8s.sandbox.image import SANDBOX_FOLDER, ImageFolder
from kedro_airflow_k8s.sandbox.locks import locked

# What Airflow or its database's address would read in a path as something else.
_CONFUSING = "?$%"


@dataclass(frozen=True)
class SandboxState:
    """What was started, and how.

    Attributes:
        project: The folder of the project at that time.
        python: The Python that has Airflow.
        version: The version of Airflow.
        port: Where the web page and the API are.
        connection: The id of the connection that leads to the sandbox's Kubernetes API.
        home: Where the pods' image has the project.
        secrets: The file of the pods' Secrets; empty: none.
        temporary: The folder of the pods' temporary files.
        services: What was started, by the service's name.
    """

    project: str
    python: str
    version: str
    port: int
    connection: str
    home: str
    secrets: str
    temporary: str
    services: Mapping[str, BackgroundProcess] = field(default_factory=dict)

    @property
    def host(self) -> str:
        """The address of the web page and of the API."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def running(self) -> bool:
        """Whether any of the services runs."""
        return any(process.running for process in self.services.values())


class SandboxFolder:
    """The files of a project's sandbox.

    Args:
        project: The project's folder.
    """

    def __init__(self, project: Path) -> None:
        self.project = project.resolve()
        self.path = self.project / SANDBOX_FOLDER
        self.dags = self.path / "dags"
        self.cluster = self.path / "kubernetes"
        self.kubeconfig = self.path / "kubeconfig"
        self.images = ImageFolder(self.path / "images")
        self._state = self.path / "state.json"

    def create(self) -> None:
        """Make it, for this user only, and hidden from git.

        Raises:
            SandboxError: It cannot be made.
        """
        if confusing := sorted(set(str(self.path)) & set(_CONFUSING)):
            raise SandboxError(
                f"The sandbox cannot be in {self.path}: Airflow reads {' '.join(confusing)} in a"
                " path as something else. Rename the folder."
            )
        try:
            self.path.mkdir(mode=0o700, exist_ok=True)
            self.path.chmod(0o700)
            (self.path / ".gitignore").write_text("*\n")
            for folder in (self.dags, self.path / "logs"):
                folder.mkdir(exist_ok=True)
        except OSError as error:
            raise SandboxError(f"The sandbox cannot use {self.path}: {error}") from None

    def airflow_home(self, version: str) -> Path:
        """The folder of an Airflow: another version could not read what one has written."""
        return self.path / f"airflow-{version}"

    def service(self, name: str) -> Path:
        """The stem of the files of a service."""
        return self.path / "logs" / name

    def log(self, name: str) -> Path:
        """What a service has said."""
        return self.path / "logs" / f"{name}.log"

    def lock(self, say: Callable[[str], None]) -> AbstractContextManager[None]:
        """Let nobody else start or stop the sandbox meanwhile."""
        return locked(
            self.path / "lock",
            lambda: say("Waiting for another command that starts or stops the sandbox."),
        )

    def keys_file(self, version: str) -> Path:
        """The secrets of an Airflow of this sandbox, which last as long as its database."""
        return self.airflow_home(version) / "keys.json"

    def read_state(self) -> SandboxState | None:
        """What was started and not stopped.

        Raises:
            SandboxError: The project was moved while it ran, or the file was changed.
        """
        try:
            data: dict[str, Any] = json.loads(self._state.read_text())
            services = data.pop("services")
            state = SandboxState(
                **data,
                services={
                    name: BackgroundProcess.from_json(process) for name, process in services.items()
                },
            )
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise SandboxError(
                f"{self._state} cannot be read ({error}). Delete it, then kedro airflow-k8s sandbox"
                " down: that ends what runs."
            ) from None
        return state

    def write_state(self, state: SandboxState) -> None:
        """Keep what was started."""
        services = {name: process.to_json() for name, process in state.services.items()}
        write_private(self._state, json.dumps({**asdict(state), "services": services}, indent=2))

    def clear(self, state: SandboxState) -> None:
        """Delete what is of no use once nothing runs: DAG files, Airflow's records, logs stay."""
        for folder in (self.cluster, self.path / "images", Path(state.temporary)):
            discard(folder)
        self.kubeconfig.unlink(missing_ok=True)
        self.forget_services()
        self._state.unlink(missing_ok=True)

    def forget_services(self) -> bool:
        """Let services end that nobody has stopped; whether there may be any.

        Each watches its status file, and ends within a second or so when it is deleted.
        """
        files = list((self.path / "logs").glob("*.status"))
        for file in files:
            file.unlink(missing_ok=True)
        return bool(files)

    def delete_cluster_files(self) -> None:
        """Delete what a cluster has left that nobody has stopped."""
        discard(self.cluster)
        self.kubeconfig.unlink(missing_ok=True)


def write_private(file: Path, text: str) -> None:
    """Write a file that only the user can read, at once or not at all."""
    with NamedTemporaryFile("w", dir=file.parent, delete=False, encoding="utf-8") as new:
        new.write(text)
    Path(new.name).replace(file)
