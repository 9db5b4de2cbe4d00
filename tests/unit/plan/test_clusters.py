"""Clusters of a run: who uses them, when they are made, and what their objects hold."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from kedro_airflow_k8s.dag.render import render_dag
from kedro_airflow_k8s.errors import PlanError
from kedro_airflow_k8s.plan.build import Plan, build_plan
from kedro_airflow_k8s.project.entities import CatalogEntry, PipelineNode, ProjectPipeline
from tests.support.strategies import IMAGE, config_of

SPARK = {"type": "spark-connect"}
POD = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "$(CLUSTER)-x"}}


def node(name: str, inputs: str, outputs: str, *tags: str) -> PipelineNode:
    return PipelineNode(name, None, tuple(inputs.split()), tuple(outputs.split()), tags)


def planned(
    *nodes: PipelineNode, catalog: dict[str, CatalogEntry] | None = None, **run: Any
) -> Plan:
    pipeline = ProjectPipeline("shop", "local", True, "__default__", nodes, "0a1b2c", {}, catalog)
    return build_plan(pipeline, config_of({"image": IMAGE, **run}))


def chain(*with_spark: str) -> list[PipelineNode]:
    """Four nodes, one after the other."""
    names = ("load", "train", "test", "report")
    return [
        node(name, f"d{i}", f"d{i + 1}", *(["cluster.spark"] if name in with_spark else []))
        for i, name in enumerate(names)
    ]


def test_without_a_tagged_node_the_dag_has_the_same_bytes() -> None:
    with_cluster = planned(*chain(), clusters={"spark": SPARK})

    assert render_dag(with_cluster).source == render_dag(planned(*chain())).source


def test_a_cluster_is_made_before_its_first_node_and_deleted_after_its_last() -> None:
    plan = planned(*chain("train", "test"), clusters={"spark": SPARK})

    (cluster,) = plan.clusters
    assert cluster.users == ("train", "test")
    assert cluster.after == ("load",)
    assert plan.task_ids == (
        *("create_volume", "data_volume_init", "load", "create_cluster_spark", "train", "test"),
        *("report", "delete_cluster_spark", "delete_volume"),
    )
    source = render_dag(plan).source
    assert "load >> create_cluster_spark >> [train, test] >> delete_cluster_spark" in source


def test_a_cluster_waits_only_for_what_all_its_nodes_wait_for() -> None:
    nodes = [
        node("load", "a", "b"),
        node("slow", "b", "c"),
        node("one", "c", "d", "cluster.spark"),
        node("two", "b", "e", "cluster.spark"),
    ]

    (cluster,) = planned(*nodes, clusters={"spark": SPARK}).clusters

    assert cluster.after == ("load",)


def test_a_cluster_of_first_nodes_is_made_after_the_volume() -> None:
    source = render_dag(planned(*chain("load"), clusters={"spark": SPARK})).source

    assert "data_volume_init >> create_cluster_spark >> load >> delete_cluster_spark" in source


def test_several_clusters_stand_side_by_side() -> None:
    nodes = [node("a", "x", "y", "cluster.spark"), node("b", "y", "z", "cluster.cache")]
    other = {"type": "manifest", "objects": [POD], "env": {"CACHE": "$(CLUSTER)-x:11211"}}

    plan = planned(*nodes, clusters={"spark": SPARK, "cache": other})

    assert [each.name for each in plan.clusters] == ["spark", "cache"]
    source = render_dag(plan).source
    assert 'clusters=["spark"]' in source
    assert 'clusters=["cache"]' in source
    assert '{"CACHE": CLUSTER_CACHE + "-x:11211"}' in source


def test_the_nodes_of_a_shared_pod_bring_their_clusters_with_them() -> None:
    plan = planned(*chain("train"), clusters={"spark": SPARK}, grouping="pipeline")

    assert plan.clusters[0].users == (plan.tasks[0].task_id,)


def test_nodes_with_datasets_of_spark_need_no_tag() -> None:
    catalog = {
        "d1": CatalogEntry("spark.SparkDatasetV2"),
        "d3": CatalogEntry("kedro_datasets.databricks.ManagedTableDataset"),
        "d4": CatalogEntry("pandas.ParquetDataset"),
    }

    (cluster,) = planned(
        *chain(), catalog=catalog, clusters={"spark": {**SPARK, "for": "spark_datasets"}}
    ).clusters

    assert cluster.users == ("load", "train", "test", "report")
    tagged_only = planned(*chain(), catalog=catalog, clusters={"spark": SPARK})
    assert tagged_only.clusters == ()


def test_a_tag_without_its_cluster_is_refused_with_those_that_exist() -> None:
    with pytest.raises(PlanError) as refused:
        planned(node("a", "x", "y", "cluster.sprak"), clusters={"spark": SPARK})

    for part in ("'a'", "'cluster.sprak'", "run_config.clusters", "Entries: spark."):
        assert part in str(refused.value)


def test_two_clusters_with_one_variable_cannot_serve_one_pod() -> None:
    both = node("a", "x", "y", "cluster.one", "cluster.two")
    with pytest.raises(PlanError, match=r"Task 'a' uses two clusters.*SPARK_REMOTE.*one.*two"):
        planned(both, clusters={"one": SPARK, "two": SPARK})


def test_a_node_may_have_the_name_of_a_task_of_clusters() -> None:
    nodes = [node("create_cluster_spark", "x", "y", "cluster.spark")]

    plan = planned(*nodes, clusters={"spark": SPARK})

    assert len(set(plan.task_ids)) == len(plan.task_ids)
    assert plan.tasks[0].task_id != "create_cluster_spark"


def test_a_cluster_that_exists_is_only_a_variable() -> None:
    there = {**SPARK, "address": "sc://spark.example.com:15002"}

    plan = planned(*chain("train"), clusters={"spark": there})

    assert plan.made_clusters == ()
    source = render_dag(plan).source
    assert '"SPARK_REMOTE": "sc://spark.example.com:15002"' in source
    assert "create_cluster" not in source
    assert "class ClusterPodOperator" not in source


# The objects of Spark.


def spark_pod(**run: Any) -> dict[str, Any]:
    plan = planned(*chain("train"), clusters={"spark": {**SPARK, **run.pop("spark", {})}}, **run)
    service, pod = plan.clusters[0].objects
    assert service["spec"]["selector"].items() <= pod["metadata"]["labels"].items()
    assert service["spec"]["clusterIP"] == "None"
    found: dict[str, Any] = pod
    return found


def engine_of(pod: dict[str, Any]) -> dict[str, Any]:
    values = {each["name"]: each.get("value") for each in pod["spec"]["containers"][0]["env"]}
    found: dict[str, Any] = json.loads(values["KEDRO_AIRFLOW_K8S_ENGINE"])
    return found


def test_sizes_selectors_and_images_of_spark_come_from_resources() -> None:
    pod = spark_pod(
        spark={"executors": 4, "resources": "server", "worker_resources": "executor"},
        resources={
            "server": {
                "service_account_name": "spark",
                "requests": {"memory": "2Gi"},
                "node_selectors": {"pool": "small"},
            },
            "executor": {
                "image": "registry.example.com/spark:1.0",
                "requests": {"cpu": "1500m"},
                "limits": {"cpu": 2, "memory": "8Gi"},
                "tolerations": [{"key": "batch", "operator": "Exists"}],
            },
        },
    )

    engine = engine_of(pod)
    assert pod["spec"]["serviceAccountName"] == "spark"
    assert pod["spec"]["nodeSelector"] == {"pool": "small"}
    # Heap and overhead are together what the pod has.
    assert engine["conf"] == {
        "spark.executor.instances": "4",
        "spark.driver.memory": "1638m",
        "spark.executor.memory": "6554m",
        "spark.executor.memoryOverhead": "1638m",
        "spark.executor.cores": "2",
        "spark.kubernetes.executor.request.cores": "1500m",
        "spark.kubernetes.executor.limit.cores": "2",
    }
    executor = engine["executor"]["spec"]
    assert executor["containers"][0]["image"] == "registry.example.com/spark:1.0"
    assert executor["tolerations"] == [{"key": "batch", "operator": "Exists"}]


def test_the_settings_of_the_user_go_over_those_that_follow_from_sizes() -> None:
    pod = spark_pod(spark={"conf": {"spark.executor.instances": "7"}})

    assert engine_of(pod)["conf"] == {"spark.executor.instances": "7"}


def test_server_and_executors_have_the_volume_of_the_run_where_nodes_have_it() -> None:
    pod = spark_pod()

    executor = engine_of(pod)["executor"]["spec"]
    for spec in (pod["spec"], executor):
        (mount,) = spec["containers"][0]["volumeMounts"]
        assert mount == {"name": "data", "mountPath": "/home/kedro_docker/data"}
    # Kubernetes puts the name there, in the server's pod.
    claim = executor["volumes"][0]["persistentVolumeClaim"]["claimName"]
    assert claim == "$(KEDRO_AIRFLOW_K8S_OWNED)"


def test_a_text_of_the_user_reaches_executors_as_it_is() -> None:
    pod = spark_pod(env_vars={"PRICE": "5$ or $(OTHER) {{ x }}"})

    values = {e["name"]: e.get("value") for e in pod["spec"]["containers"][0]["env"]}
    # An Airflow template, because of the braces.
    text = json.loads(values["KEDRO_AIRFLOW_K8S_ENGINE"].removeprefix("{{ ").removesuffix(" }}"))
    executor = json.loads(text)["executor"]["spec"]["containers"][0]
    # Doubled twice: the server's variable is resolved by Kubernetes, and so is the executor's.
    assert {"name": "PRICE", "value": "5$$$$ or $$$$(OTHER) {{ x }}"} in executor["env"]
    assert values["PRICE"] == '{{ "5$$ or $$(OTHER) {{ x }}" }}'


def test_executors_have_no_token_and_the_variables_of_airflow() -> None:
    pod = spark_pod(
        spark={"resources": "server", "worker_resources": "executor"},
        resources={
            "server": {"service_account_name": "spark"},
            "executor": {"env_vars": {"REGION": {"from_airflow_variable": "region"}}},
        },
    )

    engine = engine_of(pod)
    assert engine["executor"]["spec"]["automountServiceAccountToken"] is False
    assert engine["copied"] == ["REGION"]
    names = [each["name"] for each in pod["spec"]["containers"][0]["env"]]
    assert names.count("REGION") == 1
    assert "automountServiceAccountToken" not in pod["spec"]


def test_pods_of_a_cluster_have_the_labels_for_costs_and_for_the_service() -> None:
    labels = spark_pod()["metadata"]["labels"]

    assert labels["kedro-airflow-k8s/project"] == "shop"
    assert labels["kedro-airflow-k8s/role"] == "head"
    assert labels["kedro-airflow-k8s/cluster"].endswith("-spark")


def test_the_name_of_a_cluster_leaves_room_for_the_names_of_executors() -> None:
    name = "c" * 20
    long = planned(
        node("a", "x", "y", f"cluster.{name}"), clusters={name: SPARK}, run_name="d" * 90
    )
    own = long.clusters[0].objects[0]["metadata"]["name"]
    hash_in_run = "0" * 12
    before, _, rest = own.partition("{{")
    assert len(before + hash_in_run + rest.rpartition("}}")[2]) <= 47


@pytest.mark.parametrize("run_name", ["2026-sales", "2026", "-1-2_a"])
def test_the_name_of_a_cluster_begins_with_a_letter_as_that_of_a_service_must(
    run_name: str,
) -> None:
    plan = planned(*chain("train"), clusters={"spark": SPARK}, run_name=run_name)

    assert plan.clusters[0].own[0].isalpha()


def test_clusters_with_similar_names_have_constants_of_their_own() -> None:
    names = ("a", "a-objects", "a--objects")
    nodes = [node(f"n{i}", f"x{i}", f"y{i}", f"cluster.{name}") for i, name in enumerate(names)]
    dask = {"type": "dask"}

    source = render_dag(planned(*nodes, clusters=dict.fromkeys(names, dask))).source

    constants = re.findall(r"^(CLUSTER_\w+)(?:: .*?)? = ", source, re.MULTILINE)
    assert len(constants) == len({*constants}) == 6


# A manifest.


def test_the_name_in_this_run_takes_the_place_of_cluster_in_all_texts() -> None:
    manifest = {
        "type": "manifest",
        "objects": [{**POD, "spec": {"containers": [{"args": ["--at", "$(CLUSTER):1", "{{x}}"]}]}}],
        "ready": {"port": "$(CLUSTER)-x:80"},
        "env": {"AT": "$(CLUSTER)-x", "IP": "$(Pod.status.podIP)", "PRICE": "5$ $(OTHER)"},
    }

    (cluster,) = planned(node("a", "x", "y", "cluster.m"), clusters={"m": manifest}).clusters

    (pod,) = cluster.objects
    own = pod["metadata"]["name"].removesuffix("-x")
    assert own.endswith("-m")
    args = pod["spec"]["containers"][0]["args"]
    # Airflow does not read the braces of the user.
    assert args == ["--at", f"{own}:1", '{{ "{{x}}" }}']
    assert cluster.ready == {"port": f"{own}-x:80"}
    # Kubernetes leaves dollar signs of the user; the field is put there when the pod starts.
    assert cluster.variables == {
        "AT": f"{own}-x",
        "IP": "$(Pod.status.podIP)",
        "PRICE": "5$$ $$(OTHER)",
    }


# Ray and Dask.


@pytest.mark.parametrize(
    ("kind", "variable", "address"),
    [
        ("ray", "RAY_ADDRESS", "ray://{}:10001"),
        ("dask", "DASK_SCHEDULER_ADDRESS", "tcp://{}:8786"),
    ],
)
def test_ray_and_dask_have_a_head_and_workers_that_find_it_by_its_service(
    kind: str, variable: str, address: str
) -> None:
    sizes = {"limits": {"cpu": 2, "memory": "4Gi"}}
    config = {"type": kind, "workers": 3, "worker_resources": "big"}
    plan = planned(
        node("a", "x", "y", "cluster.c"), clusters={"c": config}, resources={"big": sizes}
    )

    (cluster,) = plan.clusters
    service, head, *workers = cluster.objects
    own = service["metadata"]["name"]
    assert cluster.variables == {variable: address.format(own)}
    assert head["metadata"]["name"] == own
    assert [each["metadata"]["name"] for each in workers] == [f"{own}-worker-{i}" for i in range(3)]
    assert service["spec"]["selector"].items() <= head["metadata"]["labels"].items()
    for worker in workers:
        container = worker["spec"]["containers"][0]
        assert not service["spec"]["selector"].items() <= worker["metadata"]["labels"].items()
        assert any(f"{own}:" in argument for argument in container["args"])
        assert container["resources"]["limits"]["memory"] == "4Gi"
    # Workers look for the head before it is ready.
    assert service["spec"]["publishNotReadyAddresses"]


def test_the_head_of_ray_can_start_a_process_for_each_client() -> None:
    plan = planned(node("a", "x", "y", "cluster.c"), clusters={"c": {"type": "ray"}})

    for pod in plan.clusters[0].objects[1:]:
        variables = pod["spec"]["containers"][0]["env"]
        assert {"name": "GRPC_ENABLE_FORK_SUPPORT", "value": "false"} in variables


def test_the_page_of_ray_and_dask_listens_only_inside_the_pod() -> None:
    for kind, option in (("ray", "--dashboard-host=127.0.0.1"), ("dask", "127.0.0.1:8787")):
        nodes = [node("a", "x", "y", "cluster.c")]
        head = planned(*nodes, clusters={"c": {"type": kind}}).clusters[0].objects[1]
        assert option in head["spec"]["containers"][0]["args"]
