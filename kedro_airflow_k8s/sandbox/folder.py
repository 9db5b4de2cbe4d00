"""The folder of a project's sandbox: which file is where, and what was started."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import IO

from pydantic import BaseModel, Field

from kedro_airflow_k8s.errors import SandboxError
from kedro_airflow_k8s.pod.atomic import atomic_write
from kedro_airflow_k8s.sandbox.cluster.files import discard
from kedro_airflow_k8s.sandbox.image import SANDBOX_FOLDER, ImageFolder
from kedro_airflow_k8s.sandbox.locks import locked
from kedro_airflow_k8s.sandbox.processes import runs
from kedro_airflow_k8s.sandbox.spec import DataKey, SandboxSpec

# Airflow, or its database's address, gives these characters of a path another meaning.
_CONFUSING = "?$%"


class SandboxState(BaseModel, frozen=True, extra="forbid"):
    """What was started, and how.

    Attributes:
        spec: What it was started with; it names the Python that has Airflow.
        version: The version of Airflow.
        port: Where the web page and the API are.
        temporary: The folder of the pods' temporary files.
        services: The process ids by the services' names.
        secrets: What its pods can refer to of Secrets; None if an older version started it.
        config_maps: What they can refer to of ConfigMaps.
        ended: The exit codes of services that have ended, 128 + n after signal n.
    """

    spec: SandboxSpec
    version: str
    port: int
    temporary: Path
    services: Mapping[str, int] = {}
    secrets: tuple[DataKey, ...] | None = None
    config_maps: tuple[DataKey, ...] = ()
    ended: Mapping[str, int] = {}

    @property
    def host(self) -> str:
        """The address of the web page and of the API."""
        return f"http://127.0.0.1:{self.port}"


class Keys(BaseModel, frozen=True, extra="forbid"):
    """The secrets of an Airflow; its database is of no use without them.

    Attributes:
        password: Of the user `admin`.
        fernet: Encrypts connections and variables in the database.
        web: Signs the cookies of the web page.
        token: Signs the tokens of the API.
    """

    password: str = Field(default_factory=lambda: secrets.token_urlsafe(12), repr=False)
    fernet: str = Field(
        default_factory=lambda: base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
        repr=False,
    )
    web: str = Field(default_factory=lambda: secrets.token_hex(32), repr=False)
    token: str = Field(default_factory=lambda: secrets.token_hex(64), repr=False)


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
        self.state_file = self.path / "state.json"
        self.runs = self.path / "runs"
        self.volumes = self.path / "volumes"
        self.stand_ins = self.path / "external"
        self.port_file = self.path / "port"

    def create(self) -> None:
        """Make it, for this user only, and hidden from git.

        Raises:
            OSError: The folder cannot be made.
            SandboxError: Airflow cannot use a folder of this name.
        """
        if confusing := sorted(set(str(self.path)) & set(_CONFUSING)):
            raise SandboxError(
                f"The sandbox cannot be in {self.path}: Airflow gives {' '.join(confusing)} in a"
                " path another meaning. Rename the folder."
            )
        self.make()
        for folder in (self.dags, self.path / "logs"):
            folder.mkdir(exist_ok=True)

    def make(self) -> None:
        """Make the folder alone, for this user only, and hidden from git.

        Raises:
            OSError: It cannot be made.
        """
        self.path.mkdir(mode=0o700, exist_ok=True)
        self.path.chmod(0o700)
        (self.path / ".gitignore").write_text("*\n")

    def lock(self, say: Callable[[str], None]) -> AbstractContextManager[None]:
        """Keep other commands from starting or stopping the sandbox meanwhile."""
        return locked(
            self.path / "lock",
            lambda: say("Waiting for another command that starts or stops the sandbox."),
        )

    def airflow_home(self, version: str) -> Path:
        """Return the folder of an Airflow: another version could not read its database."""
        return self.path / f"airflow-{version}"

    def create_airflow_home(self, version: str) -> None:
        """Make the folder of an Airflow, for this user only, with secrets of its own."""
        home = self.airflow_home(version)
        home.mkdir(mode=0o700, exist_ok=True)
        home.chmod(0o700)
        if not self.keys_file(version).exists():
            write_private(self.keys_file(version), Keys())

    def log(self, name: str) -> Path:
        """Return the file of a service's output."""
        return self.path / "logs" / f"{name}.log"

    def new_log(self, name: str) -> IO[bytes]:
        """Open an empty file for a service's output; the one of the last start is kept."""
        log = self.log(name)
        if log.exists():
            log.replace(log.with_name(f"{log.name}.1"))
        log.touch(mode=0o600)
        return log.open("ab")

    def keys_file(self, version: str) -> Path:
        """Return the file with the secrets of an Airflow, which last as long as its database."""
        return self.airflow_home(version) / "keys.json"

    def read_keys(self, version: str) -> Keys:
        """Return the secrets of an Airflow that was started.

        Raises:
            SandboxError: They are not there, or cannot be read.
        """
        file = self.keys_file(version)
        try:
            return Keys.model_validate_json(file.read_bytes())
        except (OSError, ValueError) as error:
            raise SandboxError(
                f"The log-in of the sandbox's Airflow {version} is not in {file} any more"
                f" ({_reason(error)}). Stop it with kedro airflow-k8s sandbox down, delete the file"
                " if it is there, then start it again with up."
            ) from None

    def read_state(self) -> SandboxState | None:
        """Return what was started and not stopped.

        Raises:
            SandboxError: The file cannot be read, or was changed.
        """
        try:
            state = SandboxState.model_validate_json(self.state_file.read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise SandboxError(
                f"{self.state_file} cannot be read ({_reason(error)}). Stop the sandbox with kedro"
                " airflow-k8s sandbox down, then start it again with up."
            ) from None
        # A project that was copied or moved has no sandbox of its own yet.
        return state if state.spec.project == self.project else None

    def write_state(self, state: SandboxState) -> None:
        """Record what was started."""
        write_private(self.state_file, state)
        self.port_file.write_text(f"{state.port}\n")

    def last_port(self) -> int | None:
        """Return the port of the last start, so that the address stays the same; None if none."""
        try:
            return int(self.port_file.read_text())
        except (OSError, ValueError):
            return None

    def is_running(self, state: SandboxState) -> bool:
        """Return whether any of the services runs."""
        return any(runs(pid, self.path) for pid in state.services.values())

    def clear(self, state: SandboxState | None) -> None:
        """Delete what is of no use once nothing runs: DAG files, Airflow's records, logs stay."""
        for folder in (self.cluster, self.path / "images"):
            discard(folder)
        if state is not None:
            discard(state.temporary)
        self.kubeconfig.unlink(missing_ok=True)
        self.state_file.unlink(missing_ok=True)


def write_private(file: Path, content: BaseModel) -> None:
    """Write JSON to a file that only the user can read, whole or not at all."""
    with atomic_write(file, 0o600) as new:
        new.write(content.model_dump_json(indent=2).encode())


def _reason(error: OSError | ValueError) -> str:
    """Return why a file cannot be read, without its content, which may be secret."""
    return error.strerror or str(error) if isinstance(error, OSError) else "the file was changed"
