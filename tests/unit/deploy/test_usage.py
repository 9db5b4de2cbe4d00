"""What tasks have used over several runs, and the resources that would fit them."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from kedro_airflow_k8s.airflow_api import RunState
from kedro_airflow_k8s.config.kubernetes import parse_quantity
from kedro_airflow_k8s.config.load import load_config
from kedro_airflow_k8s.deploy.usage import (
    KEY,
    TaskUsage,
    as_json,
    asked_for,
    rounded_cpu,
    rounded_memory,
    show_usage,
    suggestion,
    usage_of,
)
from kedro_airflow_k8s.errors import RunError
from tests.support.checked import node, subject
from tests.support.scripted_airflow import ScriptedAirflow
from tests.unit.deploy.looking import DONE, FAILED, add_run, looked_at

MIB = 2**20
RESOURCES = {
    "__default__": {"requests": {"cpu": "250m", "memory": "512Mi"}},
    "huge": {"requests": {"cpu": "4", "memory": "1Gi"}, "limits": {"memory": "2Gi"}},
}
NODES = [node("prepare", "orders", "table"), node("train", "table", "model", "resources.huge")]


def used(memory: int, cpu: float, wall: float, **more: Any) -> str:
    return json.dumps({"memory": memory * MIB, "cpu": cpu, "wall": wall, **more})


@pytest.fixture(name="airflow")
def _airflow() -> ScriptedAirflow:
    """Three runs; in the second, `train` has left nothing."""
    airflow = looked_at(RunState.SUCCESS)
    airflow.tasks["train"] = DONE
    airflow.runs.clear()
    for name in ("first", "second", "third"):
        add_run(airflow, name, RunState.SUCCESS)
    for run, memory in (("first", 100), ("second", 300), ("third", 200)):
        airflow.xcoms[run, "prepare", KEY] = used(memory, 2, 10, read=1500000, written=10)
    airflow.xcoms["first", "train", KEY] = used(1500, 6, 4)
    airflow.xcoms["third", "train", KEY] = used(900, 8, 4)
    return airflow


def usage(airflow: ScriptedAirflow, runs: int = 10, nodes: Any = NODES) -> list[TaskUsage]:
    checked = subject(nodes, resources=RESOURCES)
    return usage_of(airflow, "shop", runs, asked_for(checked.pipeline, checked.run))


def test_the_most_of_all_runs_counts_beside_what_a_task_asks_for(airflow: ScriptedAirflow) -> None:
    prepare, train = usage(airflow)

    assert (prepare.task_id, prepare.runs, prepare.memory) == ("prepare", 3, 300 * MIB)
    assert (prepare.cores, prepare.cpu, prepare.wall) == (0.2, 2, 10)
    assert (prepare.read, prepare.written) == (1500000, 10)
    assert (prepare.entry, prepare.requests) == ("__default__", {"cpu": "250m", "memory": "512Mi"})
    assert (train.runs, train.memory, train.cores) == (2, 1500 * MIB, 2)
    assert (train.entry, train.limits) == ("huge", {"memory": "2Gi"})


def test_other_words_that_a_task_has_left_do_not_count(airflow: ScriptedAirflow) -> None:
    for run, words in (("first", "all good"), ("third", '{"rows": 3}')):
        airflow.xcoms[run, "train", KEY] = words
    assert [task.task_id for task in usage(airflow)] == ["prepare"]


def test_only_so_many_of_the_last_runs_are_looked_at(airflow: ScriptedAirflow) -> None:
    assert [(task.runs, task.memory) for task in usage(airflow, runs=1)] == [
        (1, 200 * MIB),
        (1, 900 * MIB),
    ]


def test_the_table_has_a_bar_for_the_part_of_the_limit_or_else_of_the_request(
    airflow: ScriptedAirflow,
) -> None:
    written = io.StringIO()
    show_usage(usage(airflow), Console(file=written, width=80, highlight=False))
    lines = [" ".join(line.split()) for line in written.getvalue().splitlines()]
    assert lines == [
        "Task Runs Peak memory Requested Limit Of it CPUs Requested Seconds Read Written",
        "prepare 3 300Mi 512Mi ██████░░░░ 59% 0.20 250m 10.0 1.5 MB 0.0 MB",
        "train 2 1500Mi 1Gi 2Gi ███████░░░ 73% 2.00 4 4.0 0.0 MB 0.0 MB",
    ]


def test_the_suggestion_is_valid_configuration_with_a_quarter_more(
    airflow: ScriptedAirflow,
) -> None:
    text = suggestion(usage(airflow))

    assert "      # train: 1500Mi; train: 2.00 CPUs\n" in text
    assert yaml.safe_load(text) == {
        "run_config": {
            "resources": {
                "__default__": {
                    "requests": {"cpu": "250m", "memory": "384Mi"},
                    "limits": {"memory": "384Mi"},
                },
                "huge": {
                    "requests": {"cpu": "2500m", "memory": "2Gi"},
                    "limits": {"memory": "2Gi"},
                },
            }
        }
    }
    load_config(yaml.safe_load(text), "airflow-k8s.yaml")


def test_a_task_of_several_entries_counts_for_each(airflow: ScriptedAirflow) -> None:
    (task, _) = usage(airflow)
    merged = replace(task, entry="huge + small")
    entries = yaml.safe_load(suggestion([merged]))["run_config"]["resources"]
    assert entries["huge"] == entries["small"]


def test_json_has_all_of_it(airflow: ScriptedAirflow) -> None:
    assert json.loads(as_json(usage(airflow)))[1] == {
        "task_id": "train",
        "runs": 2,
        "memory": 1500 * MIB,
        "cores": 2,
        "cpu": 8,
        "wall": 4,
        "read": 0,
        "written": 0,
        "entry": "huge",
        "requests": {"cpu": "4", "memory": "1Gi"},
        "limits": {"memory": "2Gi"},
        "of_runs": {
            "third": {"memory": 900 * MIB, "cpu": 8, "wall": 4},
            "first": {"memory": 1500 * MIB, "cpu": 6, "wall": 4},
        },
    }


def test_a_task_that_the_project_does_not_have_is_shown_without_what_it_asks_for(
    airflow: ScriptedAirflow,
) -> None:
    other = [node("look", "orders", "found")]

    assert [(task.entry, task.requests) for task in usage(airflow, nodes=other)] == [(None, {})] * 2
    with pytest.raises(RunError, match="no task prepare, train"):
        suggestion(usage(airflow, nodes=other))


def test_a_dag_of_which_nothing_is_known_says_what_is_missing(airflow: ScriptedAirflow) -> None:
    airflow.tasks["train"] = airflow.tasks["prepare"] = FAILED
    with pytest.raises(RunError, match="Only tasks that succeed leave it") as caught:
        usage(airflow)
    assert "asked for 3 runs" in str(caught.value)
    with pytest.raises(RunError, match="has no DAG nope"):
        usage_of(airflow, "nope", 10, {})


@given(st.floats(1, 2**45))
def test_memory_is_rounded_up_by_little(used: float) -> None:
    suggested = float(parse_quantity(rounded_memory(used)))
    assert used * 1.25 <= suggested <= used * 1.25 * 1.3 + 32 * MIB


@given(st.floats(0, 256))
def test_cpus_are_rounded_up_by_little(used: float) -> None:
    suggested = float(parse_quantity(rounded_cpu(used)))
    assert used * 1.25 - 1e-6 <= suggested <= used * 1.25 + 0.25
