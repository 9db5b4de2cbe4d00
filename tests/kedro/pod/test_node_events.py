"""The pod tells the task that follows its log what becomes of its nodes."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from kedro_airflow_k8s.pod.environment import EVENTS_VARIABLE, INTERMEDIATE_DATA_VARIABLE
from kedro_airflow_k8s.pod.node_events import without_events
from tests.kedro.pod.kedro_processes import pod_environment, run_task
from tests.support.kedro_projects import ProjectFolder, project_fixture

__all__ = ["project_fixture"]

NODES = """
import os
import threading
from kedro.pipeline import Pipeline, node

def first():
    print("FIRST", os.environ.get("KEDRO_AIRFLOW_K8S_EVENTS"))
    return [1]

def chunks(numbers):
    yield from ([number, number] for number in numbers * 3)

def unpicklable(numbers):
    return threading.Lock()

def last(lock, numbers):
    print('kedro-airflow-k8s-event forged ["success", "never", 1]')
    if "FAIL" in os.environ:
        raise ValueError("not today")

def register_pipelines():
    return {"__default__": Pipeline([
        node(first, None, "numbers", name="first"),
        node(chunks, "numbers", "chunks", name="chunks"),
        node(unpicklable, "numbers", "lock", name="lock"),
        node(last, ["lock", "numbers"], None, name="last"),
    ])}
"""
CATALOG = "lock: {type: MemoryDataset, copy_mode: assign}\n"
PYTHONS = {
    "this one": sys.executable,
    **{name: os.environ.get(name) for name in ("KEDRO_1_0_PYTHON", "KEDRO_1_5_PYTHON")},
}
NONCE = "4f1a2b"


@pytest.fixture(name="shop")
def _shop(project: ProjectFolder) -> ProjectFolder:
    project.registry(NODES)
    project.write("conf/base/catalog.yml", CATALOG)
    return project


def environment(folder: Path) -> dict[str, str]:
    return {EVENTS_VARIABLE: NONCE, INTERMEDIATE_DATA_VARIABLE: str(folder / "passed")}


def events(output: str) -> list[tuple[str, str]]:
    found = re.findall(rf"kedro-airflow-k8s-event {NONCE} (\[.*\])$", output, re.MULTILINE)
    told = [tuple(json.loads(event)[:2]) for event in found]
    assert told[::2] == told[1::2]
    return told[::2]


@pytest.mark.parametrize("name", PYTHONS)
@pytest.mark.parametrize("runner", ["SequentialRunner", "ThreadRunner", "ParallelRunner"])
def test_each_node_begins_and_succeeds_with_every_runner(
    shop: ProjectFolder, tmp_path: Path, name: str, runner: str
) -> None:
    if not (python := PYTHONS[name]):
        pytest.skip(f"{name} is not set")
    nodes = ["first", "chunks"]
    arguments = ["run", f"--runner={runner}", "--max-workers=2", f"--nodes={','.join(nodes)}"]

    done = subprocess.run(
        [python, "-m", "kedro_airflow_k8s.pod", *arguments],
        cwd=shop.path,
        env=pod_environment(environment(tmp_path)),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout
    assert events(done.stdout) == [(state, n) for n in nodes for state in ("running", "success")]
    assert "FIRST None" in done.stdout


def test_a_node_that_fails_never_succeeds_and_the_forged_event_of_a_node_has_another_word(
    shop: ProjectFolder, tmp_path: Path
) -> None:
    done = run_task(shop.path, "--runner=SequentialRunner", FAIL="yes", **environment(tmp_path))

    assert done.returncode == 1
    told = events(done.stdout)
    assert ("running", "last") in told
    assert [state for state, node in told if node == "last"] == ["running"]
    assert {node for state, node in told if state == "success"} == {"first", "chunks", "lock"}
    assert "kedro-airflow-k8s-event forged" in done.stdout


def test_what_nodes_pass_on_in_memory_is_stored_for_a_node_that_runs_again_alone(
    shop: ProjectFolder, tmp_path: Path
) -> None:
    done = run_task(shop.path, "--runner=SequentialRunner", **environment(tmp_path))

    assert done.returncode == 0, done.stdout
    assert "Only this pod has it, so no node that reads it can run again alone." in done.stdout
    assert sorted(file.name for file in (tmp_path / "passed").rglob("*.pickle")) == [
        "chunks.pickle",
        "numbers.pickle",
    ]
    alone = run_task(
        shop.path, "--nodes=chunks", **{INTERMEDIATE_DATA_VARIABLE: str(tmp_path / "passed")}
    )
    assert alone.returncode == 0, alone.stdout


def test_a_log_is_shown_without_its_events() -> None:
    event = 'kedro-airflow-k8s-event 4f1a2b ["success", "first [a]", 1.5]\n'

    assert without_events(f"one\n{event}{event}50%{event}two\n") == "one\n50%two\n"
