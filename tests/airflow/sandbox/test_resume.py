"""A run that has failed goes on where it stopped, on Airflow 3 and on Airflow 2.11."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import kubernetes
import pytest

from kedro_airflow_k8s.sandbox.up import stop_sandbox
from tests.airflow.sandbox.cluster.cluster_client import wait_for
from tests.airflow.sandbox.services_project import Rest, call, sandbox_of, start_with
from tests.support.airflow_environments import AIRFLOW_PYTHONS
from tests.support.kedro_projects import ProjectFolder, make_project
from tests.support.storage_servers import S3, s3_server  # noqa: F401 - fixture

CONFIG = "run_config: {image: shop:1.0, startup_time: 120, keep_failed: KEEP}\n"
CHAIN = """
from pathlib import Path
from kedro.pipeline import Pipeline, node

FAILS = True
STEPS = 8

def begin():
    return [0]

def append(numbers):
    return [*numbers, len(numbers)]

def sum_up(numbers):
    if FAILS:
        raise ValueError("not today")
    Path("RESULTS").mkdir(exist_ok=True)
    Path("RESULTS/total.txt").write_text(str(sum(numbers)))

def create_pipeline():
    steps = [
        node(append, f"numbers_{index}", f"numbers_{index + 1}", name=f"append_{index}")
        for index in range(STEPS)
    ]
    return Pipeline([
        node(begin, None, "numbers_0", name="begin"),
        *steps,
        node(sum_up, f"numbers_{STEPS}", None, name="sum_up"),
    ])
"""


NEVER_READY = """, clusters: {engine: {type: manifest, objects: [{apiVersion: v1, kind: Pod,
  metadata: {name: $(CLUSTER), labels: {never: ready}}, spec: {restartPolicy: Never,
  containers: [{name: base, image: 'shop:1.0', args: [sleep, '600'],
  readinessProbe: {tcpSocket: {port: 1}}}]}}]}}"""


@dataclass
class Lab:
    """A project with a pipeline of ten nodes, whose last one may fail, and a sandbox."""

    project: ProjectFolder
    rest: Rest
    results: Path

    def write(self, *, fails: bool, steps: int = 1, keep: str = "1d", more: str = "") -> None:
        """Write the project's code and configuration."""
        text = CHAIN.replace("RESULTS", str(self.results)).replace("= True", f"= {fails}")
        self.project.pipeline("chain", text.replace("STEPS = 8", f"STEPS = {steps}"))
        self.project.config(CONFIG.replace("KEEP", keep).replace("}", f"{more}}}"))

    def call(self, command: str, dag_id: str, *arguments: str) -> tuple[int, str]:
        """Call a command about the pipeline in the sandbox; its exit code and output."""
        fixed = ("-p", "chain", "--sandbox", "--dag-name", dag_id)
        done = call(self.project, command, *fixed, *arguments)
        return done.returncode, done.stdout

    def failed_run(self, dag_id: str) -> str:
        """Let a run fail at its last node; its id."""
        code, output = self.call("run-once", dag_id, "-w", "10")
        assert code == 1, output
        assert "not today" in output, output
        (run_id,) = re.findall(r"Started run (\S+):", output)
        return str(run_id)

    def attempts(self, dag_id: str, run_id: str) -> dict[str, int]:
        """How often each task of a run has run."""
        path = f"dags/{dag_id}/dagRuns/{quote(run_id, safe='')}/taskInstances"
        found = self.rest.get(path).json()["task_instances"]
        return {task["task_id"]: task["try_number"] for task in found}

    def kubernetes(self) -> Any:
        """A client of the sandbox's cluster."""
        kubeconfig = self.rest.sandbox.folder.kubeconfig
        return kubernetes.config.new_client_from_config(config_file=str(kubeconfig))

    def claims(self, dag_id: str) -> list[str]:
        """The runs of a DAG that have a volume."""
        with self.kubernetes() as client:
            api = kubernetes.client.CoreV1Api(client)
            found = api.list_namespaced_persistent_volume_claim("default").items
        notes = [claim.metadata.annotations for claim in found]
        return sorted(
            note["kedro-airflow-k8s/run-id"]
            for note in notes
            if note["kedro-airflow-k8s/dag-id"] == dag_id
        )


@pytest.fixture(scope="module", params=AIRFLOW_PYTHONS)
def lab(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    folder = tmp_path_factory.mktemp("resume")
    project = make_project(folder / "project")
    project.pipeline("chain", CHAIN)
    project.config(CONFIG.replace("KEEP", "1d"))
    try:
        up = start_with(project, python=request.param)
        assert up.returncode == 0, up.stdout
        yield Lab(project, Rest(sandbox_of(project)), folder / "results")
    finally:
        stop_sandbox(project.path, print)


def test_after_a_fix_only_the_failed_node_of_ten_runs_again_and_then_the_data_is_deleted(
    lab: Lab,
) -> None:
    lab.write(fails=True, steps=8)
    run_id = lab.failed_run("fixed")
    before = lab.attempts("fixed", run_id)
    assert lab.claims("fixed") == [run_id]
    lab.write(fails=False, steps=8)

    code, output = lab.call("resume", "fixed", "--follow")

    assert code == 0, output
    assert f"Run {run_id}: 1 task to run: sum_up." in output
    assert "9 finished tasks not run again (image shop:1.0" in output
    assert "Changed since the run: src/" in output
    after = lab.attempts("fixed", run_id)
    again = {task_id for task_id in after if after[task_id] > before[task_id]}
    assert again == {"create_volume", "data_volume_init", "sum_up", "delete_volume"}
    assert (lab.results / "total.txt").read_text() == str(sum(range(9)))
    assert lab.claims("fixed") == []


def test_a_task_cleared_by_airflows_api_finds_the_data_that_others_have_stored(lab: Lab) -> None:
    lab.write(fails=True)
    run_id = lab.failed_run("cleared")
    lab.write(fails=False)
    body = {
        "dry_run": False,
        "dag_run_id": run_id,
        "task_ids": ["sum_up"],
        "only_failed": False,
        "include_downstream": True,
        "reset_dag_runs": True,
    }

    assert lab.rest.ask("POST", "dags/cleared/clearTaskInstances", body).ok

    path = f"dags/cleared/dagRuns/{quote(run_id, safe='')}"
    wait_for(lambda: lab.rest.get(path).json()["state"] == "success")
    assert lab.claims("cleared") == []


def test_a_run_on_object_storage_gives_its_folder_to_a_part_and_then_goes_on_itself(
    lab: Lab,
    s3_server: S3,  # noqa: F811 - fixture
) -> None:
    bucket = f"resume-{os.urandom(6).hex()}"
    s3_server.make_bucket(bucket)
    more = f"""
        , volume: {{disabled: true}}, intermediate_data: s3://{bucket}/runs, env_vars: {{
          AWS_ENDPOINT_URL: {s3_server.url}, AWS_ACCESS_KEY_ID: someone,
          AWS_SECRET_ACCESS_KEY: something, AWS_DEFAULT_REGION: us-east-1 }}"""
    lab.write(fails=True, more=more)
    run_id = lab.failed_run("stored")
    names = {name.rpartition("/")[2] for name in s3_server.names(bucket)}
    assert names == {"numbers_0.pickle", "numbers_1.pickle", "kept.json"}
    before = lab.attempts("stored", run_id)
    lab.write(fails=False, more=more)
    part = ("--nodes", "sum_up", "--from-run", run_id, "-w", "10")
    code, output = lab.call("run-once", "stored", *part)
    assert code == 0, output
    assert (lab.results / "total.txt").read_text() == "1"
    (lab.results / "total.txt").unlink()
    assert {name.rpartition("/")[2] for name in s3_server.names(bucket)} == names

    code, output = lab.call("resume", "stored", run_id, "--follow")

    assert code == 0, output
    after = lab.attempts("stored", run_id)
    again = {task_id for task_id in after if after[task_id] > before[task_id]}
    assert again == {"sum_up", "delete_intermediate_data"}
    assert (lab.results / "total.txt").read_text() == "1"
    assert s3_server.names(bucket) == []


def test_clean_deletes_what_is_left_of_a_cluster_of_an_ended_run(lab: Lab) -> None:
    lab.write(fails=True, more=", clusters: {engine: {type: dask}}")
    run_id = lab.failed_run("killed")
    marks = {"kedro-airflow-k8s/dag-id": "killed", "kedro-airflow-k8s/run-id": run_id}
    metadata = {
        "name": "killed-engine",
        "labels": {"app.kubernetes.io/managed-by": "kedro-airflow-k8s"},
        "annotations": marks,
    }
    with lab.kubernetes() as client:
        api = kubernetes.client.CoreV1Api(client)
        spec = {"clusterIP": "None", "selector": {"app": "x"}, "ports": [{"port": 8786}]}
        api.create_namespaced_service("default", {"metadata": metadata, "spec": spec})

        code, output = lab.call("clean", "killed", "--yes")

        assert code == 0, output
        assert "Deleted service/killed-engine." in output
        assert not api.list_namespaced_service("default").items
    assert lab.claims("killed") == [run_id]


def test_a_run_that_is_cancelled_while_its_cluster_is_not_ready_leaves_none(lab: Lab) -> None:
    pipeline = CHAIN.replace('name="begin"', 'name="begin", tags="cluster.engine"')
    assert pipeline != CHAIN
    lab.project.pipeline("chain", pipeline.replace("STEPS = 8", "STEPS = 1"))
    lab.project.config(CONFIG.replace("KEEP", "1d").replace("}", f"{NEVER_READY}}}"))
    with lab.kubernetes() as client:
        api = kubernetes.client.CoreV1Api(client)

        def running() -> bool:
            pods = api.list_namespaced_pod("default", label_selector="never=ready").items
            return any(pod.status.phase == "Running" for pod in pods)

        code, output = lab.call("run-once", "cancelled")
        assert code == 0, output
        wait_for(running)

        code, output = lab.call("cancel", "cancelled")

        assert code == 0, output
        wait_for(lambda: not api.list_namespaced_pod("default", label_selector="never").items)


def test_the_page_of_a_cluster_in_the_sandbox_is_on_this_machine(lab: Lab) -> None:
    lab.write(fails=False, more=", clusters: {engine: {type: dask}}")
    code, output = lab.call("ui", "paged", "--cluster", "engine")
    assert code == 1
    assert "No run of DAG paged has the cluster 'engine' now" in output
    metadata = {
        "name": "paged-engine",
        "labels": {
            "kedro-airflow-k8s/cluster": "paged-0123456789ab-engine",
            "kedro-airflow-k8s/role": "head",
        },
        "annotations": {"kedro-airflow-k8s/dag-id": "paged"},
    }
    container = {"name": "base", "image": "shop:1.0", "args": ["sleep", "600"]}
    with lab.kubernetes() as client:
        api = kubernetes.client.CoreV1Api(client)
        api.create_namespaced_pod(
            "default",
            {"metadata": metadata, "spec": {"restartPolicy": "Never", "containers": [container]}},
        )
        wait_for(
            lambda: api.read_namespaced_pod("paged-engine", "default").status.phase == "Running"
        )

        code, output = lab.call("ui", "paged", "--cluster", "engine")

        api.delete_namespaced_pod("paged-engine", "default", grace_period_seconds=0)
    assert code == 0, output
    assert "http://127.0.0.1:8787" in output


def test_failed_runs_are_kept_side_by_side_until_their_time_is_over(lab: Lab) -> None:
    lab.write(fails=True, keep="1s")
    expired = lab.failed_run("kept")
    lab.write(fails=True)

    runs = [lab.failed_run("kept"), lab.failed_run("kept")]

    assert lab.claims("kept") == sorted(runs)
    code, output = lab.call("resume", "kept", expired)
    assert code == 1
    assert f"Run {expired} cannot go on where it stopped: its data is gone." in output
    assert "on the volume of the run was kept until" in output
    code, output = lab.call("clean", "kept", "--dry-run")
    assert code == 0, output
    assert re.search(rf"\b1Gi +kept +{runs[0]} +failed +0h +20\d\d-.* yes\b", output)
    assert lab.claims("kept") == sorted(runs)
    cleaned = lab.project.path / "cleaned.json"
    as_json = ("--format", "json", "--output-file", str(cleaned))
    code, output = lab.call("clean", "kept", "--kept", *as_json)
    assert code == 2
    assert "--format json does not ask: add --yes or --dry-run." in output
    code, output = lab.call("clean", "kept", "--kept", "--yes", *as_json)
    assert code == 0, output
    found = json.loads(cleaned.read_text())
    assert sorted(each["run_id"] for each in found if each["deleted"]) == sorted(runs)
    assert {(each["dag_id"], each["size"], each["state"]) for each in found} == {
        ("kept", "1Gi", "failed")
    }
    assert lab.claims("kept") == []
    code, output = lab.call("clean", "kept")
    assert (code, "Runs of these DAGs have left no data." in output) == (0, True)
    code, output = lab.call("resume", "kept", runs[0])
    assert code == 1
    assert f"its data is gone. The cluster has no volume of run {runs[0]}" in output
    part = ("--nodes", "sum_up", "--from-run", runs[1])
    code, output = lab.call("run-once", "kept", *part)
    assert code == 1
    assert f"Error: The data of run {runs[1]} is gone. The cluster has no volume" in output


def test_a_part_of_a_pipeline_runs_without_pods_of_the_other_tasks(lab: Lab) -> None:
    lab.write(fails=True)

    code, output = lab.call("run-once", "part", "--to-nodes", "append_0", "-w", "10")

    assert code == 0, output
    (run_id,) = re.findall(r"Started run (\S+):", output)
    assert "No pod was started" in lab.rest.log("part", run_id, "sum_up")
    assert "No pod was started" not in lab.rest.log("part", run_id, "append_0")
    assert lab.claims("part") == []
    code, output = lab.call("run-once", "part", "--nodes", "sum_up")
    assert code == 1
    assert "Error: 1 input of these nodes would be missing: 'numbers_1'." in output
    code, output = lab.call("run-once", "part", "--tags", "none")
    assert code == 1
    assert "Error: These nodes of pipeline 'chain' cannot be selected." in output


def test_a_part_takes_its_inputs_from_a_run_that_has_kept_them_and_can_still_be_resumed(
    lab: Lab,
) -> None:
    lab.write(fails=True)
    kept = lab.failed_run("taken")
    lab.write(fails=False)
    part = ("--nodes", "sum_up", "--from-run", kept, "-w", "10")

    code, output = lab.call("run-once", "taken", *part)

    assert code == 0, output
    assert f"From run {kept}: numbers_1." in output
    (run_id,) = re.findall(r"Started run (\S+):", output)
    assert "No pod was started" in lab.rest.log("taken", run_id, "append_0")
    assert (lab.results / "total.txt").read_text() == "1"
    assert lab.claims("taken") == [kept]
    (lab.results / "total.txt").unlink()
    code, output = lab.call("resume", "taken", kept, "--follow")
    assert code == 0, output
    assert (lab.results / "total.txt").read_text() == "1"
    assert lab.claims("taken") == []
    code, output = lab.call("run-once", "taken", *part)
    assert code == 1
    assert f"Error: The data of run {kept} is gone." in output
    code, output = lab.call("run-once", "taken", "--nodes", "sum_up", "--from-run", "nosuch")
    assert code == 1
    assert "Error: DAG taken has no run 'nosuch'." in output
    code, output = lab.call("run-once", "taken", "--from-run", kept)
    assert code == 2
    assert "--from-run is for a part of a pipeline." in output


def test_a_part_that_has_taken_data_and_failed_is_resumed(lab: Lab) -> None:
    lab.write(fails=True)
    kept = lab.failed_run("twice")
    code, output = lab.call(
        "run-once", "twice", "--nodes", "sum_up", "--from-run", kept, "-w", "10"
    )
    assert code == 1, output
    (run_id,) = re.findall(r"Started run (\S+):", output)
    assert lab.claims("twice") == sorted((kept, run_id))
    lab.write(fails=False)

    code, output = lab.call("resume", "twice", "--follow")

    assert code == 0, output
    assert f"Run {run_id}: 1 task to run: sum_up." in output
    assert (lab.results / "total.txt").read_text() == "1"
    assert lab.claims("twice") == [kept]


def test_without_data_a_run_is_resumed_from_the_node_that_makes_it(lab: Lab) -> None:
    lab.write(fails=True, keep="0")
    run_id = lab.failed_run("gone")
    assert lab.claims("gone") == []
    lab.write(fails=False, keep="0")

    code, output = lab.call("resume", "gone")

    assert code == 1
    assert f"Run {run_id} cannot go on where it stopped: its data is gone." in output
    assert "Missing is 'numbers_1', made by append_0." in output
    assert "--from append_0" in output
    code, output = lab.call("resume", "gone", "--from", "begin", "--follow")
    assert code == 0, output
    assert (lab.results / "total.txt").read_text() == "1"
