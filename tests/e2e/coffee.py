"""The example that logs to MLflow, in the sandbox of a real Airflow, with pipelines of faults."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

from kedro_airflow_k8s.airflow_api import AirflowClient, connect
from kedro_airflow_k8s.airflow_api.records import ENDS
from kedro_airflow_k8s.config.model import AirflowTls
from kedro_airflow_k8s.sandbox.folder import SandboxFolder
from kedro_airflow_k8s.sandbox.up import find_sandbox, stop_sandbox
from tests.support.airflow_environments import EXAMPLES
from tests.support.airflow_servers import SETTINGS, START, airflow_version, clear_request
from tests.support.mlflow_servers import ADMIN, MLFLOW_PYTHON, PASSWORD, MlflowRecord, MlflowServer
from tests.support.waiting import WAIT_SECONDS, wait_until

EXPERIMENT = "Coffee"

_MODULE = "src/coffee/pipelines/{name}/__init__.py"
_QUICK = """
from kedro.pipeline import Node, Pipeline

def guess(days):
    return days / 100

def create_pipeline():
    return Pipeline([Node(guess, "params:days", "quick_error", name="guess")])
"""
_PARALLEL = """
import os
import time
from pathlib import Path

from kedro.pipeline import Node, Pipeline

PID = Path({pid!r})

def fail(days):
    PID.write_text(str(os.getpid()))
    raise ValueError("no coffee today")

def end_later(seed):
    # When the pod of the other node is gone, and has told MLflow what it thinks. Where Airflow runs
    # one task at a time, that one comes first: more nodes wait for it.
    while not PID.exists() or Path("/proc", PID.read_text()).exists():
        time.sleep(0.1)
    return 1.5

def create_pipeline():
    return Pipeline([
        Node(fail, "params:days", "early_error", name="fail"),
        Node(end_later, "params:seed", "late_error", name="end_later"),
        Node(lambda *_: 0.0, ["early_error", "late_error"], "last_error", name="after"),
        Node(lambda early: early, "early_error", "copied_error", name="after_fail"),
    ])
"""
_HELD = """
import time
from pathlib import Path

from kedro.pipeline import Node, Pipeline

def hold(days):
    while not Path({gate!r}).exists():
        time.sleep(0.1)

def create_pipeline():
    return Pipeline([Node(hold, "params:days", None, name="hold")])
"""
_CHAIN = """
from pathlib import Path

from kedro.pipeline import Node, Pipeline

def guess(days):
    return days / 100

def check(guessed):
    if not Path({gate!r}).exists():
        raise ValueError("no coffee today")
    return guessed / 2

def create_pipeline():
    return Pipeline([
        Node(guess, "params:days", "first_error", name="guess"),
        Node(check, "first_error", "second_error", name="check"),
        Node(lambda checked: checked / 2, "second_error", "third_error", name="settle"),
    ])
"""
# The pipelines of one layer hand nothing on, and each task of Airflow takes its time.
_SMALL = "run_config: {volume: {disabled: true}}\n"
_VISIBLE = "run_config: {grouping: {__default__: {by: pipeline, nodes: visible}}}\n"
_WITH_LOGIN = """
run_config:
  volume: {disabled: true}
  mlflow:
    authentication: vars
  secrets:
    - secret: mlflow-login
"""
_VARIABLES = {"MLFLOW_TRACKING_USERNAME": ADMIN, "MLFLOW_TRACKING_PASSWORD": PASSWORD}
_SECRET = {
    "apiVersion": "v1",
    "kind": "Secret",
    "metadata": {"name": "mlflow-login"},
    "stringData": _VARIABLES,
}
# Of how often and how long a server that is down is waited for, no more than there has to be.
_POLICY = """
import functools
from urllib3.util import Retry

def task_policy(task):
    if task.task_id in ("start_mlflow_run", "end_mlflow_run"):
        task.retries = 0
        # Each DAG file has classes and imports of its own.
        task.python_callable.__globals__["Retry"] = functools.partial(Retry, backoff_max=0.1)
"""


@dataclass(frozen=True)
class Done:
    """A run-once that has ended.

    Attributes:
        code: Its exit code.
        text: All it has written.
        dag_id: The DAG.
    """

    code: int
    text: str
    dag_id: str

    @property
    def run_id(self) -> str:
        """The run that it has started."""
        found = started(self.text)
        assert found is not None, self.text
        return found


@dataclass(frozen=True)
class Running:
    """A run-once under way.

    Attributes:
        process: It.
        output: What it writes to.
        dag_id: The DAG.
    """

    process: subprocess.Popen[bytes]
    output: IO[str]
    dag_id: str

    def text(self) -> str:
        """What it has written."""
        self.output.seek(0)
        return self.output.read()

    def wait_for_run_id(self) -> str:
        """The run that it starts, once it has."""

        def has_started() -> bool:
            assert self.process.poll() is None, self.text()
            return started(self.text()) is not None

        wait_until(has_started, "run-once has started a run")
        return str(started(self.text()))

    def interrupt(self) -> None:
        """Press Ctrl-C."""
        self.process.send_signal(signal.SIGINT)

    def end(self) -> Done:
        """Wait for its end."""
        code = self.process.wait()
        return Done(code, self.text(), self.dag_id)


@dataclass(frozen=True)
class Coffee:
    """The example in the sandbox of an Airflow, and its commands.

    Attributes:
        project: Its folder.
        gate: The pipeline `held` goes on when this file is there.
        client: The connection to Airflow.
        mlflow: The server that it logs to unless told otherwise.
    """

    project: Path
    gate: Path
    client: AirflowClient
    mlflow: MlflowServer

    def run_once(self, pipeline: str = "", **options: str) -> Done:
        """Call `run-once`, and wait for the end of the run; the options are those of `start`."""
        with self.start(pipeline, **options) as running:
            return running.end()

    @contextmanager
    def start(
        self, pipeline: str = "", *more: str, env: str = "", name: str = "", mlflow: str = ""
    ) -> Iterator[Running]:
        """Call `run-once`, which is given up when the block ends.

        Args:
            pipeline: Its name; empty: the example's own, of six nodes and with a volume.
            more: Options of the command.
            env: The environment of the configuration; empty: `small` for a named pipeline.
            name: The id of the DAG, if it is not the name of the pipeline.
            mlflow: The address of another server.
        """
        dag_id = name or pipeline or "coffee"
        arguments = ["airflow-k8s", "run-once", "--sandbox", "-w", "10", "-d", dag_id, *more]
        if pipeline:
            arguments += ["-p", pipeline, "-e", env or "small"]
        with (
            TemporaryFile("w+") as output,
            subprocess.Popen(
                [MLFLOW_PYTHON, "-m", "kedro", *arguments],
                cwd=self.project,
                env=_environment(mlflow or self.mlflow.url),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            ) as process,
        ):
            try:
                yield Running(process, output, dag_id)
            finally:
                process.kill()

    def states(self, dag_id: str, run_id: str) -> dict[str, str | None]:
        """How the tasks of a run stand."""
        return {name: task.state for name, task in self.client.task_states(dag_id, run_id).items()}

    def wait_for_end(self, dag_id: str, run_id: str) -> None:
        """Wait until Airflow has ended a run, with the task that ends the MLflow run."""

        def ended() -> bool:
            last = self.states(dag_id, run_id).get("end_mlflow_run")
            return last in ENDS and self.client.run(dag_id, run_id).state.ended

        wait_until(ended, f"the end of {run_id}")

    def clear(self, dag_id: str, run_id: str, task_id: str, *, downstream: bool = False) -> None:
        """Let a task run again, as "Clear task" on Airflow's page does, alone or with what follows.

        Afterwards, a run that had ended has begun again.
        """
        body = clear_request(run_id, task_id, downstream=downstream)
        self.client._send("POST", "dags", dag_id, "clearTaskInstances", json=body)

    def mlflow_run(self, run_id: str, server: MlflowServer | None = None) -> MlflowRecord:
        """What MLflow knows of a DAG run: there is one run of it."""
        (found,) = self.mlflow_runs(run_id, server)
        return found

    def mlflow_runs(self, run_id: str, server: MlflowServer | None = None) -> list[MlflowRecord]:
        """All that MLflow has of a DAG run."""
        runs = (server or self.mlflow).runs(EXPERIMENT)
        return [run for run in runs if run.tags["airflow.run_id"] == run_id]

    @contextmanager
    def held(self, *more: str, mlflow: str = "") -> Iterator[tuple[Running, str]]:
        """A run of the pipeline `held`, with its id, once its pod has logged to MLflow."""
        self.gate.unlink(missing_ok=True)
        with self.start("held", *more, mlflow=mlflow) as running:
            run_id = running.wait_for_run_id()

            def logged() -> bool:
                assert running.process.poll() is None, running.text()
                # Before that, there may be no experiment to look in.
                if self.states(running.dag_id, run_id).get("start_mlflow_run") != "success":
                    return False
                return "days" in self.mlflow_run(run_id).params

            wait_until(logged, "the pod has logged to MLflow")
            yield running, run_id


def started(text: str) -> str | None:
    """The run that run-once says that it has started."""
    found = re.search(r"^Started run (\S+):", text, re.MULTILINE)
    return found and found[1]


def _environment(mlflow: str) -> dict[str, str]:
    foreign = ("AIRFLOW", "KEDRO_", "MLFLOW", "PYTHONPATH")
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith(foreign)},
        "KEDRO_CONFIG_MLFLOW_URI": mlflow,
        "KEDRO_DISABLE_TELEMETRY": "1",
        "DO_NOT_TRACK": "1",
        "COLUMNS": "200",
    }


def _copy_of_example(folder: Path, gate: Path) -> Path:
    left_out = shutil.ignore_patterns("__pycache__", "dags", ".airflow-sandbox")
    project = Path(shutil.copytree(EXAMPLES / "mlflow", folder, ignore=left_out))
    for name, text in (
        ("quick", _QUICK),
        ("parallel", _PARALLEL.replace("{pid!r}", repr(f"{gate}.pid"))),
        ("held", _HELD.replace("{gate!r}", repr(str(gate)))),
        ("chain", _CHAIN.replace("{gate!r}", repr(str(gate)))),
    ):
        module = project / _MODULE.format(name=name)
        module.parent.mkdir()
        module.write_text(text)
    registry = project / "src/coffee/pipeline_registry.py"
    text = registry.read_text()
    alone = text.replace(
        "sum(pipelines.values(), start=Pipeline([]))",
        # Kedro registers only what is asked for.
        'pipelines.get("sales", Pipeline([]))',
    )
    assert alone != text
    registry.write_text(alone)
    for env, text in (("small", _SMALL), ("login", _WITH_LOGIN), ("visible", _VISIBLE)):
        file = project / f"conf/{env}/airflow-k8s.yaml"
        file.parent.mkdir()
        file.write_text(text)
    return project


@contextmanager
def coffee_in(python: Path, folder: Path, mlflow: MlflowServer) -> Iterator[Coffee]:
    """Runs the example's sandbox until the block ends.

    Args:
        python: The interpreter that has Airflow.
        folder: Where the project is made.
        mlflow: The server that it logs to.
    """
    gate = folder / "gate"
    project = _copy_of_example(folder / "project", gate)
    policy = (
        SandboxFolder(project).airflow_home(airflow_version(python))
        / "config/airflow_local_settings.py"
    )
    policy.parent.mkdir(parents=True)
    policy.write_text(_POLICY)
    secrets = folder / "secrets.yaml"
    secrets.write_text(json.dumps(_SECRET))
    settings = {
        **SETTINGS,
        **{f"AIRFLOW_VAR_{name}": value for name, value in _VARIABLES.items()},
    }
    try:
        done = subprocess.run(
            [MLFLOW_PYTHON, "-c", START, python, json.dumps(settings), secrets],
            cwd=project,
            env=_environment(mlflow.url),
            capture_output=True,
            text=True,
            check=False,
            timeout=WAIT_SECONDS,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        found = find_sandbox(project)
        assert found is not None
        credentials = {
            "AIRFLOW_API_USERNAME": found.username,
            "AIRFLOW_API_PASSWORD": found.password,
        }
        client = connect(found.host, None, AirflowTls(), environ=credentials, warn=print)
        yield Coffee(project, gate, client, mlflow)
    finally:
        stop_sandbox(project, print)
