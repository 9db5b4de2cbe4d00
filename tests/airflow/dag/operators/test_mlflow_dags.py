"""The MLflow operators as tasks of real runs: what Airflow tells them, and what it keeps."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from kedro_airflow_k8s.sandbox.airflow import AirflowPython
from kedro_airflow_k8s.sandbox.run import SandboxAirflow
from tests.airflow.airflow_api.fault_proxy import FaultProxy
from tests.airflow.dag.operators.airflow_process import FOLDER, ROOT
from tests.airflow.dag.operators.mlflow_operators import new_experiment
from tests.support.mlflow_servers import MlflowRecord, MlflowServer, needs_mlflow

pytestmark = needs_mlflow

TOKEN = "t0ken-of-the-worker"
DAGS = ("fine", "failing", "missing_variables", "missing_connection")


@dataclass(frozen=True)
class Outcome:
    """How the runs ended.

    Attributes:
        runs: As run_dags.py says it, by the id of the DAG.
        experiment: Beginning of the names of the experiments.
        sent: Which credentials came with requests.
        home: Airflow's folder, with its database and the logs of tasks.
        output: What Airflow has printed.
    """

    runs: Mapping[str, Any]
    experiment: str
    sent: set[str | None]
    home: Path
    output: str


@pytest.fixture(scope="module", name="outcome")
def _outcome(
    airflow_python: Path, mlflow_server: MlflowServer, tmp_path_factory: pytest.TempPathFactory
) -> Outcome:
    home = tmp_path_factory.mktemp("mlflow-dags") / "airflow"
    airflow = SandboxAirflow(
        AirflowPython.at(airflow_python), home, home / "kubeconfig", "kubernetes_default"
    )
    airflow.create_database()
    shutil.copy(FOLDER / "mlflow_dags.py", airflow.dags)
    experiment = new_experiment()
    with FaultProxy(mlflow_server.url) as proxy:
        done = subprocess.run(
            [airflow_python, FOLDER / "run_dags.py", home / "result", *DAGS],
            env={
                **airflow.environment,
                "PYTHONPATH": str(ROOT),
                "MLFLOW_PROXY": proxy.url,
                "MLFLOW_EXPERIMENT": experiment,
                "AIRFLOW_VAR_MLFLOW_TRACKING_TOKEN": TOKEN,
            },
            cwd=home,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout
        sent = {request.headers.get("Authorization") for request in proxy.requests}
    runs = json.loads((home / "result").read_text())
    assert runs.pop("errors") == {}
    return Outcome(runs, experiment, sent, home, done.stdout)


def _run(outcome: Outcome, server: MlflowServer, dag_id: str) -> MlflowRecord:
    (run,) = server.runs(f"{outcome.experiment} {dag_id}")
    return run


def test_a_run_whose_tasks_succeed_is_finished(
    outcome: Outcome, mlflow_server: MlflowServer
) -> None:
    assert outcome.runs["fine"]["run"] == "success"
    assert set(outcome.runs["fine"]["tasks"].values()) == {"success"}
    run = _run(outcome, mlflow_server, "fine")
    assert run.status == "FINISHED"
    assert run.tags["airflow.dag_id"] == "fine"
    run_id = run.tags["airflow.run_id"]
    assert run_id.startswith("manual__")
    assert run.name == f"fine {run_id}"
    assert run.tags["airflow.logical_date"].startswith("20")
    assert run.tags["airflow.url"].startswith("http://localhost:8080/dags/fine/")
    assert "/tasks/" not in run.tags["airflow.url"]
    assert "task_id" not in run.tags["airflow.url"]


def test_a_run_of_which_a_task_fails_has_failed(
    outcome: Outcome, mlflow_server: MlflowServer
) -> None:
    assert outcome.runs["failing"] == {
        "run": "failed",
        "tasks": {
            "start_mlflow_run": "success",
            "log": "failed",
            "all_succeeded": "upstream_failed",
            "end_mlflow_run": "success",
        },
    }
    assert _run(outcome, mlflow_server, "failing").status == "FAILED"


@pytest.mark.parametrize(
    ("dag_id", "words"),
    [
        (
            "missing_variables",
            "Airflow variables MLFLOW_TRACKING_PASSWORD have neither user and password",
        ),
        ("missing_connection", "The conn_id `nowhere` isn't defined"),
    ],
)
def test_without_its_credentials_nothing_of_the_run_starts(
    outcome: Outcome, dag_id: str, words: str
) -> None:
    run = outcome.runs[dag_id]
    assert run["run"] == "failed"
    assert run["tasks"].pop("start_mlflow_run") == "failed"
    assert set(run["tasks"].values()) == {"upstream_failed"}
    assert words in outcome.output


def test_the_token_is_sent_and_airflow_keeps_nothing_of_it(outcome: Outcome) -> None:
    assert outcome.sent == {f"Bearer {TOKEN}"}
    assert TOKEN not in outcome.output
    files = [file for file in outcome.home.rglob("*") if file.is_file()]
    assert any(file.suffix == ".db" for file in files)
    assert [file for file in files if TOKEN.encode() in file.read_bytes()] == []
