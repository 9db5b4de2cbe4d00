"""Backfills on Airflow 3: of a DAG that shows the nodes of a pod, and of one with partitions."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from kedro_airflow_k8s.sandbox.up import stop_sandbox
from tests.airflow.sandbox.services_project import Rest, call, sandbox_of, start_with
from tests.support.kedro_projects import ProjectFolder, make_project

CONFIG = """
run_config:
  image: shop:1.0
  startup_time: 120
  volume: {disabled: true}
  start_date: "20250101"
  date_param: run_date
  grouping:
    shown: {by: pipeline, nodes: visible}
pipelines:
  shown: {cron_expression: "0 6 * * *"}
  parts: {partitioned: daily}
"""
SHOWN = """
from pathlib import Path
from kedro.pipeline import Pipeline, node

RESULTS = Path("FOLDER")

def first(run_date):
    return run_date

def second(run_date):
    if run_date == "2026-01-02" and not (RESULTS / "fixed").exists():
        raise ValueError("no orders on a 2nd")
    return run_date

def third(run_date):
    (RESULTS / f"shown-{run_date}").touch()

def create_pipeline():
    return Pipeline([
        node(first, "params:run_date", "a", name="first"),
        node(second, "a", "b", name="second"),
        node(third, "b", None, name="third"),
    ])
"""
PARTS = """
from pathlib import Path
from kedro.pipeline import Pipeline, node

def write(key, run_date):
    Path("FOLDER", f"part-{key}").write_text(run_date)

def create_pipeline():
    inputs = ["params:partition_key", "params:run_date"]
    return Pipeline([node(write, inputs, None, name="write")])
"""
RANGE = ("--from", "2026-01-01", "--to", "2026-01-03")


@pytest.fixture(name="project", scope="module")
def _project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ProjectFolder]:
    folder = tmp_path_factory.mktemp("backfill")
    project = make_project(folder / "project")
    for name, text in (("shown", SHOWN), ("parts", PARTS)):
        project.pipeline(name, text.replace("FOLDER", str(folder)))
    project.write("conf/base/parameters.yml", "run_date: none\npartition_key: none\n")
    project.config(CONFIG)
    try:
        up = start_with(project)
        assert up.returncode == 0, up.stdout
        yield project
    finally:
        stop_sandbox(project.path, print)


def called(project: ProjectFolder, pipeline: str, *arguments: str) -> tuple[int, str]:
    """Call a command about a pipeline in the sandbox; its exit code and output."""
    done = call(project, arguments[0], "-p", pipeline, "--sandbox", *arguments[1:])
    return done.returncode, done.stdout


def results(project: ProjectFolder, beginning: str) -> dict[str, str]:
    """What runs have written, by date; the run of today, which the schedule starts, left out."""
    files = sorted(project.path.parent.glob(f"{beginning}-2026-01-*"))
    return {file.name.removeprefix(f"{beginning}-"): file.read_text() for file in files}


def runs(project: ProjectFolder, dag_id: str) -> list[dict[str, Any]]:
    answer = Rest(sandbox_of(project)).get(f"dags/{dag_id}/dagRuns")
    found: list[dict[str, Any]] = answer.json()["dag_runs"]
    return found


def states(project: ProjectFolder, dag_id: str, run_id: str) -> dict[str, str]:
    answer = Rest(sandbox_of(project)).get(f"dags/{dag_id}/dagRuns/{run_id}/taskInstances")
    tasks = json.loads(answer.text)["task_instances"]
    return {task["task_id"].rpartition(".")[2]: task["state"] for task in tasks}


def test_a_backfill_shows_which_node_of_a_pod_failed_and_runs_that_day_again(
    project: ProjectFolder,
) -> None:
    code, output = called(project, "shown", "schedule", "--unpause", "--wait", "10")
    assert code == 0, output
    code, output = called(project, "shown", "backfill", *RANGE, "--follow")

    assert code == 1, output
    assert "2 of 3 runs succeeded, 1 failed." in output
    assert "no orders on a 2nd" in output, output
    assert [*results(project, "shown")] == ["2026-01-01", "2026-01-03"]
    dag_id = "shop.shown"
    (failed,) = [run for run in runs(project, dag_id) if run["state"] == "failed"]
    found = states(project, dag_id, failed["dag_run_id"])
    assert {name: found[name] for name in ("first", "second", "third")} == {
        "first": "success",
        "second": "failed",
        "third": "upstream_failed",
    }

    (project.path.parent / "fixed").touch()
    again = ("--reprocess", "failed", "--follow")
    code, output = called(project, "shown", "backfill", *RANGE, *again)
    assert code == 0, output
    assert [*results(project, "shown")] == ["2026-01-01", "2026-01-02", "2026-01-03"]
    found = states(project, dag_id, failed["dag_run_id"])
    assert {found[name] for name in ("first", "second", "third")} == {"success"}


def test_a_backfill_of_partitions_makes_each_once(project: ProjectFolder) -> None:
    code, output = called(project, "parts", "schedule", "--unpause", "--wait", "10")
    assert code == 0, output
    code, output = called(project, "parts", "backfill", *RANGE, "--follow")
    assert code == 0, output
    assert "3 moments of the schedule: 3 new runs, 0 again" in output
    assert results(project, "part") == {
        day: day for day in ("2026-01-01", "2026-01-02", "2026-01-03")
    }
    keys = [run["partition_key"] for run in runs(project, "shop.parts")]
    assert {"2026-01-01", "2026-01-02", "2026-01-03"} <= {*keys}

    code, output = called(project, "parts", "backfill", *RANGE, "--follow")
    assert code == 0, output
    assert "0 new runs, 0 again, 3 left as they are (3 success)" in output
