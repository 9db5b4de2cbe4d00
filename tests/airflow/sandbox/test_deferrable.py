"""Tasks whose pods Airflow's triggerer waits for, on Airflow 3 and on Airflow 2.11."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import quote

import kubernetes
import pytest

from kedro_airflow_k8s.sandbox.airflow import AirflowPython
from kedro_airflow_k8s.sandbox.cluster import LocalCluster, PodImage
from kedro_airflow_k8s.sandbox.run import SandboxAirflow
from kedro_airflow_k8s.sandbox.up import stop_sandbox
from tests.airflow.sandbox.cluster.cluster_client import wait_for
from tests.airflow.sandbox.services_project import (
    Rest,
    make_counting_project,
    sandbox_of,
    start_with,
)
from tests.support.airflow_environments import AIRFLOW_PYTHONS

DAG = """
from datetime import datetime
from airflow.providers.common.compat.sdk import DAG
from airflow.providers.cncf.kubernetes.operators.pod import KubernetesPodOperator

with DAG(
    "deferred",
    schedule=None,
    start_date=datetime(2024, 1, 1),
    is_paused_upon_creation=False,
    default_args={
        "namespace": "default",
        "image": "shop:1.0",
        "deferrable": True,
        "poll_interval": 1,
        "startup_check_interval_seconds": 1,
    },
):
    for task_id, script in TASKS.items():
        KubernetesPodOperator(task_id=task_id, name=task_id, cmds=["sh", "-c", script])
"""
SHORT = {"short": "echo out of the pod; sleep 3", "failing": "echo on the way; exit 3"}


def _dag(tasks: dict[str, str]) -> str:
    return DAG.replace("TASKS", repr(tasks))


@pytest.mark.parametrize("python", AIRFLOW_PYTHONS)
def test_sandbox_run_waits_for_deferred_tasks(python: str, tmp_path: Path) -> None:
    (tmp_path / "project").mkdir()
    image = PodImage(tmp_path / "project", PurePosixPath("/home/kedro"), ())
    kubeconfig = tmp_path / "kubeconfig"
    airflow = SandboxAirflow(
        AirflowPython.at(Path(python)), tmp_path / "airflow", kubeconfig, "kubernetes_default"
    )
    airflow.create_database()
    (airflow.dags / "deferred.py").write_text(_dag(SHORT))
    with LocalCluster(image, tmp_path / "cluster") as cluster:
        cluster.write_kubeconfig(kubeconfig)
        airflow.start("deferred", "")
        try:
            wait_for(lambda: airflow.wait(1))
        finally:
            airflow.stop()
        deleted = [pod.deleted for pod in cluster.pods()]

    report = airflow.report()
    assert report.state == "failed"
    assert {name: task.state for name, task in report.tasks.items()} == {
        "short": "success",
        "failing": "failed",
    }
    # One attempt, from its begin to its end, also while the trigger waits.
    assert (report.tasks["short"].seconds or 0) > 3
    log = (airflow.logs / "short.log").read_text()
    assert "[base] logs: out of the pod" in log
    assert "rigger" in log
    assert deleted == [True, True]


@dataclass(frozen=True)
class Run:
    """A run of the DAG in a sandbox."""

    rest: Rest
    run_id: str
    go: Path
    """The pods of `short` and `failing` end when this file is there."""

    def states(self) -> dict[str, str]:
        return self.rest.task_states("deferred", self.run_id)

    def workers_are_free(self) -> bool:
        """Whether the scheduler knows that the processes of all tasks have ended.

        Before that, Airflow 3.3 fails a task that goes on: docs/explanation/limitations.md.
        """
        log = self.rest.sandbox.folder.log("scheduler").read_text()
        ended = "TaskInstance Finished: dag_id=deferred, task_id={},"
        return all(ended.format(task_id) in log for task_id in self.states())

    def fail(self, task_id: str) -> None:
        """Mark a task as failed, as on the web page."""
        tasks = f"dags/deferred/dagRuns/{quote(self.run_id, safe='')}/taskInstances"
        body: dict[str, Any] = {"new_state": "failed"}
        if self.rest.sandbox.state.version.startswith("2."):
            body["dry_run"] = False
        assert self.rest.ask("PATCH", f"{tasks}/{task_id}", body).ok


@pytest.fixture(params=AIRFLOW_PYTHONS)
def run(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Run]:
    """A run with a task that succeeds and one that does not end by itself."""
    project = make_counting_project(tmp_path / "project")
    go = tmp_path / "go"
    wait = f"until test -e {go}; do sleep 0.2; done; "
    ending = {name: wait + script for name, script in SHORT.items()}
    try:
        up = start_with(
            project, python=request.param, AIRFLOW__OPERATORS__DEFAULT_DEFERRABLE="True"
        )
        assert up.returncode == 0, up.stdout
        sandbox = sandbox_of(project)
        (sandbox.output / "deferred.py").write_text(_dag({**ending, "long": "sleep 1000"}))
        rest = Rest(sandbox)
        wait_for(lambda: rest.get("dags/deferred").ok)
        body = {} if sandbox.state.version.startswith("2.") else {"logical_date": None}
        started = rest.ask("POST", "dags/deferred/dagRuns", body)
        yield Run(rest, started.json()["dag_run_id"], go)
    finally:
        stop_sandbox(project.path, print)


def test_the_triggerer_of_sandbox_up_waits_for_pods_and_deletes_that_of_a_killed_task(
    run: Run,
) -> None:
    assert "triggerer" in {service.name for service in run.rest.sandbox.services}
    wait_for(lambda: set(run.states().values()) == {"deferred"} and run.workers_are_free())
    run.go.touch()
    wanted = {"short": "success", "failing": "failed", "long": "deferred"}
    wait_for(lambda: run.states() == wanted)
    assert "out of the pod" in run.rest.log("deferred", run.run_id, "short")
    kubeconfig = run.rest.sandbox.folder.kubeconfig
    api = kubernetes.client.CoreV1Api(
        kubernetes.config.new_client_from_config(config_file=str(kubeconfig))
    )

    def pods() -> list[str]:
        return [p.metadata.labels["task_id"] for p in api.list_namespaced_pod("default").items]

    assert pods() == ["long"]

    run.fail("long")

    wait_for(lambda: not pods())
    assert run.states()["long"] == "failed"
    api.api_client.close()
