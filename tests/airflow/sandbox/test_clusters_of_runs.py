"""What is left of a cluster when its run or a task of it has ended, on Airflow 3 and 2.11."""

from __future__ import annotations

from typing import Any

import kubernetes

from tests.airflow.sandbox.chain_lab import Lab, lab
from tests.airflow.sandbox.cluster.cluster_client import wait_for

__all__ = ["lab"]

READY = """, clusters: {engine: {type: manifest, objects: [{apiVersion: v1, kind: Pod,
  metadata: {name: $(CLUSTER), labels: {test: engine}}, spec: {restartPolicy: Never,
  containers: [{name: base, image: 'shop:1.0', args: [sleep, '600']}]}}]}}"""
NEVER_READY = READY.replace("'600']", "'600'], readinessProbe: {tcpSocket: {port: 1}}")


def engines(api: kubernetes.client.CoreV1Api) -> list[Any]:
    """Return the pods of clusters of these tests."""
    return list(api.list_namespaced_pod("default", label_selector="test=engine").items)


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
    lab.write(fails=True, tags="cluster.engine", more=NEVER_READY)
    with lab.kubernetes() as client:
        api = kubernetes.client.CoreV1Api(client)
        code, output = lab.call("run-once", "cancelled")
        assert code == 0, output
        wait_for(lambda: any(pod.status.phase == "Running" for pod in engines(api)))

        code, output = lab.call("cancel", "cancelled")

        assert code == 0, output
        wait_for(lambda: not engines(api))


def test_a_node_that_is_cleared_alone_has_a_cluster_again_which_is_deleted_after_it(
    lab: Lab,
) -> None:
    lab.write(fails=True, tags="cluster.engine", more=READY)
    run_id = lab.failed_run("alone")
    before = lab.attempts("alone", run_id)
    with lab.kubernetes() as client:
        api = kubernetes.client.CoreV1Api(client)
        wait_for(lambda: not engines(api))

        lab.rest.clear("alone", run_id, "begin")

        wait_for(lambda: lab.rest.states("alone")[run_id] == "failed")
        assert not engines(api)
    after = lab.attempts("alone", run_id)
    again = {task for task in after if after[task] > before[task]}
    # Airflow clears the tasks with it that make and delete what it needs.
    others = {"create_volume", "data_volume_init", "delete_volume"}
    assert again - others == {"create_cluster_engine", "begin", "delete_cluster_engine"}
    assert lab.rest.task_states("alone", run_id)["begin"] == "success"


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
