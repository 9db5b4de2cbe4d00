"""Clusters in `airflow-k8s.yaml`: what is taken, and what is refused with the way out."""

from typing import Any

import pytest

from kedro_airflow_k8s.config.clusters import ClusterConfig
from kedro_airflow_k8s.config.load import load_config
from kedro_airflow_k8s.config.warnings import config_warnings
from kedro_airflow_k8s.errors import ConfigError

SPARK = {"type": "spark-connect"}
POD = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "$(CLUSTER)"}}
MANIFEST = {"type": "manifest", "objects": [POD]}


def cluster(given: dict[str, Any], **run: Any) -> ClusterConfig:
    content = {"run_config": {"clusters": {"one": given}, **run}}
    return load_config(content, "airflow-k8s.yaml").run_config.clusters["one"]


def refusal(given: dict[str, Any], name: str = "one") -> str:
    with pytest.raises(ConfigError) as caught:
        load_config({"run_config": {"clusters": {name: given}}}, "airflow-k8s.yaml")
    _, line = str(caught.value).split("\n  ")
    return line.removeprefix("run_config.clusters.")


def test_executors_and_for_are_the_words_of_spark_users() -> None:
    found = cluster({**SPARK, "executors": 3, "for": "spark_datasets"})

    assert (found.workers, found.nodes, found.timeout) == (3, "spark_datasets", 600)


def test_a_number_in_conf_becomes_text_as_spark_takes_it() -> None:
    found = cluster({**SPARK, "conf": {"spark.sql.shuffle.partitions": 16}})

    assert found.conf == {"spark.sql.shuffle.partitions": "16"}


def test_the_default_entry_of_resources_exists_without_being_written() -> None:
    assert cluster({**SPARK, "resources": "__default__"}).resources == "__default__"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "one.type: a value is required"),
        ({"type": "spark"}, "one.type: found the text 'spark'; must be one of"),
        ({**SPARK, "objects": [POD]}, "it is not for `type: spark-connect`"),
        ({"type": "manifest"}, "one.objects: is missing: `type: manifest` needs the objects"),
        ({**MANIFEST, "executors": 2}, "it is not for `type: manifest`"),
        ({**SPARK, "executors": 0}, "must be at least 1"),
        ({**SPARK, "executor": 2}, "unknown key. Did you mean 'executors'?"),
        ({**SPARK, "resources": "big"}, "must be an entry of `run_config.resources`"),
        ({**SPARK, "conf": {"shuffle": "1"}}, "must begin with `spark.`"),
        (
            {**SPARK, "conf": {"spark.jars.packages": "org.example:x:1"}},
            "would download packages at each start, which fails without access to the internet",
        ),
        ({**SPARK, "address": "spark:15002"}, "must be an address such as sc://"),
        ({**SPARK, "address": "sc://h:1/;token=abc"}, "put the whole address into a Secret"),
        (
            {**SPARK, "address": "sc://h:1", "executors": 2},
            "the cluster at `address` has its own settings",
        ),
    ],
)
def test_a_key_that_does_not_fit_the_type_is_refused_with_the_reason(
    given: dict[str, Any], message: str
) -> None:
    assert message in refusal(given)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"apiVersion": None}, "objects[0].apiVersion: found nothing; is missing"),
        ({"metadata": {}}, "objects[0].metadata.name: is missing: name the object $(CLUSTER)"),
        ({"metadata": {"name": "spark"}}, "must contain $(CLUSTER): each run has objects of its"),
        (
            {"metadata": {"name": "$(CLUSTER)", "namespace": "x"}},
            "objects[0].metadata.namespace: found the text 'x'; must be omitted",
        ),
        (
            {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy"},
            "must be of a kind whose plural adds only an `s`",
        ),
    ],
)
def test_an_object_that_a_run_cannot_make_is_refused(change: dict[str, Any], message: str) -> None:
    assert message in refusal({"type": "manifest", "objects": [{**POD, **change}]})


@pytest.mark.parametrize(
    ("ready", "message"),
    [
        ({}, "ready.condition: is missing: or say `field` or `port`"),
        ({"condition": "Ready", "field": "a=b"}, "must be the only one of"),
        ({"field": "status"}, "must be a path and a value, such as `status.state=ready`"),
        ({"port": "15002"}, "must be a host and a port"),
        ({"port": "host:1", "kind": "Pod"}, "must be omitted: `port` looks at no object"),
        ({"kind": "RayCluster", "condition": "Ready"}, "must be the kind of one of the objects"),
    ],
)
def test_ready_says_one_thing_that_can_be_looked_at(ready: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        cluster({**MANIFEST, "ready": ready})
    assert message in str(caught.value)


def test_a_variable_can_have_only_fields_of_the_objects() -> None:
    assert cluster({**MANIFEST, "env": {"IP": "$(Pod.status.podIP)"}}).env
    assert "has a field of Node, which must be the kind of one of the objects: Pod" in refusal(
        {**MANIFEST, "env": {"IP": "$(Node.status.x)"}}
    )


@pytest.mark.parametrize("name", ["spark_1", "Spark", "a" * 21, "ray-worker-0"])
def test_a_name_becomes_a_part_of_names_of_objects(name: str) -> None:
    assert f"{name}: the key must" in refusal(SPARK, name)


@pytest.mark.parametrize(
    ("given", "path"),
    [
        (
            {**SPARK, "conf": {"spark.hadoop.fs.s3a.secret.key": "abcdefgh"}},
            "run_config.clusters.one.conf['spark.hadoop.fs.s3a.secret.key']",
        ),
        ({**MANIFEST, "env": {"API_TOKEN": "abcdefgh"}}, "run_config.clusters.one.env.API_TOKEN"),
        (
            {
                "type": "manifest",
                "objects": [{**POD, "kind": "Secret", "stringData": {"a": "b"}}],
            },
            "run_config.clusters.one.objects[0]",
        ),
    ],
)
def test_what_looks_like_a_password_is_named(given: dict[str, Any], path: str) -> None:
    config = load_config({"run_config": {"clusters": {"one": given}}}, "airflow-k8s.yaml")

    (warning,) = [each for each in config_warnings(config) if "clusters" in each.path]

    assert warning.path == path
    assert "This looks like a password or a key." in warning.reason
