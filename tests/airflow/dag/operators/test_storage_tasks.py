"""A failure anywhere fails the run of a compiled DAG, and leaves no volume behind."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import pytest

from kedro_airflow_k8s.sandbox.airflow import AirflowPython
from kedro_airflow_k8s.sandbox.cluster import LocalCluster, PodImage
from kedro_airflow_k8s.sandbox.run import SandboxAirflow
from tests.airflow.dag.operators.airflow_process import FOLDER
from tests.airflow.dag.operators.faulty_api import Fault, FaultyApi
from tests.support.kedro_projects import make_project

HOME = "/home/kedro_docker"
CONFIG = f"""
run_config:
    image: example.com/shop:1
    run_name: shop
    namespace: team
    volume:
        mount_path: {HOME}/data
"""
# By environment of the project: what differs from the above.
ENVIRONMENTS = {
    "node": "{run_name: node}",
    # In the image that is a file, so the volume cannot be filled from it.
    "filling": f"{{run_name: filling, volume: {{mount_path: {HOME}/notes.txt}}}}",
    # The API creates no claims in that namespace.
    # Its image lacks the plugin.
    "lacking": "{run_name: lacking}",
    "creation": "{run_name: creation, namespace: broken}",
}
FAULTS = {
    "POST /api/v1/namespaces/broken/persistentvolumeclaims": Fault(500),
}
# Fails if it has to run the node, and is Python otherwise.
FAKE_PYTHON = f"""#!/bin/sh
case "$*" in
    *--env=lacking*) exec {sys.executable} -I -S "$@";;
    *--nodes=clean*) echo "the volume has $(cat data/orders.csv)"; exit 1;;
    *) exec {sys.executable} "$@";;
esac
"""


@dataclass(frozen=True)
class Outcome:
    """How the runs ended, by the id of the DAG, and what the cluster saw."""

    runs: dict[str, Any]
    requests: list[str]
    claims: list[str]
    logs: dict[str, str]
    output: str


def _compiled(folder: Path) -> dict[str, str]:
    project = make_project(folder)
    project.config(CONFIG)
    for env, config in ENVIRONMENTS.items():
        project.config(f"run_config: {config}", env=env)
        done = project.kedro("airflow-k8s", "-e", env, "-p", "sales", "compile")
        assert done.exit_code == 0, done.output
    return {name: _impatient(text) for name, text in project.dags().items()}


def _impatient(dag: str) -> str:
    """The DAG without its ten seconds before another attempt."""
    assert '"retries": 2' in dag
    return dag.replace('"retries": 2', '"retries": 0')


def _image(folder: Path) -> PodImage:
    (folder / "root" / "data").mkdir(parents=True)
    (folder / "root" / "data" / "orders.csv").write_text("orders of the image\n")
    (folder / "root" / "notes.txt").touch()
    (folder / "bin").mkdir()
    (folder / "bin" / "python").write_text(FAKE_PYTHON)
    (folder / "bin" / "python").chmod(0o755)
    return PodImage(folder / "root", PurePosixPath(HOME), (folder / "bin",))


@pytest.fixture(scope="module", name="outcome")
def _outcome(airflow_python: Path, tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    folder = tmp_path_factory.mktemp("storage")
    airflow = SandboxAirflow(
        AirflowPython.at(airflow_python),
        folder / "airflow",
        folder / "kubeconfig",
        "kubernetes_default",
    )
    airflow.create_database()
    dags = _compiled(folder / "project")
    for name, text in dags.items():
        (airflow.dags / name).write_text(text)
    requests: list[str] = []
    with (
        LocalCluster(_image(folder), folder / "cluster") as cluster,
        FaultyApi(cluster.url, FAULTS, requests.append) as proxy,
    ):
        cluster.write_kubeconfig(folder / "kubeconfig")
        config = (folder / "kubeconfig").read_text()
        (folder / "kubeconfig").write_text(config.replace(cluster.url, proxy.url))
        done = subprocess.run(
            [airflow_python, FOLDER / "run_dags.py", folder / "result", *(n[:-3] for n in dags)],
            env=airflow.environment,
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout
        return Outcome(
            runs={
                name.partition("--")[0]: found
                for name, found in json.loads((folder / "result").read_text()).items()
            },
            requests=requests,
            claims=[claim.name for claim in cluster.claims()],
            logs={
                f"{pod.labels['dag_id'].partition('--')[0]} {pod.labels['task_id']}": pod.log()
                for pod in cluster.pods()
            },
            output=done.stdout,
        )


def test_the_dags_are_those_compiled(outcome: Outcome) -> None:
    assert outcome.runs["errors"] == {}
    assert set(outcome.runs) == {"errors", *ENVIRONMENTS}, outcome.output


def test_a_node_that_fails_fails_the_run_and_the_volume_is_deleted(outcome: Outcome) -> None:
    assert outcome.runs["node"] == {
        "run": "failed",
        "tasks": {
            "create_volume": "success",
            "data_volume_init": "success",
            "clean": "failed",
            "total": "upstream_failed",
            "delete_volume": "success",
        },
    }
    assert outcome.logs["node data_volume_init"].startswith("Copied 1 files, 20 bytes")
    assert outcome.logs["node clean"] == "the volume has orders of the image\n"


def test_data_that_cannot_be_copied_fails_the_run_and_the_volume_is_deleted(
    outcome: Outcome,
) -> None:
    assert outcome.runs["filling"] == {
        "run": "failed",
        "tasks": {
            "create_volume": "success",
            "data_volume_init": "failed",
            "clean": "upstream_failed",
            "total": "upstream_failed",
            "delete_volume": "success",
        },
    }
    assert "NotADirectoryError" in outcome.logs["filling data_volume_init"]


def test_a_volume_that_is_not_created_fails_the_run_and_nothing_else_starts(
    outcome: Outcome,
) -> None:
    run = outcome.runs["creation"]
    assert run["run"] == "failed"
    assert run["tasks"].pop("create_volume") == "failed"
    assert set(run["tasks"].values()) == {"upstream_failed"}
    assert [key for key in outcome.logs if key.startswith("creation")] == []
    assert "the server says no" in outcome.output


def test_an_image_without_the_plugin_is_named_in_the_tasks_log_with_the_way_out(
    outcome: Outcome,
) -> None:
    assert outcome.runs["lacking"]["tasks"]["clean"] == "failed"
    assert "No module named" in outcome.logs["lacking clean"]
    assert "The image has no kedro-airflow-k8s, or an older version." in outcome.output


def test_no_volume_is_left_behind(outcome: Outcome) -> None:
    assert outcome.claims == []
    assert outcome.requests.count("DELETE") >= len(ENVIRONMENTS)
