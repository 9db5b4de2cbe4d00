"""Settings that load and that no run notices."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from kedro_airflow_k8s.checks.slips import endless_waits, scheduled_twice, unused_resources
from kedro_airflow_k8s.plan.build import Plan
from kedro_airflow_k8s.project.nodes import NodeKey
from tests.support.checked import config, node, subject

TAGS = {"train": {"resources.gpu", "nightly"}, "clean": set[str]()}


def unused(*names: str) -> list[tuple[str, str]]:
    run = config(resources={name: {"requests": {"cpu": 1}} for name in names}).run_config
    return [(found.where, found.fix) for found in unused_resources(run, TAGS)]


@pytest.mark.parametrize("names", [(), ("__default__",), ("gpu",), ("__default__", "gpu")])
def test_resources_that_nodes_select_are_fine(names: tuple[str, ...]) -> None:
    assert unused(*names) == []


@pytest.mark.parametrize(
    ("name", "word"),
    [("default", "'__default__'"), ("clean", "names of nodes"), ("big", "'resources.big'")],
)
def test_an_entry_that_no_node_selects_is_reported(name: str, word: str) -> None:
    ((where, fix),) = unused(name, "gpu")
    assert where == f"run_config.resources.{name}"
    assert word in fix


def test_an_entry_that_a_misspelt_tag_means_is_reported_at_the_tag() -> None:
    run = config(resources={"big": {"requests": {"cpu": 1}}}).run_config
    assert list(unused_resources(run, {"train": {"resources.bigg"}})) == []


def dag(dag_id: str, *waits: str, **options: Any) -> Plan:
    dependencies = [{"dag_id": other, **options} for other in waits]
    checked = subject([node("load", "", "table")], {}, external_dependencies=dependencies)
    return replace(checked.plan, dag_id=dag_id)


def test_a_dag_that_waits_for_itself_is_an_error() -> None:
    (found,) = endless_waits([dag("shop.a", "shop.a", "crm"), dag("shop.b", "shop.a")])
    assert (found.code, found.severity) == ("endless-wait", "error")
    assert "'shop.a' waits for itself" in found.problem


def test_dags_that_wait_for_each_other_are_one_error() -> None:
    (found,) = endless_waits([dag("a", "b"), dag("b", "c"), dag("c", "a"), dag("d", "a")])
    assert "a -> b -> c -> a" in found.problem


def test_other_waits_are_fine() -> None:
    assert list(endless_waits([dag("a", "b", "crm"), dag("b", "c"), dag("c")])) == []
    assert list(endless_waits([dag("a", "a", execution_delta=1440)])) == []
    assert list(endless_waits([])) == []


def nodes(*names: str, output: str = "x") -> frozenset[NodeKey]:
    return frozenset((name, ("in",), (output,)) for name in names)


def test_a_pipeline_that_repeats_scheduled_ones_is_one_warning() -> None:
    pipelines = {"a": nodes("a", "b"), "__default__": nodes("a", "b", "c"), "c": nodes("c")}
    (found,) = scheduled_twice(pipelines, pipelines)
    assert (found.code, found.severity) == ("scheduled-twice", "warning")
    assert found.subjects == ("__default__",)
    assert "3 of its 3 nodes" in found.problem
    assert found.problem.endswith("'a', 'c'.")
    assert "below pipelines.__default__" in found.fix


def test_each_pair_of_pipelines_with_common_nodes_is_reported() -> None:
    pipelines = {"a": nodes("a", "b"), "b": nodes("b", "c"), "c": nodes("c", "d")}
    found = list(scheduled_twice(pipelines, pipelines))
    assert [(each.where, each.problem[-4:]) for each in found] == [
        ("pipeline 'a'", "'b'."),
        ("pipeline 'b'", "'c'."),
    ]


def test_other_nodes_of_the_same_name_are_fine() -> None:
    pipelines = {"a": nodes("train"), "b": nodes("train", output="y"), "empty": nodes()}
    assert list(scheduled_twice(pipelines, pipelines)) == []


def test_of_pipelines_with_the_schedule_of_all_one_may_be_deployed_alone() -> None:
    pipelines = {"__default__": nodes("a", "b"), "a": nodes("a"), "b": nodes("b")}
    assert list(scheduled_twice(pipelines, [])) == []
    (found,) = scheduled_twice(pipelines, ["a"])
    assert found.problem.endswith(": 'a'.")
