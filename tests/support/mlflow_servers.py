"""A real MLflow server, as `mlflow server` starts it, and what its REST API says of it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.support.storage_servers import free_port
from tests.support.waiting import WAIT_SECONDS

_MLFLOW = os.environ.get("MLFLOW_PYTHON")

MLFLOW_PYTHON = Path(_MLFLOW or ".")
"""The Python that has kedro-mlflow, MLflow and the plugin."""

needs_mlflow = pytest.mark.skipif(
    not _MLFLOW, reason="MLFLOW_PYTHON names no Python with kedro-mlflow"
)

ADMIN, PASSWORD = "admin", "pässword of: an admin"
"""Who may do everything on a server that wants credentials."""

NAME_IN_CLUSTER = "mlflow.team.svc.cluster.local:5000"
"""By which the server of all tests is also known."""

STOP_SECONDS = 30
"""Until a server that does not end by itself is killed."""


@dataclass(frozen=True)
class MlflowServer:
    """A running server, and the client of someone who looks at it.

    Attributes:
        url: Its address.
        folder: Where its database and its log are.
        auth: With which the client calls it.
    """

    url: str
    folder: Path
    auth: Any = field(default=None, repr=False)

    def call(self, method: str, path: str, **values: Any) -> dict[str, Any]:
        """What the REST API answers to a request that it takes."""
        place: Any = {"params": values} if method == "GET" else {"json": values}
        with requests.Session() as session:
            # Not by a proxy of the machine, and with no password of its .netrc.
            session.trust_env = False
            answer = session.request(
                method,
                f"{self.url}/api/2.0/mlflow/{path}",
                auth=self.auth,
                timeout=WAIT_SECONDS,
                **place,
            )
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def create_experiment(self, name: str) -> str:
        """Make an experiment, and give its id."""
        return str(self.call("POST", "experiments/create", name=name)["experiment_id"])

    def delete_experiment(self, experiment_id: str) -> None:
        """Delete an experiment, as its page does: it can be restored."""
        self.call("POST", "experiments/delete", experiment_id=experiment_id)

    def experiment(self, name: str) -> dict[str, Any]:
        """An experiment by its name."""
        found = self.call("GET", "experiments/get-by-name", experiment_name=name)
        experiment: dict[str, Any] = found["experiment"]
        return experiment

    def experiments(self) -> list[str]:
        """The names of those that are not deleted."""
        found = self.call("POST", "experiments/search", max_results=1000)
        return [experiment["name"] for experiment in found["experiments"]]

    def create_run(self, experiment_id: str, name: str = "a run") -> str:
        """Start a run, and give its id."""
        made = self.call(
            "POST", "runs/create", experiment_id=experiment_id, run_name=name, start_time=1
        )
        return str(made["run"]["info"]["run_id"])

    def delete_run(self, run_id: str) -> None:
        """Delete a run, as its page does."""
        self.call("POST", "runs/delete", run_id=run_id)

    def run(self, run_id: str) -> MlflowRecord:
        """A run."""
        return MlflowRecord(self.call("GET", "runs/get", run_id=run_id)["run"])

    def runs(self, experiment: str) -> list[MlflowRecord]:
        """The runs of an experiment that are not deleted, the oldest first."""
        found = self.call(
            "POST",
            "runs/search",
            experiment_ids=[self.experiment(experiment)["experiment_id"]],
            order_by=["attributes.start_time ASC"],
        )
        return [MlflowRecord(run) for run in found.get("runs", ())]


@dataclass(frozen=True)
class MlflowRecord:
    """A run as the REST API tells it."""

    content: Mapping[str, Any]

    @property
    def id(self) -> str:
        return str(self.content["info"]["run_id"])

    @property
    def name(self) -> str:
        return str(self.content["info"]["run_name"])

    @property
    def status(self) -> str:
        return str(self.content["info"]["status"])

    @property
    def experiment_id(self) -> str:
        return str(self.content["info"]["experiment_id"])

    @property
    def end_time(self) -> int | None:
        """In milliseconds."""
        found: int | None = self.content["info"].get("end_time")
        return found

    @property
    def tags(self) -> dict[str, str]:
        return self._entries("tags")

    @property
    def params(self) -> dict[str, str]:
        return self._entries("params")

    @property
    def metrics(self) -> dict[str, float]:
        return self._entries("metrics")

    def _entries(self, kind: str) -> dict[str, Any]:
        return {entry["key"]: entry["value"] for entry in self.content["data"].get(kind, ())}


@contextmanager
def mlflow_server(
    folder: Path,
    *,
    basic_auth: bool = False,
    allowed_hosts: str | None = None,
    host: str = "127.0.0.1",
) -> Iterator[MlflowServer]:
    """Runs `mlflow server` until the block ends; enters when it answers.

    Args:
        folder: For its database, its artifacts and its log.
        basic_auth: Whether it requires the name and the password of ADMIN.
        allowed_hosts: By what names it knows itself; None for those it knows anyway.
        host: By which name or address it is called; other machines see it by another than this.
    """
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port()
    url = f"http://{host}:{port}"
    command = [str(MLFLOW_PYTHON), "-m", "mlflow", "server", "--host", _listening(host)]
    command += ["--port", str(port), "--workers", "1"]
    command += ["--backend-store-uri", f"sqlite:///{folder}/mlflow.db"]
    command += ["--artifacts-destination", str(folder / "artifacts")]
    if basic_auth:
        command += ["--app-name", "basic-auth"]
    if allowed_hosts:
        command += ["--allowed-hosts", allowed_hosts]
    (folder / "auth.ini").write_text(
        "[mlflow]\ndefault_permission = READ\n"
        f"database_uri = sqlite:///{folder}/auth.db\nadmin_username = {ADMIN}\n"
        "authorization_function = mlflow.server.auth:authenticate_request_basic_auth\n"
    )
    with (folder / "server.log").open("w") as log:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=_environment(folder),
            stdout=log,
            stderr=subprocess.STDOUT,
            # All that it starts is ended with it.
            start_new_session=True,
        )
    try:
        _wait(process, url, folder / "server.log")
        yield MlflowServer(url, folder, (ADMIN.encode(), PASSWORD.encode()) if basic_auth else None)
    finally:
        _stop(process)


def _listening(host: str) -> str:
    """Where to listen: at an address of this machine, or at all if what is called is none."""
    try:
        with socket.create_server((host, 0)):
            return host
    except OSError:
        return "0.0.0.0"


def _environment(folder: Path) -> dict[str, str]:
    """Variables for a server that does not use settings of this machine's user."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("MLFLOW", "PYTHONPATH", "PYTHONHOME"))
    }
    return {
        **kept,
        "HOME": str(folder),
        # Those for jobs are five processes more, which a tracking server has no need of.
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_AUTH_CONFIG_PATH": str(folder / "auth.ini"),
        "MLFLOW_AUTH_ADMIN_PASSWORD": PASSWORD,
        "MLFLOW_FLASK_SERVER_SECRET_KEY": "a key of the tests",
    }


def _wait(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    with requests.Session() as session:
        session.trust_env = False
        while True:
            with suppress(requests.RequestException):
                if session.get(f"{url}/health", timeout=10).ok:
                    return
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"mlflow server did not start: {log.read_text()[-3000:]}")
            time.sleep(0.1)  # between two looks at the server, not for a test to pass


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End the server and all that it has started."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        process.wait(STOP_SECONDS)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@pytest.fixture(name="mlflow_server", scope="session")
def mlflow_server_fixture(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MlflowServer]:
    """A server for all tests of a process: each has experiments of its own."""
    hosts = f"{NAME_IN_CLUSTER},127.0.0.1:*"
    with mlflow_server(tmp_path_factory.mktemp("mlflow"), allowed_hosts=hosts) as server:
        yield server
