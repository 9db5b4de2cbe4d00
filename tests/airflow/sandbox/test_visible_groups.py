"""Nodes that share a pod and have a task each, on Airflow 3 and on Airflow 2.11."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from playwright.sync_api import expect

from kedro_airflow_k8s.sandbox.up import stop_sandbox
from tests.airflow.sandbox.cluster.cluster_client import wait_for
from tests.airflow.sandbox.services_project import Rest, call, sandbox_of, start_with
from tests.support.airflow_environments import AIRFLOW_PYTHONS
from tests.support.browser import (
    expect_graph,
    log_in,
    needs_browser,
    node,
    open_page,
    write_screenshot,
)
from tests.support.kedro_projects import ProjectFolder, make_project

CONFIG = """
run_config:
  image: shop:1.0
  startup_time: 120
  keep_failed: 1d
  deferrable: DEFERRABLE
  grouping: {__default__: {by: pipeline, nodes: visible}}
"""
DIAMOND = """
from pathlib import Path
from kedro.pipeline import Pipeline, node

FAILS = False

def note(name):
    print("HERE IS", name, flush=True)
    with Path("RUNS").open("a") as runs:
        print(name, file=runs)

def begin():
    note("begin")
    return [1]

def left(numbers):
    note("left")
    return [*numbers, 2]

def right(numbers):
    note("right")
    if FAILS:
        raise ValueError("not today")
    return [*numbers, 3]

def join(one, other):
    note(f"join {one} {other}")

def create_pipeline():
    return Pipeline([
        node(begin, None, "numbers", name="begin"),
        node(left, "numbers", "one", name="left"),
        node(right, "numbers", "other", name="right"),
        node(join, ["one", "other"], None, name="join"),
    ])
"""
NODES = ("begin", "left", "right", "join")
GROUP = "diamond"
VOLUME_TASKS = ("create_volume", "data_volume_init", "delete_volume")
FAILED = {
    "pod": "failed",
    "begin": "success",
    "left": "success",
    "right": "failed",
    "join": "upstream_failed",
}
"""The states if `right` fails."""


@dataclass
class Lab:
    """A project with a pipeline of four nodes in one pod, and a sandbox."""

    project: ProjectFolder
    rest: Rest
    runs: Path

    def write(self, *, fails: bool = False, deferrable: bool = False) -> None:
        """Write the project's code and configuration; no node has run yet."""
        text = DIAMOND.replace("RUNS", str(self.runs)).replace("FAILS = False", f"FAILS = {fails}")
        self.project.pipeline("diamond", text)
        self.project.config(CONFIG.replace("DEFERRABLE", str(deferrable).lower()))
        self.runs.write_text("")

    def call(self, command: str, dag_id: str, *arguments: str) -> tuple[int, str]:
        """Call a command about the pipeline in the sandbox; its exit code and output."""
        fixed = ("-p", "diamond", "--sandbox", "--dag-name", dag_id)
        done = call(self.project, command, *fixed, *arguments)
        return done.returncode, done.stdout

    def run(self, dag_id: str) -> tuple[int, str, str]:
        """Start a run and wait for its end; the exit code, the output and the run's id."""
        code, output = self.call("run-once", dag_id, "-w", "10")
        found = re.search(r"Started run (\S+):", output)
        assert found, output
        return code, output, found[1]

    def tasks(self, dag_id: str, run_id: str) -> dict[str, dict[str, Any]]:
        """The tasks of the group."""
        path = f"dags/{dag_id}/dagRuns/{quote(run_id, safe='')}/taskInstances"
        found = self.rest.get(path).json()["task_instances"]
        tasks = {task["task_id"]: task for task in found}
        return {name: tasks[f"{GROUP}.{name}"] for name in ("pod", *NODES)}

    def clear(self, dag_id: str, run_id: str, name: str) -> str:
        """Clear a task of the group alone, as a person does on the page; the state of the run."""
        self.rest.clear(dag_id, run_id, f"{GROUP}.{name}")
        path = f"dags/{dag_id}/dagRuns/{quote(run_id, safe='')}"

        def end() -> str | None:
            state = str(self.rest.get(path).json()["state"])
            return state if state in ("success", "failed") else None

        return wait_for(end)

    def states(self, dag_id: str, run_id: str) -> dict[str, str]:
        """The state of each task of the group."""
        return {name: task["state"] for name, task in self.tasks(dag_id, run_id).items()}

    def log(self, dag_id: str, run_id: str, name: str) -> str:
        """The log of the last attempt of a task of the group."""
        attempt = self.tasks(dag_id, run_id)[name]["try_number"]
        return self.rest.log(dag_id, run_id, f"{GROUP}.{name}", attempt)

    def have_run(self) -> list[str]:
        """The nodes that have run, in their order."""
        return [line.split()[0] for line in self.runs.read_text().splitlines()]


@pytest.fixture(scope="module", params=AIRFLOW_PYTHONS)
def lab(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    folder = tmp_path_factory.mktemp("visible")
    project = make_project(folder / "project")
    project.pipeline("diamond", DIAMOND)
    # The sandbox has a triggerer if tasks are deferrable when it starts.
    project.config(CONFIG.replace("DEFERRABLE", "true"))
    try:
        up = start_with(project, python=request.param)
        assert up.returncode == 0, up.stdout
        yield Lab(project, Rest(sandbox_of(project)), folder / "runs.txt")
    finally:
        stop_sandbox(project.path, print)


@pytest.mark.parametrize("deferrable", [False, True])
def test_each_node_of_a_pod_has_a_task_with_its_state_and_its_part_of_the_log(
    lab: Lab, deferrable: bool
) -> None:
    lab.write(deferrable=deferrable)
    dag_id = f"good_{deferrable}"

    code, output, run_id = lab.run(dag_id)

    assert code == 0, output
    assert set(lab.states(dag_id, run_id).values()) == {"success"}
    assert lab.have_run() == list(NODES)
    whole = lab.log(dag_id, run_id, "pod")
    assert "kedro-airflow-k8s-event" not in whole
    for name in NODES:
        log = lab.log(dag_id, run_id, name)
        assert f"HERE IS {name}" in whole
        assert f"HERE IS {name}" in log
        assert log.count("HERE IS") == 1
        assert "The node ran from 20" in log
        assert f"{GROUP}.pod" in log
    assert lab.clear(dag_id, run_id, "pod") == "success"
    assert "No pod was started" in lab.log(dag_id, run_id, "pod")
    assert lab.have_run() == list(NODES)


def test_after_a_failed_node_only_what_is_not_done_runs_again_in_one_pod(lab: Lab) -> None:
    lab.write(fails=True)

    code, output, run_id = lab.run("failed")

    assert code == 1, output
    states = lab.states("failed", run_id)
    assert states == FAILED
    for name in ("pod", "right"):
        assert re.search(
            r"ValueError: not today \(node right, src/", lab.log("failed", run_id, name)
        )
    assert "HERE IS right" in lab.log("failed", run_id, "right")
    assert lab.have_run() == ["begin", "left", "right"]
    lab.write()
    code, output = lab.call("resume", "failed", "--follow")
    assert code == 0, output
    assert set(lab.states("failed", run_id).values()) == {"success"}
    assert lab.runs.read_text() == "right\njoin [1, 2] [1, 3]\n"


@needs_browser
def test_the_page_of_a_run_shows_which_node_of_a_pod_failed(lab: Lab) -> None:
    lab.write(fails=True)
    lab.run("browsed")
    sandbox = sandbox_of(lab.project)
    address = re.search(r"http\S+", lab.call("ui", "browsed", "--run")[1])
    assert address

    pictures = os.environ.get("DOCS_SCREENSHOTS")
    with open_page(1200, 480) as page:
        log_in(page, address[0], sandbox.username, sandbox.password)
        tasks = [f"{GROUP}.{name}" for name in ("pod", *NODES)]
        expect_graph(page, [*tasks, *VOLUME_TASKS], [GROUP])
        for name, state in FAILED.items():
            expect(node(page, f"{GROUP}.{name}")).to_contain_text(state)
        if sandbox.state.version.startswith("2."):
            return
        page.get_by_role("button", name=re.compile("^Show Grid")).click()
        colors: dict[str, set[str]] = {}
        for name, state in FAILED.items():
            cell = page.locator(f'[data-testid^="grid-"][data-testid$="-{GROUP}.{name}"] span')
            expect(cell).to_be_visible()
            look = cell.evaluate("cell => getComputedStyle(cell).backgroundColor")
            colors.setdefault(state, set()).add(look)
        assert all(len(each) == 1 for each in colors.values())
        assert len(set.union(*colors.values())) == len(colors) == 3
        if pictures:
            page.mouse.move(0, 0)
            write_screenshot(page, Path(pictures, "visible-group-grid.png"))
            page.get_by_role("button", name=re.compile("^Show Graph")).click()
            page.get_by_role("button", name="Collapse Details Panel").click()
            page.get_by_role("button", name="Fit View").click()
            page.mouse.move(0, 0)
            write_screenshot(page, Path(pictures, "visible-group-graph.png"))


def test_a_node_whose_task_is_cleared_alone_runs_in_its_own_pod(lab: Lab) -> None:
    lab.write(fails=True)
    code, output, run_id = lab.run("alone")
    assert code == 1, output
    lab.write()

    assert lab.clear("alone", run_id, "left") == "failed"

    assert lab.have_run() == ["left"]
    assert lab.states("alone", run_id)["left"] == "success"
    assert "The whole log of the pod" not in lab.log("alone", run_id, "left")
