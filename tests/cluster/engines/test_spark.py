"""A cluster of Spark for some nodes of a run: made, used by two executors, and deleted again."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from kubernetes.utils import create_from_dict

from tests.cluster.cluster import Namespace
from tests.cluster.runs import Airflow

RIGHTS = Path(__file__).parents[3] / "examples/kubernetes/clusters-rbac.yaml"


@pytest.fixture(scope="module")
def settings(namespace_of_engines: Namespace, resolver: dict[str, Any]) -> dict[str, Any]:
    """The settings of DAGs with a cluster of Spark."""
    return {
        **resolver,
        "retries": 1,
        "retry_delay": 1,
        "volume": {"size": "3Gi"},
        "clusters": {
            "spark": {
                "type": "spark-connect",
                "executors": 2,
                "resources": "server",
                "worker_resources": "executor",
                "conf": {"spark.sql.shuffle.partitions": "4"},
            }
        },
        "resources": {
            "server": {
                "service_account_name": allow_spark(namespace_of_engines),
                "requests": {"cpu": "100m"},
                "limits": {"memory": "1500Mi"},
            },
            "executor": {"requests": {"cpu": "100m"}, "limits": {"memory": "1Gi"}},
        },
    }


def allow_spark(namespace: Namespace) -> str:
    """Give the server of Spark its rights, and return the name of its account."""
    documents = list(yaml.safe_load_all(RIGHTS.read_text(encoding="utf-8")))
    account = next(each for each in documents if each["kind"] == "ServiceAccount")
    name: str = account["metadata"]["name"]
    for document in json.loads(json.dumps(documents)):
        if document["metadata"]["name"] == name:
            for part in (document["metadata"], *document.get("subjects", ())):
                part["namespace"] = namespace.name
            create_from_dict(namespace.core.api_client, document)
    return name


def executors(namespace: Namespace) -> set[str]:
    """The executors that were ever there, without those of earlier tests."""
    return {pod.metadata.name for pod in namespace.pods.all(**{"spark-role": "executor"})}


def test_two_executors_add_up_what_a_node_has_written(
    engines: Airflow, settings: dict[str, Any]
) -> None:
    before = executors(engines.namespace)

    done = engines.run("try_spark_well", **settings).succeeded()

    written = engines.log("try_spark_well", done.run_id, "make").partition("WRITTEN ")[2].split()[0]
    assert int(written) >= 2 * 10**9
    log = engines.log("try_spark_well", done.run_id, "last")
    assert "SUM True" in log
    assert "HOSTS 2" in log
    assert len(executors(engines.namespace) - before) == 2
    created = engines.log("try_spark_well", done.run_id, "create_cluster_spark")
    assert re.search(r"The cluster answers after \d+ s", created)


def test_the_cluster_of_a_run_that_fails_is_deleted(
    engines: Airflow, settings: dict[str, Any]
) -> None:
    engines.run("try_spark_badly", **{**settings, "retries": 0}).failed("TABLE_OR_VIEW_NOT_FOUND")


def test_a_node_whose_cluster_dies_says_so_and_its_retry_makes_another(
    engines: Airflow, settings: dict[str, Any]
) -> None:
    namespace, dag_id = engines.namespace, "try_spark_lost"
    with engines.start(dag_id, **settings) as running:
        (pod,) = namespace.pods.wait_for(
            lambda: namespace.task_pods(running.run_id(), "last"), "a node", running.check
        )
        namespace.wait_for_log(pod.metadata.name, "AT WORK")
        (server,) = (name for name in namespace.pods.there() if name.endswith("-spark"))
        namespace.core.delete_namespaced_pod(server, namespace.name, grace_period_seconds=0)
        done = running.end().succeeded()

    assert "ClusterLost: Pod" in engines.log(dag_id, done.run_id, "last")
    assert "COUNTED 7" in engines.client().task_log(dag_id, done.run_id, "last", 2)
