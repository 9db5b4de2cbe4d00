"""What is said of the difference of two DAG files."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings

from kedro_airflow_k8s.config.model import PluginConfig
from kedro_airflow_k8s.dag.render import render_dag
from kedro_airflow_k8s.errors import PlanError
from kedro_airflow_k8s.plan.build import build_plan
from kedro_airflow_k8s.project.entities import ProjectPipeline
from kedro_airflow_k8s.upload import MAX_SIZE
from tests.support.dag_diffs import CLEAN, LOAD, TRAIN, diff, said, source
from tests.support.strategies import projects

# Kedro warns of such namespaces and takes them.
pytestmark = pytest.mark.filterwarnings("ignore:Namespace ':UserWarning")


def test_the_same_file_is_not_a_difference() -> None:
    assert diff(source(), source()).same


def test_a_file_that_is_not_there_is_a_new_dag() -> None:
    found = diff(None, source())

    (line,) = found.summary
    assert line.text == "New DAG shop with 1 task: s3://bucket/dags/shop.py is not there yet."
    assert found.lines == ()


def test_tasks_that_come_and_go_have_a_line_each() -> None:
    other = replace(TRAIN, name="fit")

    assert said(source(), source(LOAD, CLEAN, other)) == ["- train", "+ fit"]


def test_a_task_that_runs_after_others_says_so() -> None:
    direct = replace(TRAIN, inputs=("orders", "clean_orders"))

    assert said(source(), source(LOAD, CLEAN, direct)) == [
        "~ train: runs after: clean -> clean, load"
    ]


def test_a_task_with_other_resources_says_so() -> None:
    entries = {"huge": {"requests": {"memory": "64Gi"}}}
    tagged = replace(TRAIN, tags=("resources.huge",))

    words = said(source(resources=entries), source(LOAD, CLEAN, tagged, resources=entries))

    assert words[0] == "~ train: resources is new"
    assert words[1].startswith("+ RESOURCES.huge: {")


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ({"image": "a:1"}, {"image": "b:2"}, ["~ default_args.image: 'a:1' -> 'b:2'"]),
        ({}, {"cron_expression": "@daily"}, ["~ schedule: None -> '@daily'"]),
        ({}, {"description": "Sales"}, ["+ description: 'Sales'"]),
        ({"description": "Sales"}, {}, ["- description"]),
        ({}, {"env_vars": {"A": "1"}}, ["+ ENV.A: '1'"]),
        ({}, {"startup_time": 60}, ["~ default_args.startup_timeout_seconds: 600 -> 60"]),
        ({}, {"volume": {"size": "9Gi"}}, ["~ VOLUME.spec differs"]),
        ({}, {"service_account_name": "robot"}, ["~ POD.spec differs"]),
    ],
)  # fmt: skip
def test_a_setting_that_differs_has_a_line(
    old: dict[str, Any], new: dict[str, Any], words: list[str]
) -> None:
    assert said(source(**old), source(**new)) == words


def test_only_another_commit_is_reported_as_that() -> None:
    found = diff(source(), source(project={"commit": "1b2c3d"}))

    assert [line.text for line in found.summary[1:]] == [
        "Only its origin differs: commit_sha 0a1b2c -> 1b2c3d."
    ]


def test_a_comment_is_reported_as_nothing_that_runs() -> None:
    found = diff(source() + "# mine\n", source())

    assert found.summary[1].text.startswith("Only comments, layout")
    assert found.lines[-1].text == "-# mine"


def test_a_dag_written_by_hand_is_read_too() -> None:
    old = """
from airflow.sdk import DAG
with DAG("mine", schedule="@daily", tags=["team"]) as dag:
    a = BashOperator(task_id="first", bash_command="ls")
    b = BashOperator(task_id="second", bash_command="ls")
    a >> b
"""
    new = old.replace("ls", "pwd", 1).replace("a >> b", "b >> a").replace("@daily", "@weekly")

    assert said(old, new) == [
        "~ first: bash_command: 'ls' -> 'pwd', runs after: nothing -> second",
        "~ second: runs after: first -> nothing",
        "~ schedule: '@daily' -> '@weekly'",
    ]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"print(1)", "is not a DAG: it has no `with DAG(...)`"),
        (b"with DAG(", "is not a DAG: "),
        (b"\x7fELF\0", "is not a text file"),
    ],
)
def test_a_file_of_another_kind_is_named(data: bytes, reason: str) -> None:
    assert f"The file there {reason}" in diff(data, source()).summary[1].text


def test_a_file_that_is_too_large_is_not_read() -> None:
    from kedro_airflow_k8s.deploy.diff import compare
    from kedro_airflow_k8s.upload import StoredFile
    from tests.support.compiled_dags import compiled_dag

    found = compare(compiled_dag("shop"), StoredFile("place", MAX_SIZE + 1, None))

    assert f"has {MAX_SIZE + 1} bytes" in found.summary[1].text


@given(projects(), projects())
@settings(max_examples=30)
def test_any_two_dags_have_a_line_exactly_if_they_differ_in_more_than_their_origin(
    one: tuple[ProjectPipeline, PluginConfig], other: tuple[ProjectPipeline, PluginConfig]
) -> None:
    try:
        old, new = (render_dag(build_plan(*given_)).source for given_ in (one, other))
    except PlanError:
        return
    assert diff(old, old).same
    found = diff(old, new)
    assert found.same == (old == new)
    changed = [line for line in found.summary if line.kind in ("added", "removed", "changed")]
    if not changed:
        assert found.same or found.summary[1].text.startswith("Only")
