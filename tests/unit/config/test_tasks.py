"""Which nodes share a task and how tasks hand data on, as `airflow-k8s.yaml` may say it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

import kedro_airflow_k8s
from kedro_airflow_k8s.config.load import load_config
from kedro_airflow_k8s.config.model import RunConfig
from kedro_airflow_k8s.config.tasks import Grouping
from kedro_airflow_k8s.errors import ConfigError

SCHEMA = Path(kedro_airflow_k8s.__file__).with_name("config") / "airflow-k8s.schema.json"


def run_config(**keys: Any) -> RunConfig:
    return load_config({"run_config": keys}, "airflow-k8s.yaml").run_config


def mistake(**keys: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        run_config(**keys)
    return str(caught.value).splitlines()[1].strip()


def accepted_by_editors(**keys: Any) -> bool:
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    return jsonschema.Draft202012Validator(schema).is_valid({"run_config": keys})


def test_one_word_groups_the_nodes_of_all_pipelines() -> None:
    assert run_config(grouping="memory").grouping == {"__default__": Grouping(by="memory")}
    assert accepted_by_editors(grouping="memory")


def test_each_pipeline_may_be_grouped_in_its_own_way() -> None:
    by_pipeline = {"__default__": "none", "data_science": "namespace"}

    assert run_config(grouping=by_pipeline).grouping == {
        "__default__": Grouping(by="none"),
        "data_science": Grouping(by="namespace"),
    }
    assert accepted_by_editors(grouping=by_pipeline)


def test_a_grouping_says_how_the_nodes_of_a_pod_run_and_whether_they_are_seen() -> None:
    given = {"by": "memory", "nodes": "visible", "runner": "thread", "max_workers": 4}

    assert run_config(grouping={"__default__": given}).grouping["__default__"].by == "memory"
    assert accepted_by_editors(grouping={"__default__": given})
    assert mistake(grouping={"__default__": {"max_workers": 4}}) == (
        "run_config.grouping.__default__.max_workers: found the number 4; needs `runner: thread` or"
        " `runner: parallel`"
    )


def test_a_key_without_a_value_groups_nothing() -> None:
    assert run_config(grouping=None).grouping == {}
    assert accepted_by_editors(grouping=None)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (
            "memroy",
            (
                "run_config.grouping: found the text 'memroy'; must be one of none, memory,"
                " namespace, pipeline, tag. Did you mean 'memory'?"
            ),
        ),
        (
            {"reporting": "tags"},
            (
                "run_config.grouping.reporting.by: found the text 'tags'; must be one of none,"
                " memory, namespace, pipeline, tag. Did you mean 'tag'?"
            ),
        ),
        (
            ["memory"],
            (
                "run_config.grouping: found a list of 1; must be one of none, memory, namespace,"
                " pipeline, tag, or keys that are pipelines, each with one"
            ),
        ),
    ],
)
def test_another_grouping_is_refused(value: Any, message: str) -> None:
    assert mistake(grouping=value) == message
    assert not accepted_by_editors(grouping=value)


@pytest.mark.parametrize(
    "place",
    [
        "s3://bucket/folder",
        "gs://bucket",
        "gcs://bucket/a/b",
        "s3a://bucket/a/b",
        "abfs://container/folder",
        "abfss://container@account.dfs.core.windows.net/folder",
    ],
)
def test_data_may_be_passed_on_over_object_storage(place: str) -> None:
    assert run_config(intermediate_data=place).intermediate_data == place
    assert run_config(intermediate_data=f"{place}/").intermediate_data == place
    assert accepted_by_editors(intermediate_data=place)


@pytest.mark.parametrize(
    ("place", "reason"),
    [
        (
            "/mnt/data",
            "it begins with one of s3://, s3a://, gs://, gcs://, abfs://, abfss://, az://",
        ),
        ("http://example.com/data", "it begins with one of"),
        ("s3:///folder", "the bucket is missing"),
        ("s3://bucket/a b", "without spaces"),
        ("s3://bucket/{{ ds }}", "braces"),
        ("s3://bucket/$HOME", "`$`"),
        ("s3://bucket/*/x", "`*`"),
        ("s3://bucket/[ab]", "brackets"),
        ("s3://bucket/a::file:///x", "`::`"),
        ("s3://bucket/../other", "without `.` and `..` as folders"),
        ("s3://[::1", "must be a place on object storage"),
    ],
)
def test_another_place_is_refused(place: str, reason: str) -> None:
    message = mistake(intermediate_data=place)

    assert message.startswith(f"run_config.intermediate_data: found the text {place!r}; must be")
    assert reason in message


def test_a_key_in_the_place_is_refused_and_not_repeated() -> None:
    message = mistake(intermediate_data="s3://user:hunter2@bucket/folder")

    assert "keys and passwords do not belong in this file" in message
    assert "hunter2" not in message


@pytest.mark.parametrize(
    ("volume", "together"),
    [
        ({}, True),
        ({"same_node": False}, False),
        ({"access_modes": ["ReadWriteMany"]}, False),
        ({"access_modes": ["ReadWriteMany"], "same_node": True}, True),
        ({"access_modes": ["ReadWriteOnce", "ReadOnlyMany"]}, True),
        ({"access_modes": ["ReadWriteOnce", "ReadWriteMany"]}, False),
        ({"access_modes": ["ReadWriteOncePod"]}, False),
        ({"disabled": True}, False),
    ],
)
def test_pods_stay_on_one_machine_where_the_volume_can_be_on_one_only(
    volume: dict[str, Any], together: bool
) -> None:
    assert run_config(volume=volume).volume.keeps_pods_together == together
