"""A small Kedro project with a sandbox, and what runs for it on this machine, for tests."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psutil
import requests

from kedro_airflow_k8s.sandbox.up import Sandbox, find_sandbox
from tests.support.airflow_servers import clear_request
from tests.support.kedro_projects import ProjectFolder, make_project
from tests.support.waiting import WAIT_SECONDS

CONFIG = """
run_config:
  image: shop:1.0
  startup_time: 120
"""
COUNTING = """
from kedro.pipeline import Pipeline, node

def make():
    return [1, 2, 3]

def add(numbers):
    print("THE TOTAL IS", sum(numbers), flush=True)

def create_pipeline():
    return Pipeline([
        node(make, None, "numbers", name="make"),
        node(add, "numbers", None, name="add"),
    ])
"""
START = """
import sys
from pathlib import Path
from kedro.framework.startup import bootstrap_project
from kedro_airflow_k8s.errors import SandboxError
from kedro_airflow_k8s.project.reader import KedroProject
from kedro_airflow_k8s.sandbox.up import start_sandbox

project = KedroProject(bootstrap_project(Path.cwd()))
settings = dict(setting.split("=", 1) for setting in sys.argv[2:])
try:
    start_sandbox(
        project, airflow_python=Path(sys.argv[1]), extra_environment=settings, say=print
    )
except SandboxError as error:
    print(error)
    sys.exit(1)
"""


def make_counting_project(path: Path) -> ProjectFolder:
    """A project of one pipeline, `counting`, whose two nodes hand a list over."""
    project = make_project(path)
    project.pipeline("counting", COUNTING)
    project.config(CONFIG)
    project.write(
        "conf/base/catalog.yml",
        "numbers: {type: json.JSONDataset, filepath: data/02_intermediate/numbers.json}\n",
    )
    return project


def command(*arguments: str | Path) -> list[str | Path]:
    """A command of the plugin."""
    return [sys.executable, "-m", "kedro", "airflow-k8s", *arguments]


def options(project: ProjectFolder) -> dict[str, Any]:
    """How a command of the project is started."""
    return {
        "cwd": project.path,
        "env": {
            **{k: v for k, v in os.environ.items() if not k.startswith(("AIRFLOW", "KEDRO"))},
            "KEDRO_DISABLE_TELEMETRY": "1",
            "DO_NOT_TRACK": "1",
            "COLUMNS": "200",
        },
        "stdin": subprocess.DEVNULL,
        "stdout": subprocess.PIPE,
        "stderr": subprocess.STDOUT,
        "text": True,
    }


def call(project: ProjectFolder, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Call the plugin as a person does."""
    return subprocess.run(command(*arguments), check=False, **options(project))


def start_with(
    project: ProjectFolder, python: str = sys.executable, **settings: str
) -> subprocess.CompletedProcess[str]:
    """Start the sandbox with settings of Airflow of one's own."""
    given = [f"{name}={value}" for name, value in settings.items()]
    start = [sys.executable, "-c", START, python, *given]
    return subprocess.run(start, check=False, **options(project))


def sandbox_of(project: ProjectFolder) -> Sandbox:
    """The sandbox that was started."""
    found = find_sandbox(project.path)
    assert found is not None
    return found


@dataclass(frozen=True)
class Rest:
    """Airflow's API without any of the plugin's code."""

    sandbox: Sandbox

    def get(self, path: str, password: str | None = None) -> requests.Response:
        """Ask with the user's name and password."""
        return self.ask("GET", path, password=password)

    def ask(
        self, method: str, path: str, body: Any = None, password: str | None = None
    ) -> requests.Response:
        """Send a request with the user's name and password."""
        user = self.sandbox.username, password or self.sandbox.password
        if self.sandbox.state.version.startswith("2."):
            url = f"{self.sandbox.host}/api/v1/{path}"
            return requests.request(method, url, json=body, auth=user, timeout=WAIT_SECONDS)
        log_in = dict(zip(("username", "password"), user, strict=True))
        answer = requests.post(f"{self.sandbox.host}/auth/token", json=log_in, timeout=WAIT_SECONDS)
        if not answer.ok:
            return answer
        token = {"Authorization": f"Bearer {answer.json()['access_token']}"}
        url = f"{self.sandbox.host}/api/v2/{path}"
        return requests.request(method, url, json=body, headers=token, timeout=WAIT_SECONDS)

    def signs_in(self, password: str) -> bool:
        """Try to log in as the web page does."""
        user = {"username": self.sandbox.username, "password": password}
        with requests.Session() as session:
            if not self.sandbox.state.version.startswith("2."):
                return session.post(
                    f"{self.sandbox.host}/auth/token", json=user, timeout=WAIT_SECONDS
                ).ok
            url = f"{self.sandbox.host}/login/"
            form = session.get(url, timeout=WAIT_SECONDS).text
            found = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', form)
            assert found, form
            answer = session.post(url, data={**user, "csrf_token": found[1]}, timeout=WAIT_SECONDS)
            return answer.url == f"{self.sandbox.host}/home"

    def states(self, dag_id: str) -> dict[str, str]:
        """The state of each run of a DAG."""
        runs = self.get(f"dags/{dag_id}/dagRuns").json()["dag_runs"]
        return {run["dag_run_id"]: run["state"] for run in runs}

    def task_states(self, dag_id: str, run_id: str) -> dict[str, str]:
        """The state of each task of a run."""
        path = f"dags/{dag_id}/dagRuns/{quote(run_id, safe='')}/taskInstances"
        return {task["task_id"]: task["state"] for task in self.get(path).json()["task_instances"]}

    def clear(self, dag_id: str, run_id: str, task_id: str, *, downstream: bool = False) -> None:
        """Clear a task of a run, as on Airflow's page, perhaps with those after it."""
        body = clear_request(run_id, task_id, downstream=downstream)
        assert self.ask("POST", f"dags/{dag_id}/clearTaskInstances", body).ok

    def log(self, dag_id: str, run_id: str, task_id: str, attempt: int = 1) -> str:
        """What a task has said."""
        run = f"dags/{dag_id}/dagRuns/{quote(run_id, safe='')}"
        return self.get(f"{run}/taskInstances/{task_id}/logs/{attempt}").text


def processes_of(sandbox: Sandbox) -> set[psutil.Process]:
    """All processes of a sandbox: its services, and what they have started."""
    services = {psutil.Process(service.pid) for service in sandbox.services}
    return services.union(*(service.children(recursive=True) for service in services))


def alive(processes: set[psutil.Process]) -> set[psutil.Process]:
    """Those that still run."""
    return {p for p in processes if p.is_running() and p.status() != psutil.STATUS_ZOMBIE}


def left_of(folder: Path) -> list[str]:
    """The processes of this machine that work for a sandbox in a folder, in whichever way."""
    marker = str(folder / ".airflow-sandbox")
    found = []
    for process in psutil.process_iter():
        try:
            told = [*process.cmdline(), process.cwd(), *process.environ().values()]
        except psutil.Error:
            continue  # It has ended, or is another user's.
        if any(marker in text for text in told) and process.status() != psutil.STATUS_ZOMBIE:
            found.append(" ".join(process.cmdline()))
    return found
