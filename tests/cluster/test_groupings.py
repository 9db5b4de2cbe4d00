"""The example with data that its catalog does not declare, in pods of every size."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from kubernetes import client

from tests.cluster.cluster import PLUGIN_TASKS
from tests.cluster.project import GATE, STOCK
from tests.cluster.runs import Airflow

STORE = ".kedro-airflow-k8s"
STORED = f"""
import json, os
found = [os.path.join(folder, n) for folder, _, names in os.walk("data/{STORE}") for n in names]
print(json.dumps(found))
open("{GATE}", "w").close()
"""
NODES = 13
"""Of the example's pipeline."""


def metrics(log: str) -> dict[str, Any]:
    """What the project's hook reports of the metrics, with every digit."""
    # KubernetesPodOperator repeats lines where it asks for the log again.
    (text,) = set(re.findall(r"METRICS (\{.*\})", log))
    found: dict[str, Any] = json.loads(text)
    return found


@pytest.fixture(scope="module")
def plain_metrics(airflow_of_session: Airflow) -> dict[str, Any]:
    """The metrics of a plain `kedro run`: one pod of the same image, without the plugin's DAG."""
    namespace = airflow_of_session.namespace
    container = client.V1Container(
        name="base", image=airflow_of_session.image, image_pull_policy="IfNotPresent"
    )
    name = "plain-kedro-run"
    pod = client.V1Pod(
        metadata=client.V1ObjectMeta(name=name),
        spec=client.V1PodSpec(restart_policy="Never", containers=[container]),
    )
    namespace.core.create_namespaced_pod(namespace.name, pod)
    try:
        ended = namespace.wait_for_end(name)
        log = namespace.core.read_namespaced_pod_log(name, namespace.name)
        assert ended.exit_code == 0, log
    finally:
        namespace.core.delete_namespaced_pod(name, namespace.name)
    return metrics(log)


PODS: dict[str, Callable[[int], bool]] = {
    "none": lambda pods: pods == NODES,
    "memory": lambda pods: 1 < pods < NODES,
    "namespace": lambda pods: 1 < pods < NODES,
    "pipeline": lambda pods: pods == 1,
}


@pytest.mark.parametrize("grouping", ["none", "memory", "namespace", "pipeline"])
def test_the_example_has_the_metrics_of_a_plain_run_with_each_grouping(
    airflow: Airflow, plain_metrics: dict[str, Any], grouping: str
) -> None:
    done = airflow.run("__default__", grouping=grouping).succeeded()

    pods = airflow.namespace.kedro_pods(done.run_id)
    states = airflow.states("__default__", done.run_id)
    assert {*states.values()} == {"success"}
    # Each task was one pod, and each pod ran beside the others of its run.
    assert len(pods) == len(states.keys() - PLUGIN_TASKS)
    assert PODS[grouping](len(pods)), f"{len(pods)} pods"
    for pod in pods:
        (term,) = pod.spec.affinity.pod_affinity.required_during_scheduling_ignored_during_execution
        assert term.topology_key == "kubernetes.io/hostname"
        assert term.label_selector.match_labels.items() <= pod.metadata.labels.items()
    logs = [airflow.log("__default__", done.run_id, task) for task in states.keys() - PLUGIN_TASKS]
    assert metrics("\n".join(logs)) == plain_metrics


def test_each_node_of_a_visible_group_succeeds_without_a_pod_of_its_own(
    airflow: Airflow, plain_metrics: dict[str, Any]
) -> None:
    grouping = {"__default__": {"by": "namespace", "nodes": "visible"}}

    done = airflow.run("__default__", grouping=grouping).succeeded()

    states = airflow.states("__default__", done.run_id)
    assert {*states.values()} == {"success"}
    tasks = states.keys() - PLUGIN_TASKS
    shared = {task_id for task_id in tasks if task_id.endswith(".pod")}
    assert len(tasks - shared) == NODES
    pods = airflow.namespace.kedro_pods(done.run_id)
    assert {pod.metadata.annotations["kedro-airflow-k8s/task-id"] for pod in pods} >= shared
    assert len(pods) < NODES
    logs = {task_id: airflow.log("__default__", done.run_id, task_id) for task_id in tasks}
    assert metrics("\n".join(logs.values())) == plain_metrics
    seen = [task_id for task_id in tasks - shared if "The node ran from" in logs[task_id]]
    assert len(seen) == NODES - (len(pods) - len(shared))
    assert not any("kedro-airflow-k8s-event" in log for log in logs.values())


def test_data_that_the_catalog_does_not_know_is_on_the_volume_of_the_run(airflow: Airflow) -> None:
    counted = {"kinds": len(STOCK), "pieces": sum(STOCK.values())}
    with airflow.start("try_handing_on") as running:
        pod, read = running.at_the_gate()
        stored = airflow.namespace.run_in(pod, STORED)
        done = running.end().succeeded()

    assert read == counted
    # Only what this pod's run passes on: nothing temporary, nothing of the gate's own output yet.
    (file,) = stored
    assert "undeclared" in file
    assert f"REPORTED {counted}" in airflow.log("try_handing_on", done.run_id, "report")


def test_nodes_joined_by_data_in_memory_are_one_pod(airflow: Airflow) -> None:
    with airflow.start("try_handing_on", grouping="memory") as running:
        pod, _ = running.at_the_gate()
        stored = airflow.namespace.run_in(pod, STORED)
        done = running.end().succeeded()

    assert [one.metadata.name for one in airflow.namespace.kedro_pods(done.run_id)] == [pod]
    assert stored == []
