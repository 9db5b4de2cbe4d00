"""The settings of tasks, as real Airflow has them after it has parsed the file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from kedro_airflow_k8s.project.entities import PipelineNode
from tests.support.airflow_environments import AIRFLOW_PYTHONS
from tests.support.parsed_dags import parsed_dag

pytestmark = pytest.mark.core

SCRIPT = "task_settings.py"
OF_ALL: dict[str, Any] = {
    "startup_time": 301,
    "schedule_timeout": "2h",
    "on_eviction": 3,
    "retries": 4,
    "retry_delay": "3m",
    "retry_exponential_backoff": True,
    "max_retry_delay": "20m",
    "execution_timeout": "6h",
    "pool": "small",
    "pool_slots": 2,
    "priority_weight": 7,
    "weight_rule": "absolute",
    "queue": "pods",
    "max_active_tis_per_dag": 3,
    "deferrable": True,
    "poll_interval": 9,
    "on_finish_action": "keep_pod",
    "trigger_rule": "none_failed",
}
OF_THE_ENTRY: dict[str, Any] = {
    "startup_time": 302,
    "schedule_timeout": "12h",
    "on_eviction": 0,
    "retries": 0,
    "retry_delay": "30s",
    "retry_exponential_backoff": False,
    "max_retry_delay": "1m",
    "execution_timeout": "1m",
    "pool": "gpus",
    "pool_slots": 1,
    "priority_weight": 70,
    "weight_rule": "upstream",
    "queue": "machines",
    "executor": "LocalExecutor",
    "max_active_tis_per_dag": 1,
    "deferrable": False,
    "poll_interval": 10,
    "on_finish_action": "delete_succeeded_pod",
    "trigger_rule": "none_failed_min_one_success",
}
NODES = (
    PipelineNode("first", outputs=("one",)),
    PipelineNode("plain", inputs=("one",), outputs=("two",)),
    PipelineNode("tagged", inputs=("two",), tags=("resources.large",)),
)
DURATIONS = {"2h": 7200, "3m": 180, "20m": 1200, "6h": 21600, "12h": 43200, "30s": 30, "1m": 60}
IN_AIRFLOW = {
    "startup_time": "startup_timeout_seconds",
    "schedule_timeout": "schedule_timeout_seconds",
}


def as_airflow_has(settings: dict[str, Any]) -> dict[str, Any]:
    """Settings by the names of Airflow, with times in seconds."""
    return {
        IN_AIRFLOW.get(name, name): DURATIONS.get(value, value) if isinstance(value, str) else value
        for name, value in settings.items()
    }


@pytest.fixture(params=AIRFLOW_PYTHONS)
def python(request: pytest.FixtureRequest) -> Path:
    found: Path = request.param
    return found


def test_airflow_has_the_settings_of_all_tasks_and_those_of_an_entry(
    python: Path, tmp_path: Path
) -> None:
    tasks = parsed_dag(
        python, tmp_path, SCRIPT, {**OF_ALL, "resources": {"large": OF_THE_ENTRY}}, NODES
    )

    assert tasks["plain"] == {**as_airflow_has(OF_ALL), "executor": None}
    assert tasks["tagged"] == as_airflow_has(OF_THE_ENTRY)
    # After a setup, Airflow allows no other rule.
    assert tasks["first"] == {**tasks["plain"], "trigger_rule": "all_success"}
    # The tasks around the nodes are in the same pool, but start by rules of their own.
    assert tasks["data_volume_init"] == tasks["first"]
    assert tasks["delete_volume"]["pool"] == OF_ALL["pool"]
    assert tasks["delete_volume"]["trigger_rule"] == "all_done_setup_success"


def test_without_settings_airflow_has_its_own_defaults(python: Path, tmp_path: Path) -> None:
    tasks = parsed_dag(python, tmp_path, SCRIPT, {"resources": {"large": {}}}, NODES)

    assert tasks["tagged"] == tasks["plain"] == {
        "startup_timeout_seconds": 600,
        "schedule_timeout_seconds": 600,
        "retries": 0,
        "retry_delay": 300,
        "retry_exponential_backoff": False,
        "max_retry_delay": None,
        "execution_timeout": None,
        "pool": "default_pool",
        "pool_slots": 1,
        "priority_weight": 1,
        "weight_rule": "downstream",
        "queue": "default",
        "executor": None,
        "max_active_tis_per_dag": None,
        # Written into the DAG: a setting of Airflow does not decide.
        "deferrable": False,
        "poll_interval": 2,
        "on_finish_action": "delete_pod",
        "trigger_rule": "all_success",
    }  # fmt: skip


def test_an_entry_takes_settings_of_all_tasks_back(python: Path, tmp_path: Path) -> None:
    entry = {"deferrable": "default", "keep_failed_pods": False}
    settings = {"deferrable": True, "keep_failed_pods": True, "resources": {"large": entry}}
    tasks = parsed_dag(python, tmp_path, SCRIPT, settings, NODES)

    assert tasks["plain"]["on_finish_action"] == "delete_succeeded_pod"
    assert tasks["plain"]["deferrable"] is True
    # By Airflow's own setting, which is off unless someone turns it on.
    assert tasks["tagged"]["deferrable"] is False
    assert tasks["tagged"]["on_finish_action"] == "delete_pod"


@pytest.mark.parametrize(("retries", "of_a_node"), [(4, 4), (1, 2)])
def test_a_visible_node_that_runs_alone_is_repeated_as_often_as_any_other(
    python: Path, tmp_path: Path, retries: int, of_a_node: int
) -> None:
    group = {"__default__": {"by": "pipeline", "nodes": "visible"}}
    tasks = parsed_dag(python, tmp_path, SCRIPT, {"retries": retries, "grouping": group}, NODES[:2])

    assert tasks["pipeline.pod"]["retries"] == retries
    # Airflow can fail a task that waits too early: two attempts are for that.
    assert tasks["pipeline.plain"]["retries"] == of_a_node
    assert tasks["pipeline.plain"]["retry_delay"] == 10


@pytest.mark.parametrize("rule", ["downstream", "upstream", "absolute"])
def test_the_task_of_a_pod_has_precedence_over_those_that_wait_for_it(
    python: Path, tmp_path: Path, rule: str
) -> None:
    group = {"__default__": {"by": "pipeline", "nodes": "visible"}}
    settings = {"priority_weight": 7, "weight_rule": rule, "grouping": group}
    tasks = parsed_dag(python, tmp_path, SCRIPT, settings, NODES[:2])

    pod, nodes = tasks["pipeline.pod"], [tasks["pipeline.first"], tasks["pipeline.plain"]]
    assert (pod["priority_weight"], pod["weight_rule"]) == (8, rule)
    # By the other rules, the weights of the tasks around one would be added.
    assert {(each["priority_weight"], each["weight_rule"]) for each in nodes} == {(7, "absolute")}
