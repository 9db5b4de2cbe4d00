"""Real Airflow servers for tests: those of `sandbox up`, each with a project of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from kedro_airflow_k8s.airflow_api import AirflowClient, connect
from kedro_airflow_k8s.config.model import AirflowTls
from kedro_airflow_k8s.sandbox.folder import SandboxFolder
from kedro_airflow_k8s.sandbox.up import find_sandbox, stop_sandbox
from tests.e2e.server_project import POLICY, make_server_project
from tests.support.airflow_environments import AIRFLOW_PYTHONS
from tests.support.waiting import WAIT_SECONDS

SETTINGS = {
    # Airflow shows a tag at once, but stores the DAG that comes with it so much later; of 30
    # seconds, tests need not wait for all.
    "AIRFLOW__CORE__MIN_SERIALIZED_DAG_UPDATE_INTERVAL": "5",
    "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.2",
}
# The command has no option for settings of Airflow, and needs none.
START = """
import json, sys
from pathlib import Path
from kedro.framework.startup import bootstrap_project
from kedro_airflow_k8s.project.reader import KedroProject
from kedro_airflow_k8s.sandbox.up import start_sandbox

project = KedroProject(bootstrap_project(Path.cwd()))
python, settings, secrets = Path(sys.argv[1]), json.loads(sys.argv[2]), [*map(Path, sys.argv[3:])]
start_sandbox(
    project,
    airflow_python=python,
    secrets=secrets[0] if secrets else None,
    extra_environment=settings,
    say=print,
)
"""


@dataclass(frozen=True)
class AirflowServer:
    """A running Airflow.

    Attributes:
        major: 2 or 3.
        url: Its base address.
        username: A user who may do everything.
        password: That user's.
        dags: The folder that Airflow reads its DAGs from.
        project: The Kedro project that it belongs to.
    """

    major: int
    url: str
    username: str
    password: str = field(repr=False)
    dags: Path
    project: Path

    def client(self, url: str | None = None, **variables: str) -> AirflowClient:
        """A connection, with the user's credentials unless variables name others.

        Args:
            url: Another address, such as that of a proxy before the server.
            variables: The environment variables to take the credentials from.
        """
        known = {"AIRFLOW_API_USERNAME": self.username, "AIRFLOW_API_PASSWORD": self.password}
        environ = variables or known
        return connect(url or self.url, None, AirflowTls(), environ=environ, warn=print)


@pytest.fixture(name="server", scope="module", params=AIRFLOW_PYTHONS)
def server_fixture(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[AirflowServer]:
    """A server of each version for all tests of a file: idle ones would slow the others down."""
    with running_airflow(request.param, tmp_path_factory.mktemp("airflow") / "shop") as server:
        yield server


@contextmanager
def running_airflow(
    python: Path, folder: Path, settings: Mapping[str, str] = SETTINGS
) -> Iterator[AirflowServer]:
    """Runs Airflow for a new project until the block ends; enters when it is ready.

    Args:
        python: The interpreter that has Airflow.
        folder: The project's folder, which is made.
        settings: Airflow's, in place of the sandbox's.
    """
    project = make_server_project(folder)
    version = airflow_version(python)
    policy = SandboxFolder(folder).airflow_home(version) / "config/airflow_local_settings.py"
    policy.parent.mkdir(parents=True)
    policy.write_text(POLICY)
    command = [sys.executable, "-c", START, str(python), json.dumps(settings)]
    try:
        started = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, check=False, timeout=WAIT_SECONDS
        )
        if started.returncode:
            raise RuntimeError(started.stdout + started.stderr)
        found = find_sandbox(folder)
        assert found is not None
        for env in ("local", "form", "volume", "waits"):
            file = folder / f"conf/{env}/airflow-k8s.yaml"
            special = file.read_text() if file.exists() else ""
            project.config(f"host: {found.host}\noutput: {found.output}\n{special}", env=env)
        yield AirflowServer(
            major=int(version.partition(".")[0]),
            url=found.host,
            username=found.username,
            password=found.password,
            dags=found.output,
            project=folder,
        )
    finally:
        stop_sandbox(folder, print)


def airflow_version(python: Path) -> str:
    """The version of Airflow that an interpreter has."""
    code = "from importlib.metadata import version; print(version('apache-airflow'))"
    return subprocess.check_output([str(python), "-c", code], text=True).strip()


def clear_request(run_id: str, task_id: str, *, downstream: bool) -> dict[str, Any]:
    """What Airflow's page sends to clear a task of a run, perhaps with those after it."""
    return {
        "dry_run": False,
        "dag_run_id": run_id,
        "task_ids": [task_id],
        "only_failed": False,
        "include_downstream": downstream,
        "reset_dag_runs": True,
    }
