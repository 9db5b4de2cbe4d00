"""What is said of the settings in which two DAG files differ."""

from __future__ import annotations

import re
from typing import Any

import pytest

from kedro_airflow_k8s.dag import render
from kedro_airflow_k8s.plan import build as plan_module
from tests.support.dag_diffs import config_said, said, source
from tests.support.strategies import (
    IMAGE,
)

# Settings, by the keys of run_config.


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ({}, {"cron_expression": "@daily"}, ["~ schedule: none -> @daily"]),
        (
            {"cron_expression": "@daily"},
            {"cron_expression": "0 6 * * 1-5"},
            ["~ schedule: @daily -> 0 6 * * 1-5"],
        ),
        (
            {},
            {"start_date": "20260721"},
            ["~ start date: 2021-01-01 UTC -> 2026-07-21 UTC"],
        ),
        (
            {},
            {"timezone": "Europe/Paris"},
            ["~ start date: 2021-01-01 UTC -> 2021-01-01 Europe/Paris"],
        ),
        (
            {"cron_expression": "@daily"},
            {"cron_expression": "@continuous"},
            ["~ schedule: @daily -> @continuous", "+ runs at a time: 1"],
        ),
        ({}, {"description": "Sells."}, ["+ description: Sells."]),
        ({}, {"experiment_name": "Sales"}, ["~ experiment: shop -> Sales"]),
        ({}, {"image": "x:2"}, [f"~ image: {IMAGE} -> x:2"]),
        (
            {},
            {"image_pull_policy": "Always"},
            ["~ image pull policy: IfNotPresent -> Always"],
        ),
        ({}, {"namespace": "team"}, ["~ namespace: none -> team"]),
        (
            {},
            {"kubernetes_conn_id": "other"},
            ["~ Kubernetes connection: kubernetes_default -> other"],
        ),
        ({}, {"startup_time": 60}, ["~ seconds for a pod to start: 600 -> 60"]),
        ({}, {"service_account_name": "robot"}, ["~ service account: none -> robot"]),
        (
            {"image_pull_secrets": ["a"]},
            {"image_pull_secrets": ["b"]},
            ["~ image pull secrets: a -> b"],
        ),
        (
            {"env_vars": {"A": "1", "B": "x"}},
            {"env_vars": {"A": "2", "C": ""}},
            [
                "~ environment variable A: 1 -> 2",
                "- environment variable B: x",
                "+ environment variable C: ''",
            ],
        ),
        (
            {"secrets": [{"secret": "s", "key": "k", "deploy_target": "TOKEN"}]},
            {"secrets": [{"secret": "t", "key": "k", "deploy_target": "TOKEN"}]},
            ["~ environment variable TOKEN: key k of secret s -> key k of secret t"],
        ),
        (
            {},
            {"secrets": [{"secret": "whole"}]},
            ["~ secrets as environment variables: none -> whole"],
        ),
        (
            {},
            {"secrets": [{"secret": "s", "deploy_type": "volume", "deploy_target": "/run/s"}]},
            ["+ secret mounted at /run/s: secretName=s, readOnly=true"],
        ),
        (
            {"resources": {"__default__": {"requests": {"cpu": "1"}}}},
            {"resources": {"__default__": {"requests": {"cpu": "2"}, "labels": {"team": "x"}}}},
            [
                "~ resources __default__: requests.cpu: 1 -> 2",
                "+ resources __default__: labels: team=x",
            ],
        ),
        (
            {},
            {"resources": {"__default__": {"limits": {"memory": "1Gi"}}}},
            ["+ resources __default__: limits.memory=1Gi"],
        ),
        (
            {"volume": {"size": "1Gi"}},
            {"volume": {"size": "2Gi", "storageclass": "fast", "owner": 999}},
            [
                "~ volume: size: 1Gi -> 2Gi",
                "~ volume: storage class: none -> fast",
                "~ volume: group (fsGroup): 0 -> 999",
            ],
        ),
        (
            {"macro_params": ["ds"]},
            {"macro_params": ["ds", "ts"], "variables_params": ["v"]},
            ["~ kedro run --params: macros: added ts", "+ kedro run --params: variables: v"],
        ),
    ],
    ids=lambda value: next(iter(value), "nothing") if isinstance(value, dict) else None,
)
def test_a_setting_is_told_in_the_words_of_the_configuration(
    old: dict[str, Any], new: dict[str, Any], words: list[str]
) -> None:
    assert sorted(config_said(old, new)) == sorted(words)


def test_access_modes_are_told_with_what_follows_from_them() -> None:
    found = config_said(
        {"volume": {"access_modes": ["ReadWriteOnce"]}},
        {"volume": {"access_modes": ["ReadWriteMany"]}},
    )
    assert "~ volume: access modes: ReadWriteOnce -> ReadWriteMany" in found
    assert "- volume: all pods of a run on one node: yes" in found


def test_a_volume_that_is_no_longer_made_takes_its_tasks_with_it() -> None:
    found = config_said({}, {"volume": {"disabled": True}})
    for words in (
        "- create_volume",
        "- data_volume_init",
        "- delete_volume",
        "- volume of each run: 1Gi, ReadWriteOnce, /home/kedro_docker/data",
    ):
        assert words in found
    assert not [words for words in found if "waits" in words or words.startswith("~ create")]
    back = config_said({"volume": {"disabled": True}}, {})
    assert "+ volume of each run: 1Gi, ReadWriteOnce, /home/kedro_docker/data" in back


def test_a_volume_that_is_no_longer_filled_loses_the_task() -> None:
    assert config_said({}, {"volume": {"skip_init": True}}) == [
        "- data_volume_init",
        "- volume: filled from the image by way of: /mnt/kedro-data",
    ]


def test_a_wait_for_another_dag_is_a_task() -> None:
    one = {"external_dependencies": [{"dag_id": "up", "timeout": 10}]}
    two = {"external_dependencies": [{"dag_id": "up", "timeout": 20}]}
    task = {"external_dependencies": [{"dag_id": "up", "task_id": "x"}]}
    assert config_said({}, one) == ["+ wait_for_up: waits for DAG up"]
    assert config_said(one, two) == ["~ wait_for_up: timeout: 600 -> 1200"]
    assert "+ wait_for_up.x: waits for task x of DAG up" in config_said(one, task)
    assert "- wait_for_up: waits for DAG up" in config_said(one, task)


def test_fields_of_the_trigger_form_are_told_by_name() -> None:
    def form(depth: Any, *names: Any) -> str:
        parameters = {"depth": depth, "seed": 1}
        return source(project={"parameters": parameters}, trigger_params=list(names))

    assert said(form(3, "depth"), form(4, "depth")) == [
        "~ parameter in the trigger form depth: default: 3 -> 4"
    ]
    found = said(form(3), form(3, "depth"))
    assert any(words.startswith("+ parameter in the trigger form depth: Param(") for words in found)


@pytest.mark.parametrize(
    ("project", "words"),
    [
        ({"env": "prod"}, "~ environment: local -> prod"),
        ({"name": "sales"}, "~ pipeline: __default__ -> sales"),
        ({"package_name": "store"}, "~ project: shop -> store"),
    ],
)
def test_what_the_project_says_is_told(project: dict[str, str], words: str) -> None:
    fixed: dict[str, Any] = {"run_name": "shop", "experiment_name": "x"}
    assert words in said(source(**fixed), source(project=project, **fixed))


def test_another_version_of_the_plugin_brings_other_code(monkeypatch: pytest.MonkeyPatch) -> None:
    old = source().replace("def kedro_literal(value", "def kedro_literal(the_value")
    for module in (plan_module, render):
        monkeypatch.setattr(module, "__version__", "99.1")
    version = re.search(r"generated_with_kedro_airflow_k8s:([^\"]+)", old)
    assert version
    assert said(old, source()) == [
        f"~ plugin version: {version[1]} -> 99.1",
        "~ changed: kedro_literal",
    ]


def test_statements_that_somebody_wrote_into_the_file_are_noticed() -> None:
    old = source() + "\nprint('hello')\nOWN = 3\n\ndef own(): pass\n"
    assert said(old, source()) == [
        "- constant OWN: 3",
        "- gone: own",
        "~ statements of the file that are neither settings nor tasks",
    ]
