"""A cluster of Spark for some nodes of a run: made, used by two executors, and deleted again."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from kubernetes.utils import create_from_dict

from tests.cluster.cluster import Cluster, Namespace
from tests.cluster.image import NoImage, image_for, project_home
from tests.cluster.project import ClusterProject, make_cluster_project
from tests.cluster.runs import Airflow, running_airflow
from tests.cluster.service_names import resolver_of_pods

RIGHTS = Path(__file__).parents[2] / "examples/kubernetes/clusters-rbac.yaml"
ENGINE = "pyspark[connect]\njdk4py\npyarrow\n"
FILES, ROWS = 20, 500_000
"""Two free cores are too few for 2 GB of numbers: these files have 10 million in 160 MB."""
PIPELINE = f"""
from pathlib import Path

import numpy as np
import pandas as pd
from kedro.pipeline import Pipeline, node


def make(factor):
    folder = Path("data/02_intermediate/numbers").resolve()
    folder.mkdir(parents=True, exist_ok=True)
    whole = 0
    for number in range({FILES}):
        values = np.random.default_rng(number).integers(0, 2**40, {ROWS})
        pd.DataFrame({{"value": values}}).to_parquet(folder / f"{{number:03d}}.parquet")
        whole += int(values.sum())
    return {{"folder": str(folder), "sum": whole}}


def add_up(made):
    from pyspark.sql import SparkSession

    spark = SparkSession.builder.getOrCreate()
    numbers = spark.read.parquet(made["folder"])
    found = numbers.agg({{"value": "sum"}}).collect()[0][0]
    hosts = numbers.repartition(8).mapInPandas(where, "host string").distinct().collect()
    print("SUM", found == made["sum"], flush=True)
    print("HOSTS", len(hosts), flush=True)
    return found


def where(frames):
    import socket
    import time

    # The other executor gets some of the work, too.
    time.sleep(1)
    for _ in frames:
        pass
    yield pd.DataFrame({{"host": [socket.gethostname()]}})


def forever(frames):
    import time

    time.sleep(3600)
    yield from frames


def lose(made):
    from pyspark.sql import SparkSession

    spark = SparkSession.builder.getOrCreate()
    mark = Path("data/02_intermediate/tried")
    if not mark.exists():
        mark.touch()
        print("AT WORK", flush=True)
        print("WAITING", flush=True)
        spark.range(1).mapInPandas(forever, "id long").collect()
    print("COUNTED", spark.range(7).count(), flush=True)
    return 7


def fail(made):
    from pyspark.sql import SparkSession

    SparkSession.builder.getOrCreate().sql("SELECT nothing FROM nowhere").collect()


def create_pipeline():
    first = node(make, "params:factor", "made", name="make")
    return Pipeline([first, node(LAST, "made", "found", name="last", tags="cluster.spark")])
"""
LAST = {"spark_well": "add_up", "spark_badly": "fail", "spark_lost": "lose"}
"""The function of the node that uses Spark, by pipeline."""


def spark_project(path: Path) -> ClusterProject:
    """The project of the other tests with Spark in its image."""
    project = make_cluster_project(path)
    requirements = project.path / "requirements.txt"
    requirements.write_text(requirements.read_text(encoding="utf-8") + ENGINE, encoding="utf-8")
    for name, last in LAST.items():
        text = PIPELINE.replace("LAST", last)
        project.write(f"src/spaceflights/pipelines/try_{name}/__init__.py", text)
    return project


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


@pytest.fixture(scope="module")
def spark_of_module(
    cluster: Cluster, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Airflow, dict[str, Any]]]:
    project = spark_project(tmp_path_factory.mktemp("spark") / "spaceflights")
    try:
        image = image_for(cluster, project, "-spark")
    except NoImage as error:
        pytest.fail(str(error))
    with cluster.namespace() as namespace, resolver_of_pods(namespace) as resolver:
        settings = {
            **resolver,
            "retries": 1,
            "retry_delay": 1,
            "volume": {"size": "2Gi"},
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
                    "service_account_name": allow_spark(namespace),
                    "requests": {"cpu": "100m"},
                    "limits": {"memory": "1500Mi"},
                },
                "executor": {"requests": {"cpu": "100m"}, "limits": {"memory": "1Gi"}},
            },
        }
        with running_airflow(project, namespace, image, project_home()) as airflow:
            yield airflow, settings


@pytest.fixture
def spark(spark_of_module: tuple[Airflow, dict[str, Any]]) -> Iterator[Any]:
    """Airflow, and the settings of its DAGs. After each test, nothing is left on the cluster."""
    yield spark_of_module
    namespace = spark_of_module[0].namespace
    namespace.pods.wait_until_gone(f"no pods: {namespace.pods.there()}")
    namespace.claims.wait_until_gone(f"no volumes: {namespace.claims.there()}")
    assert not namespace.core.list_namespaced_service(namespace.name).items


def executors(namespace: Namespace) -> set[str]:
    """The executors that were ever there, without those of earlier tests."""
    return {pod.metadata.name for pod in namespace.pods.all(**{"spark-role": "executor"})}


def test_two_executors_add_up_what_a_node_has_written(spark: Any) -> None:
    airflow, settings = spark
    before = executors(airflow.namespace)

    done = airflow.run("try_spark_well", **settings).succeeded()

    log = airflow.log("try_spark_well", done.run_id, "last")
    assert "SUM True" in log
    assert "HOSTS 2" in log
    assert len(executors(airflow.namespace) - before) == 2
    created = airflow.log("try_spark_well", done.run_id, "create_cluster_spark")
    assert re.search(r"The cluster answers after \d+ s", created)


def test_the_cluster_of_a_run_that_fails_is_deleted(spark: Any) -> None:
    airflow, settings = spark

    airflow.run("try_spark_badly", **{**settings, "retries": 0}).failed("TABLE_OR_VIEW_NOT_FOUND")


def test_a_node_whose_cluster_dies_says_so_and_its_retry_makes_another(spark: Any) -> None:
    airflow, settings = spark
    namespace, dag_id = airflow.namespace, "try_spark_lost"
    with airflow.start(dag_id, **settings) as running:
        (pod,) = namespace.pods.wait_for(
            lambda: namespace.task_pods(running.run_id(), "last"), "a node", running.check
        )
        namespace.wait_for_log(pod.metadata.name, "AT WORK")
        (server,) = (name for name in namespace.pods.there() if name.endswith("-spark"))
        namespace.core.delete_namespaced_pod(server, namespace.name, grace_period_seconds=0)
        done = running.end().succeeded()

    assert "ClusterLost: Pod" in airflow.log(dag_id, done.run_id, "last")
    assert "COUNTED 7" in airflow.client().task_log(dag_id, done.run_id, "last", 2)
