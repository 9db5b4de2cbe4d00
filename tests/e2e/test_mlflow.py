"""A DAG run is one MLflow run, with the truth in its status, on real Airflow and real MLflow."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from kedro_airflow_k8s.airflow_api import AirflowClient, connect
from kedro_airflow_k8s.config import AirflowTls
from kedro_airflow_k8s.sandbox.services import find_sandbox, stop_sandbox
from kedro_airflow_k8s.task_state import ENDS
from tests.airflow_environments import AIRFLOW_PYTHONS, EXAMPLES
from tests.airflow_servers import SETTINGS, START, wait_until
from tests.mlflow_servers import MLFLOW_PYTHON, MlflowServer, mlflow_server, needs_mlflow

pytestmark = needs_mlflow

MODULE = "src/coffee/pipelines/{name}/__init__.py"
PARALLEL = """
import os
import time
from pathlib import Path

from kedro.pipeline import Node, Pipeline

PID = Path({folder!r}, "failed.pid")

def fail(days):
    PID.write_text(str(os.getpid()))
    raise ValueError("no coffee today")

def end_later(days):
    # When the pod of the other node is gone, and has told MLflow what it thinks.
    while not PID.exists() or Path("/proc", PID.read_text()).exists():
        time.sleep(0.1)
    return 1.5

def create_pipeline():
    return Pipeline([
        Node(fail, "params:days", "nothing", name="fail"),
        Node(end_later, "params:seed", "late_error", name="end_later"),
        Node(lambda *_: None, ["nothing", "late_error"], "end", name="after"),
    ])
"""
ENDLESS = """
import time

from kedro.pipeline import Node, Pipeline

def wait_for_ever(days):
    time.sleep(100_000)

def create_pipeline():
    return Pipeline([Node(wait_for_ever, "params:days", "nothing", name="wait_for_ever")])
"""


@dataclass(frozen=True)
class Coffee:
    """The example in the sandbox of an Airflow, and its commands.

    Attributes:
        project: Its folder.
        client: The connection to Airflow.
        mlflow: The server that it logs to.
    """

    project: Path
    client: AirflowClient
    mlflow: MlflowServer

    def run_once(
        self, *arguments: str, mlflow: str | None = None, wait: bool = True
    ) -> subprocess.CompletedProcess[str]:
        """Call `run-once`, and wait for the end of the run."""
        command = ["airflow-k8s", "run-once", "--sandbox", *arguments]
        return subprocess.run(
            [MLFLOW_PYTHON, "-m", "kedro", *command, *(["-w", "10"] if wait else [])],
            cwd=self.project,
            env=environment(mlflow or self.mlflow.url),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )

    def states(self, dag_id: str, run_id: str) -> dict[str, str | None]:
        """How the tasks of a run stand."""
        return {name: task.state for name, task in self.client.task_states(dag_id, run_id).items()}

    def wait_for_end(self, dag_id: str, run_id: str) -> None:
        """Wait until the MLflow run of a run was ended."""
        wait_until(
            lambda: self.states(dag_id, run_id).get("end_mlflow_run") in ENDS,
            f"the MLflow run of {run_id} is ended",
        )


def environment(mlflow: str) -> dict[str, str]:
    return {
        **{
            k: v for k, v in os.environ.items() if not k.startswith(("AIRFLOW", "KEDRO_", "MLFLOW"))
        },
        "KEDRO_CONFIG_MLFLOW_URI": mlflow,
        "KEDRO_DISABLE_TELEMETRY": "1",
        "DO_NOT_TRACK": "1",
        "COLUMNS": "200",
    }


def copy_of_example(folder: Path) -> Path:
    project = Path(
        shutil.copytree(
            EXAMPLES / "mlflow", folder, ignore=shutil.ignore_patterns("__pycache__", "dags")
        )
    )
    for name, text in (
        ("parallel", PARALLEL.replace("{folder!r}", repr(str(folder)))),
        ("endless", ENDLESS),
    ):
        module = project / MODULE.format(name=name)
        module.parent.mkdir()
        module.write_text(text)
    registry = project / "src/coffee/pipeline_registry.py"
    registry.write_text(
        registry.read_text().replace(
            "sum(pipelines.values(), start=Pipeline([]))",
            # Kedro registers only what is asked for.
            'pipelines.get("sales", Pipeline([]))',
        )
    )
    return project


@contextmanager
def coffee_in(python: Path, folder: Path, mlflow: MlflowServer) -> Iterator[Coffee]:
    """Runs the example's sandbox until the block ends."""
    project = copy_of_example(folder)
    try:
        started = subprocess.run(
            [MLFLOW_PYTHON, "-c", START, python, json.dumps(SETTINGS)],
            cwd=project,
            env=environment(mlflow.url),
            capture_output=True,
            text=True,
            check=False,
            timeout=600,
        )
        assert started.returncode == 0, started.stdout + started.stderr
        found = find_sandbox(project)
        assert found is not None
        credentials = {
            "AIRFLOW_API_USERNAME": found.username,
            "AIRFLOW_API_PASSWORD": found.password,
        }
        client = connect(found.host, None, AirflowTls(), environ=credentials, warn=print)
        yield Coffee(project, client, mlflow)
    finally:
        stop_sandbox(project, print)


@pytest.fixture(scope="module", params=AIRFLOW_PYTHONS)
def coffee(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Coffee]:
    """The example in the sandbox, on each Airflow, with an MLflow server that nobody has used."""
    folder = tmp_path_factory.mktemp("coffee")
    with (
        mlflow_server(folder / "mlflow") as server,
        coffee_in(request.param, folder / "project", server) as found,
    ):
        yield found


def started(done: subprocess.CompletedProcess[str]) -> str:
    """The id of the run that run-once has started."""
    found = re.search(r"^Started run (\S+):", done.stdout, re.MULTILINE)
    assert found is not None, done.stdout
    return found[1]


def of_run(server: MlflowServer, run_id: str) -> dict[str, object]:
    """What MLflow knows of a DAG run: there is one run of it."""
    (found,) = (run for run in server.runs("Coffee") if run.tags["airflow.run_id"] == run_id)
    return {
        "status": found.status,
        "name": found.name,
        "params": found.params,
        "metrics": found.metrics,
        "tags": found.tags,
        "id": found.id,
    }


# First: nothing must have been logged to the server before.
def test_two_runs_at_one_moment_on_a_fresh_server_share_the_experiment_only(
    coffee: Coffee,
) -> None:
    with ThreadPoolExecutor() as pool:
        both = list(pool.map(lambda name: coffee.run_once("-d", name), ("first", "second")))
    for dag_id, done in zip(("first", "second"), both, strict=True):
        assert done.returncode == 0, done.stdout
        found = of_run(coffee.mlflow, started(done))
        assert found["status"] == "FINISHED"
        assert found["name"] == f"{dag_id} {started(done)}"
    assert sorted(coffee.mlflow.experiments()) == ["Coffee", "Default"]


def test_all_pods_log_to_one_run_and_it_is_finished(coffee: Coffee) -> None:
    done = coffee.run_once()
    assert done.returncode == 0, done.stdout
    run_id = started(done)

    found = of_run(coffee.mlflow, run_id)
    assert found["status"] == "FINISHED"
    # Of three pods.
    assert found["params"] == {
        "days": "200",
        "seed": "7",
        "line": "{'proportional': False}",
        "average": "{'days': 30}",
    }
    metrics = found["metrics"]
    assert isinstance(metrics, dict)
    assert set(metrics) == {"line_error", "average_error"}
    assert metrics["line_error"] < metrics["average_error"]
    tags = found["tags"]
    assert isinstance(tags, dict)
    assert tags["airflow.dag_id"] == "coffee"
    assert tags["airflow.url"] == coffee.client.run_url("coffee", run_id)
    assert tags["kedro.image"] == "registry.example.com/coffee:1.0"
    artifacts = coffee.mlflow.call("GET", "artifacts/list", run_id=found["id"])
    assert [file["path"] for file in artifacts["files"]] == ["chosen.json"]
    assert {*coffee.states("coffee", run_id).values()} == {"success"}


def test_a_node_that_fails_makes_the_run_failed_though_another_ends_later_and_well(
    coffee: Coffee,
) -> None:
    done = coffee.run_once("-p", "parallel")
    assert done.returncode == 1, done.stdout
    assert "no coffee today" in done.stdout

    found = of_run(coffee.mlflow, started(done))
    assert found["status"] == "FAILED"
    assert found["metrics"] == {"late_error": 1.5}
    states = coffee.states("coffee.parallel", started(done))
    assert states["end_later"] == "success"
    assert states["all_succeeded"] == "upstream_failed"


def test_a_run_that_is_ended_by_hand_is_killed_in_mlflow_too(coffee: Coffee) -> None:
    done = coffee.run_once("-p", "endless", wait=False)
    run_id = started(done)
    wait_until(
        lambda: coffee.states("coffee.endless", run_id).get("wait_for_ever") == "running",
        "the node runs",
    )
    wait_until(lambda: "days" in of_run_params(coffee, run_id), "the pod logs to MLflow")

    # The only task of Kedro: none waits behind it.
    coffee.client.fail_run("coffee.endless", run_id)

    coffee.wait_for_end("coffee.endless", run_id)
    assert of_run(coffee.mlflow, run_id)["status"] == "KILLED"


def of_run_params(coffee: Coffee, run_id: str) -> dict[str, str]:
    found = [r for r in coffee.mlflow.runs("Coffee") if r.tags["airflow.run_id"] == run_id]
    return found[0].params if found else {}


def test_a_deleted_experiment_is_restored(coffee: Coffee) -> None:
    experiment = coffee.mlflow.experiment("Coffee")["experiment_id"]
    coffee.mlflow.delete_experiment(experiment)

    done = coffee.run_once()

    assert done.returncode == 0, done.stdout
    found = coffee.mlflow.experiment("Coffee")
    assert (found["experiment_id"], found["lifecycle_stage"]) == (experiment, "active")
    assert of_run(coffee.mlflow, started(done))["status"] == "FINISHED"
