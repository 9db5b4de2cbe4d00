"""Whatever the pipeline, the grouping and the failures: the tasks of nodes end as the nodes do."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from kedro_airflow_k8s.sandbox.up import stop_sandbox
from tests.airflow.sandbox.services_project import Rest, call, sandbox_of, start_with
from tests.support.airflow_environments import AIRFLOW_PYTHONS
from tests.support.kedro_projects import ProjectFolder, make_project

AT_ONCE = 4
"""Pipelines of one example: they run beside each other."""
REGISTRY = """
from kedro.framework.project import find_pipelines
from kedro.pipeline import Pipeline

def register_pipelines():
    return {**find_pipelines(raise_errors=True), "__default__": Pipeline([])}
"""
UNDONE = ("failed", "upstream_failed")
PIPELINE = """
from pathlib import Path
from kedro.pipeline import Pipeline, node

def function(name, fails):
    def work(*inputs):
        with Path("RUNS").open("a") as runs:
            print("begin", name, file=runs)
        if fails:
            raise ValueError(name)
        with Path("RUNS").open("a") as runs:
            print("end", name, file=runs)
        return sum(inputs) + 1
    work.__name__ = name
    return work

def create_pipeline():
    return Pipeline([
        node(function(name, fails), [f"PREFIX_{i}" for i in inputs] or None, f"PREFIX_{index}",
             name=name, tags=tags)
        for index, (name, inputs, fails, tags) in enumerate(NODES)
    ])
"""


@dataclass(frozen=True)
class Node:
    """A node: the nodes that it reads from, by their positions, and how it behaves."""

    inputs: tuple[int, ...]
    fails: bool
    in_memory: bool
    group: str | None


@dataclass(frozen=True)
class Random:
    """A pipeline, and how its nodes share pods."""

    nodes: tuple[Node, ...]
    by: str

    def task_name(self, index: int) -> str:
        """The name of a node's task: that of its tag, if no other node has this tag."""
        group = self.nodes[index].group
        alone = [node.group for node in self.nodes].count(group) == 1
        return group if self.by == "tag" and group and alone else f"n{index}"

    def upstream(self, index: int) -> set[int]:
        """The positions of all nodes that a node needs."""
        found = set(self.nodes[index].inputs)
        return found.union(*(self.upstream(other) for other in found))


@st.composite
def pipelines(draw: st.DrawFn) -> Random:
    """A pipeline of up to eight nodes, some of which fail."""
    size = draw(st.integers(2, 8))
    # Nodes of one tag are neighbours, so that groups never wait for each other.
    border = draw(st.integers(1, size))
    nodes = tuple(
        Node(
            inputs=tuple(sorted(draw(st.sets(st.integers(0, index - 1), max_size=2))))
            if index
            else (),
            fails=draw(st.sampled_from([False] * 5 + [True])),
            in_memory=draw(st.booleans()),
            group="x" if index < border else draw(st.sampled_from(["y", None])),
        )
        for index in range(size)
    )
    by = draw(st.sampled_from(["memory", "pipeline", "tag"]))
    if by == "tag":
        last = max((i for i, node in enumerate(nodes) if node.group == "y"), default=0)
        nodes = tuple(
            Node(n.inputs, n.fails, n.in_memory, "y" if border <= i <= last else n.group)
            for i, n in enumerate(nodes)
        )
    return Random(nodes, by)


@dataclass
class Lab:
    """A project with new pipelines for each example, and a sandbox."""

    project: ProjectFolder
    rest: Rest
    runs: Path
    count: int = 0

    def run(self, drawn: list[Random]) -> list[tuple[Random, dict[str, str], list[str]]]:
        """Run pipelines; for each, the states of its tasks and what its nodes have written."""
        self.count += 1
        named = {f"p{self.count}_{number}": each for number, each in enumerate(drawn)}
        catalog: dict[str, dict[str, str]] = {}
        grouping: dict[str, dict[str, str]] = {}
        for name, random in named.items():
            nodes = [
                (f"n{i}", n.inputs, n.fails, [f"airflow-k8s.group.{n.group}"] if n.group else [])
                for i, n in enumerate(random.nodes)
            ]
            if random.by != "tag":
                nodes = [(*node[:3], []) for node in nodes]
            text = PIPELINE.replace("RUNS", str(self.runs / name)).replace("PREFIX", name)
            self.project.pipeline(name, text.replace("NODES", repr(nodes)))
            grouping[name] = {"by": random.by, "nodes": "visible"}
            catalog |= {
                f"{name}_{i}": {"type": "json.JSONDataset", "filepath": f"data/{name}_{i}.json"}
                for i, n in enumerate(random.nodes)
                if not n.in_memory
            }
        self.project.write("conf/base/catalog.yml", json.dumps(catalog))
        run_config = {"image": "shop:1.0", "startup_time": 300, "grouping": grouping}
        self.project.config(json.dumps({"run_config": run_config}))
        with ThreadPoolExecutor(AT_ONCE) as pool:
            states = list(pool.map(self._run_one, named))
        return [
            (random, state, (self.runs / name).read_text().splitlines())
            for (name, random), state in zip(named.items(), states, strict=True)
        ]

    def _run_one(self, name: str) -> dict[str, str]:
        done = call(
            self.project, "run-once", "--sandbox", "-p", name, "--dag-name", name, "-w", "10"
        )
        found = re.search(r"Started run (\S+):", done.stdout)
        assert found, done.stdout
        path = f"dags/{name}/dagRuns/{quote(found[1], safe='')}/taskInstances"
        tasks: list[dict[str, Any]] = self.rest.get(path).json()["task_instances"]
        states = {task["task_id"]: str(task["state"]) for task in tasks}
        assert (done.returncode == 0) == ({*states.values()} == {"success"}), done.stdout
        return states


@pytest.fixture(scope="module", params=AIRFLOW_PYTHONS[:1])
def lab(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    folder = tmp_path_factory.mktemp("random")
    runs = folder / "runs"
    runs.mkdir()
    project = make_project(folder / "project")
    project.registry(REGISTRY)
    try:
        up = start_with(project, python=request.param)
        assert up.returncode == 0, up.stdout
        yield Lab(project, Rest(sandbox_of(project)), runs)
    finally:
        stop_sandbox(project.path, print)


@settings(
    max_examples=3,
    deadline=None,
    # A failing example is small already, and each takes half a minute.
    phases=(Phase.reuse, Phase.generate),
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(drawn=st.lists(pipelines(), min_size=AT_ONCE, max_size=AT_ONCE))
def test_the_task_of_a_node_is_green_red_or_upstream_failed_as_the_node_ran(
    lab: Lab, drawn: list[Random]
) -> None:
    for random, states, lines in lab.run(drawn):
        begun = {int(line.split("n")[-1]) for line in lines if line.startswith("begin")}
        ended = {int(line.split("n")[-1]) for line in lines if line.startswith("end")}
        assert len(lines) == len(begun) + len(ended), lines
        task_of = {task_id.rpartition(".")[2]: task_id for task_id in states}
        ids = [task_of[random.task_name(index)] for index in range(len(random.nodes))]
        pods = [states.get(f"{task_id.rpartition('.')[0]}.pod") for task_id in ids]
        for index, task_id in enumerate(ids):
            upstream = random.upstream(index)
            if index in ended:
                expected = "success"
            elif index in begun or (upstream <= ended and pods[index] != "upstream_failed"):
                expected = "failed"
            else:
                expected = "upstream_failed"
            assert states[task_id] == expected, (index, states, lines)
            needed = {index, *upstream}
            # What no failure holds up has run: that of a node, or of another in the same pod.
            held_up = any(random.nodes[i].fails or pods[i] in UNDONE for i in needed)
            assert index in ended or held_up, (index, states, lines)
        for pod in {task_id for task_id in states if task_id.endswith(".pod")}:
            group = pod.rpartition(".")[0]
            members = {i for i, task_id in enumerate(ids) if task_id.rpartition(".")[0] == group}
            assert (states[pod] == "success") == (members <= ended), (pod, states, lines)
