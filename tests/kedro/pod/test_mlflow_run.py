"""Real Kedro processes with kedro-mlflow share a run of a real MLflow and leave it open."""

from __future__ import annotations

import inspect
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.airflow.airflow_api.fault_proxy import Fault, FaultProxy
from tests.kedro.pod import versioned_json
from tests.kedro.pod.kedro_processes import pod_environment
from tests.kedro.pod.mlflow_pods import NAME, Pods, ended, make_pods
from tests.support.mlflow_servers import MlflowServer, needs_mlflow

pytestmark = needs_mlflow

ROOT = Path(__file__).parents[3]


@pytest.fixture(name="pods")
def _pods(tmp_path: Path, mlflow_server: MlflowServer) -> Pods:
    return make_pods(tmp_path / "project", mlflow_server)


def test_pods_at_the_same_time_log_into_one_run_that_stays_open_and_keeps_its_name(
    pods: Pods,
) -> None:
    started = [pods.start(f"--nodes={node}") for node in ("train", "report", "fail")]
    outputs = [ended(process, code) for process, code in zip(started, (0, 0, 1), strict=True)]

    assert "no prices today" in outputs[2]
    run = pods.run
    assert (run.status, run.name) == ("RUNNING", NAME)
    assert run.params == {"depth": "3", "text": "a report"}
    assert run.metrics == {"loss": 0.25, "score": 0.75}
    assert run.tags["trained"] == "yes"
    found = pods.server.call("GET", "artifacts/list", run_id=pods.run_id)
    assert [file["path"] for file in found["files"]] == ["report.txt"]
    assert pods.others() == []


@pytest.mark.parametrize("status", ["RUNNING", "KILLED"])
@pytest.mark.parametrize("end", ["success", "failure", "stop"])
def test_a_pod_leaves_the_status_of_the_run_as_it_is(pods: Pods, status: str, end: str) -> None:
    process = pods.held("--nodes=hold")
    # Airflow may have ended the run, and stops its pods after that.
    pods.server.call("POST", "runs/update", run_id=pods.run_id, status=status)
    if end == "stop":
        os.kill(process.pid, signal.SIGTERM)
    else:
        pods.project.write("go on", "" if end == "success" else "fail")

    output = ended(process, int(end != "success"))

    assert ("TaskTerminated" in output) == (end == "stop")
    assert (pods.run.status, pods.run.name) == (status, NAME)


@pytest.mark.parametrize("end", ["success", "failure"])
def test_a_server_that_is_down_at_the_end_of_a_pod_changes_nothing_for_it(
    pods: Pods, end: str
) -> None:
    with FaultProxy(pods.server.url) as proxy:
        process = pods.held("--nodes=hold", MLFLOW_TRACKING_URI=proxy.url)
        proxy.faults.append(Fault("reset", times=1000))
        pods.project.write("go on", "" if end == "success" else "fail")

        output = ended(process, int(end != "success"))

    assert "MLflow does not answer at the end of this pod" in output
    assert ("no prices today" in output) == (end == "failure")
    assert pods.run.status == "RUNNING"


HOOKS = """
import mlflow
from kedro.framework.hooks import hook_impl

class Hooks:
    @hook_impl
    def after_pipeline_run(self):
        mlflow.log_metric("late", 3)
"""


def test_what_other_hooks_log_at_the_end_is_in_the_run(pods: Pods) -> None:
    pods.project.settings(HOOKS + "HOOKS = (Hooks(),)\n")

    pods.execute("--nodes=train")

    assert pods.others() == []
    assert pods.run.metrics == {"loss": 0.25, "late": 3}


@pytest.mark.parametrize(
    ("node", "name", "status"),
    [
        ("nested", "inner", "FINISHED"),
        ("nested_failure", "inner", "FAILED"),
        ("another", "another", "FAILED"),
        ("own", "own", "FINISHED"),
    ],
)
def test_a_run_that_a_node_starts_by_itself_ends_as_ever(
    pods: Pods, node: str, name: str, status: str
) -> None:
    ended(pods.start(f"--nodes={node}"), int(node == "nested_failure"))

    (other,) = pods.others()
    assert (other.name, other.status) == (name, status)
    # Of the run that a node ends by itself, Airflow corrects the status.
    assert pods.run.status == ("FINISHED" if node == "own" else "RUNNING")


def test_what_mlflow_logs_by_itself_is_in_the_run(pods: Pods) -> None:
    pods.execute("--nodes=fit")

    run = pods.run
    assert (run.params["fit_intercept"], run.status) == ("True", "RUNNING")
    assert run.metrics["training_r2_score"] == pytest.approx(1)
    assert pods.others() == []


@pytest.mark.parametrize("runner", ["SequentialRunner", "ThreadRunner", "ParallelRunner"])
def test_every_runner_logs_into_the_run(pods: Pods, runner: str) -> None:
    pods.execute("--pipeline=pair", f"--runner={runner}")

    assert pods.others() == []
    assert pods.run.metrics == {"first": 1, "second": 2}
    assert (pods.run.status, pods.run.name) == ("RUNNING", NAME)


def test_what_mlflow_yml_says_of_the_run_does_not_lead_elsewhere(pods: Pods) -> None:
    other = pods.server.create_run(pods.run.experiment_id, "other")
    settings = pods.project.path / "conf/base/mlflow.yml"
    settings.write_text(f"{settings.read_text()}  run: {{id: {other}, name: mine}}\n")

    pods.execute("--nodes=train")

    assert pods.run.metrics == {"loss": 0.25}
    assert pods.run.name == NAME
    assert pods.server.run(other).metrics == {}


def test_outside_of_such_a_dag_kedro_mlflow_does_as_ever(pods: Pods) -> None:
    environment = pod_environment(
        {
            name: value
            for name, value in pods.variables.items()
            if name != "KEDRO_AIRFLOW_K8S_MLFLOW_RUN_NAME"
        }
    )
    for node, code, status in (("train", 0, "FINISHED"), ("fail", 1, "FAILED")):
        done = subprocess.run(
            pods.command(f"--nodes={node}"),
            cwd=pods.project.path,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == code, done.stdout + done.stderr
        assert (pods.run.status, pods.run.name) == (status, "__default__")


MODULES = """
import sys
from kedro.pipeline import Pipeline, node

def look(depth):
    rooms = ("mlflow", "kedro_mlflow", "kedro_airflow_k8s")
    print("FOUND", *sorted(n for n in sys.modules if n.split(".")[0] in rooms))

def register_pipelines():
    return {"__default__": Pipeline([node(look, "params:depth", None, name="look")])}
"""


@pytest.mark.parametrize("in_dag", [False, True])
def test_a_project_without_kedro_mlflow_imports_nothing_for_it(pods: Pods, in_dag: bool) -> None:
    pods.project.registry(MODULES)
    pods.project.write("conf/base/catalog.yml", "")
    code = "from kedro.framework.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, "run"],
        cwd=pods.project.path,
        env=pod_environment({"PYTHONPATH": str(ROOT), **(pods.variables if in_dag else {})}),
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("FOUND ")]
    found = set(line.split()[1:])
    assert {name for name in found if "mlflow" in name or "google" in name} == (
        {"kedro_airflow_k8s.pod.mlflow_run"} if in_dag else set()
    )


def test_a_node_that_imports_mlflow_itself_logs_into_the_run_without_kedro_mlflow(
    pods: Pods,
) -> None:
    pods.project.settings('DISABLE_HOOKS_FOR_PLUGINS = ("kedro_mlflow",)\n')
    experiment = pods.run.experiment_id

    pods.execute("--nodes=train", MLFLOW_EXPERIMENT_ID=experiment)

    assert pods.run.metrics == {"loss": 0.25}
    assert (pods.run.status, pods.run.name) == ("RUNNING", NAME)
    assert pods.others() == []


VERSIONED_NODES = """
import time
from pathlib import Path
from kedro.pipeline import Pipeline, node

def make(depth):
    return depth

def hold(depth):
    print("IT RUNS", flush=True)
    while not Path("go on").exists():
        time.sleep(0.05)
    return depth

def register_pipelines():
    return {"__default__": Pipeline([
        node(make, "params:depth", "model", name="make"),
        node(hold, "params:depth", "shop.table", name="hold"),
    ])}
"""


@pytest.fixture(name="versioned")
def _versioned(pods: Pods) -> Pods:
    """Pods that save versioned datasets."""
    pods.project.registry(VERSIONED_NODES)
    pods.project.write("src/shop/versioned_json.py", inspect.getsource(versioned_json))
    entry = "{type: shop.versioned_json.Json, filepath: data/%s, versioned: true}"
    catalog = "\n".join(f"{name}: {entry % name}" for name in ("model", "shop.table"))
    pods.project.write("conf/base/catalog.yml", catalog)
    return pods


@pytest.mark.parametrize("runner", ["SequentialRunner", "ParallelRunner"])
def test_the_run_is_tagged_with_the_versions_that_it_has_saved(
    versioned: Pods, runner: str
) -> None:
    versioned.project.write("go on", "")

    versioned.execute(f"--runner={runner}")

    folder, tags = versioned.project.path / "data", versioned.run.tags
    for name in ("model", "shop.table"):
        (version,) = (folder / name).iterdir()
        assert tags[f"kedro.dataset_version.{name}"] == version.name


def test_a_server_that_is_gone_costs_the_tag_and_not_the_task(versioned: Pods) -> None:
    with FaultProxy(versioned.server.url) as proxy:
        process = versioned.held("--nodes=hold", MLFLOW_TRACKING_URI=proxy.url)
        proxy.faults.append(Fault("reset", times=1000))
        versioned.project.write("go on", "")

        output = ended(process)

    assert "The MLflow run has no tag with the version of 'shop.table'" in output
