"""What tasks of nodes do when their cluster is lost, by real Airflow on a Kubernetes API."""

from __future__ import annotations

from typing import Any

import pytest

from tests.airflow.dag.operators.airflow_process import OperatorFailed
from tests.airflow.dag.operators.faulty_api import FaultyApi
from tests.airflow.dag.operators.test_run_resources import (
    NAMESPACE,
    RUN,
    Cluster,
    cluster,
    pod,
)
from tests.support.waiting import wait_until

__all__ = ["cluster"]

HEAD, WORKERS = pod("head", "sleep 600"), [pod(f"worker-{i}", "sleep 600") for i in (0, 1)]


def uid(cluster: Cluster, name: str = "head") -> str:
    return str(cluster.api.read_namespaced_pod(name, NAMESPACE).metadata.uid)


def end(cluster: Cluster, name: str = "head") -> str:
    """Make a pod that ends at once, and give its unique id."""
    cluster.create(manifests=[pod(name, "true")])

    def ended() -> bool:
        found = cluster.api.read_namespaced_pod(name, NAMESPACE)
        return bool(found.status.phase == "Succeeded")

    wait_until(ended, f"the end of {name}")
    return uid(cluster, name)


def asked(cluster: Cluster, operator: str, *manifests: dict[str, Any], **attributes: Any) -> Any:
    """What an operator of airflow_worker.py returns about a cluster."""
    return cluster.worker.execute(
        operator,
        RUN,
        manifests=list(manifests),
        namespace=NAMESPACE,
        timeout=60,
        attributes=attributes,
    )[0]


def test_a_cluster_whose_first_pod_has_ended_is_made_again_as_a_whole(cluster: Cluster) -> None:
    before = end(cluster)
    cluster.create(manifests=WORKERS)
    workers = [uid(cluster, f"worker-{i}") for i in (0, 1)]

    found = asked(cluster, "revive", HEAD, *WORKERS)

    assert found == uid(cluster) != before
    assert not {uid(cluster, f"worker-{i}") for i in (0, 1)}.intersection(workers)


def test_of_a_cluster_that_answers_only_workers_that_have_ended_are_made_again(
    cluster: Cluster,
) -> None:
    cluster.create(manifests=[HEAD, WORKERS[1]])
    ended, kept = end(cluster, "worker-0"), uid(cluster, "worker-1")

    found = asked(cluster, "revive", HEAD, *WORKERS)

    assert found == uid(cluster)
    assert uid(cluster, "worker-0") != ended
    assert uid(cluster, "worker-1") == kept


def test_what_another_task_has_made_again_meanwhile_is_not_deleted(cluster: Cluster) -> None:
    end(cluster)
    keys = ("kedro-airflow-k8s/dag-id", "kedro-airflow-k8s/run-id")
    metadata = {**HEAD["metadata"], "annotations": dict(zip(keys, RUN, strict=True))}
    made: list[str] = []

    def overtake(verb: str) -> None:
        if verb == "DELETE" and not made:
            cluster.api.delete_namespaced_pod("head", NAMESPACE, grace_period_seconds=0)
            wait_until(lambda: "head" not in names(cluster), "the end of the former pod")
            cluster.api.create_namespaced_pod(NAMESPACE, {**HEAD, "metadata": metadata})
            made.append(uid(cluster))

    with FaultyApi(cluster.local.url, {}, overtake) as proxy:
        cluster.go_through(proxy)
        found = asked(cluster, "revive", HEAD)

    assert [found] == made == [uid(cluster)]


def names(cluster: Cluster) -> list[str]:
    return [each.metadata.name for each in cluster.api.list_namespaced_pod(NAMESPACE).items]


def test_another_pod_of_the_same_name_means_that_the_cluster_was_lost(cluster: Cluster) -> None:
    cluster.create(manifests=[HEAD])

    assert asked(cluster, "lost", HEAD, uid=uid(cluster)) == ""
    lost = asked(cluster, "lost", HEAD, uid="of-the-one-before")
    assert lost == f"ClusterLost: Pod head in namespace {NAMESPACE} is gone."


def test_a_cluster_is_lost_with_its_last_worker_and_not_before(cluster: Cluster) -> None:
    cluster.create(manifests=[HEAD, WORKERS[1]])
    end(cluster, "worker-0")
    assert asked(cluster, "lost", HEAD, *WORKERS) == ""

    cluster.api.delete_namespaced_pod("worker-1", NAMESPACE, grace_period_seconds=0)

    wait_until(lambda: "worker-1" not in names(cluster), "the end of the last worker")
    assert asked(cluster, "lost", HEAD, *WORKERS).startswith("ClusterLost: Pod worker-0 in")


def test_a_cluster_that_cannot_be_made_again_is_an_error(cluster: Cluster) -> None:
    ends = pod("head", "sleep 1; exit 3")
    never = {"tcpSocket": {"port": 1}}
    (container,) = ends["spec"]["containers"]
    ends["spec"]["containers"] = [{**container, "readinessProbe": never}]

    with pytest.raises(OperatorFailed, match="Pod head in namespace team has ended: "):
        asked(cluster, "revive", ends)
