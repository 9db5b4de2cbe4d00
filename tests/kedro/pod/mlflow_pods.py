"""Pods of a DAG run that is an MLflow run: Kedro with kedro-mlflow, as the DAG starts it."""

from __future__ import annotations

import itertools
import subprocess
from dataclasses import dataclass
from pathlib import Path

from kedro_airflow_k8s.pod.environment import CONTRACT, CONTRACT_VARIABLE
from tests.kedro.pod.kedro_processes import pod_environment
from tests.support.kedro_projects import ProjectFolder, make_project
from tests.support.mlflow_servers import MLFLOW_PYTHON, MlflowRecord, MlflowServer
from tests.support.waiting import WAIT_SECONDS

NAME = "letters it's run-1 ż"

NODES = """
import signal, sys, time
from pathlib import Path

import mlflow
from kedro.pipeline import Pipeline, node

def train(depth):
    mlflow.log_metric("loss", 0.25)
    mlflow.set_tag("trained", "yes")

def report(depth, text):
    Path("report.txt").write_text(text)
    mlflow.log_artifact("report.txt")
    return 0.75

def fail(depth):
    raise ValueError("no prices today")

def wait(depth):
    print("IT RUNS", flush=True)
    time.sleep(600)

def hold(depth):
    print("IT RUNS", flush=True)
    while not Path("go on").exists():
        time.sleep(0.05)
    if Path("go on").read_text():
        raise ValueError("no prices today")

def nested(depth):
    with mlflow.start_run(nested=True, run_name="inner"):
        mlflow.log_metric("inner", 1)

def nested_failure(depth):
    with mlflow.start_run(nested=True, run_name="inner"):
        raise ValueError("inner")

def another(depth):
    experiment = mlflow.active_run().info.experiment_id
    client = mlflow.MlflowClient()
    run = client.create_run(experiment, run_name="another")
    client.set_terminated(run.info.run_id, "FAILED")

def own(depth):
    while mlflow.active_run():
        mlflow.end_run()
    with mlflow.start_run(run_name="own"):
        mlflow.log_metric("own", 1)

def fit(depth):
    from sklearn.linear_model import LinearRegression
    mlflow.sklearn.autolog(log_models=False, log_datasets=False)
    LinearRegression().fit([[0.0], [1.0]], [0.0, 1.0])

def first(depth):
    mlflow.log_metric("first", 1)

def second(depth):
    mlflow.log_metric("second", 2)

def register_pipelines():
    alone = (train, fail, wait, hold, nested, nested_failure, another, own, fit)
    return {
        "__default__": Pipeline([
            node(report, ["params:depth", "params:text"], "score", name="report"),
            *(node(f, "params:depth", None, name=f.__name__) for f in alone),
        ]),
        "pair": Pipeline([
            node(f, "params:depth", None, name=f.__name__) for f in (first, second)
        ]),
    }
"""
CATALOG = "score: {type: kedro_mlflow.io.metrics.MlflowMetricDataset, key: score}\n"

_numbers = itertools.count(1)


@dataclass(frozen=True)
class Pods:
    """A project in an image, and the MLflow run that its DAG run is.

    Attributes:
        project: The project.
        server: Where it logs to.
        experiment: The name of the experiment.
        run_id: The id of the MLflow run.
    """

    project: ProjectFolder
    server: MlflowServer
    experiment: str
    run_id: str

    @property
    def run(self) -> MlflowRecord:
        """What MLflow has of the run."""
        return self.server.run(self.run_id)

    def others(self) -> list[MlflowRecord]:
        """The other runs of the experiment."""
        return [run for run in self.server.runs(self.experiment) if run.id != self.run_id]

    @property
    def variables(self) -> dict[str, str]:
        """What the DAG gives to a pod."""
        return {
            CONTRACT_VARIABLE: CONTRACT,
            "MLFLOW_TRACKING_URI": self.server.url,
            "MLFLOW_RUN_ID": self.run_id,
            "KEDRO_AIRFLOW_K8S_MLFLOW_RUN_NAME": NAME,
            "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
            "MLFLOW_DISABLE_TELEMETRY": "true",
            # Only for MLflow's hint that git is missing, which some machines have not.
            "GIT_PYTHON_REFRESH": "quiet",
        }

    def command(self, *arguments: str) -> list[str]:
        """How the DAG starts Kedro."""
        return [str(MLFLOW_PYTHON), "-m", "kedro_airflow_k8s.pod", "run", *arguments]

    def start(self, *arguments: str, **variables: str) -> subprocess.Popen[str]:
        """Start a pod."""
        return subprocess.Popen(
            self.command(*arguments),
            cwd=self.project.path,
            env=pod_environment({**self.variables, **variables}),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def held(self, *arguments: str, **variables: str) -> subprocess.Popen[str]:
        """Start a pod, and wait until its node holds."""
        process = self.start(*arguments, **variables)
        assert process.stdout is not None
        while process.stdout.readline() != "IT RUNS\n":
            assert process.poll() is None
        return process

    def execute(self, *arguments: str, **variables: str) -> str:
        """Run a pod to its end, which is a good one, and give what it prints."""
        return ended(self.start(*arguments, **variables))


def ended(process: subprocess.Popen[str], code: int = 0) -> str:
    """Wait for the end of a pod, and give what it prints."""
    try:
        output, _ = process.communicate(timeout=WAIT_SECONDS)
    finally:
        process.kill()
    assert process.returncode == code, output
    return output


def make_pods(folder: Path, server: MlflowServer, name: str = NAME) -> Pods:
    """A project that logs to an experiment of its own, and a run that Airflow has started."""
    project = make_project(folder)
    project.registry(NODES)
    project.write("conf/base/catalog.yml", CATALOG)
    project.write("conf/base/parameters.yml", "depth: 3\ntext: a report\n")
    experiment = f"pods {next(_numbers)}"
    project.write("conf/base/mlflow.yml", f"tracking:\n  experiment: {{name: {experiment}}}\n")
    run_id = server.create_run(server.create_experiment(experiment), name)
    return Pods(project, server, experiment, run_id)
