"""Whatever the grouping, the tasks of a DAG compute what a plain `kedro run` computes.

The pipelines, the catalog, the runner and the hook are real ones, and nodes, environment and order
are those of the DAG file. Only the pods are missing: each task has a catalog of its own instead.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st
from jinja2 import Template
from kedro.framework.cli.utils import split_node_names
from kedro.framework.hooks.manager import _create_hook_manager
from kedro.io import DataCatalog
from kedro.pipeline import Node, Pipeline
from kedro.runner import SequentialRunner
from pluggy import PluginManager

from kedro_airflow_k8s.config.own_names import digest
from kedro_airflow_k8s.dag.render import render_dag
from kedro_airflow_k8s.errors import PlanError
from kedro_airflow_k8s.plan.build import build_plan
from kedro_airflow_k8s.plan.grouping import CYCLE_CODE, GROUP_TAG
from kedro_airflow_k8s.pod.environment import INTERMEDIATE_DATA_VARIABLE, PASSED_ON_VARIABLE
from kedro_airflow_k8s.pod.hooks import PodHooks
from kedro_airflow_k8s.pod.intermediate_data import file_name
from kedro_airflow_k8s.pod.names import is_parameter, stored_name
from kedro_airflow_k8s.project.catalog import Catalog
from kedro_airflow_k8s.project.entities import ProjectPipeline
from kedro_airflow_k8s.project.nodes import pipeline_nodes
from tests.support.random_pipelines import MODES, RandomPipeline, random_pipelines
from tests.support.recorded_dag import RecordedDag, Task, run_dag_file
from tests.support.strategies import config_of

# Kedro warns of such namespaces and takes them.
pytestmark = pytest.mark.filterwarnings("ignore:Namespace ':UserWarning")

PARAMETERS = {"rate": 3}
RAW = {"number": "raw"}
STORE = ".kedro-airflow-k8s"


@dataclass
class Runs:
    """A pipeline that Kedro can run, and what its nodes were given and made.

    Attributes:
        found: What it is made from.
        calls: For each node that ran its name, inputs and outputs.
    """

    found: RandomPipeline
    calls: list[tuple[str, Any, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.memory = {stored_name(name) for name in self.found.memory}

    def in_memory(self, dataset: str) -> bool:
        """Whether no form of a dataset is declared as one that is stored."""
        return stored_name(dataset) in self.memory

    def pipeline(self, named: Callable[[str], str] = str) -> Pipeline:
        return Pipeline(
            [
                Node(
                    self.function(node.name, len(node.outputs)),
                    [named(name) for name in node.inputs] or None,
                    [named(name) for name in node.outputs] or None,
                    name=node.name.rpartition(".")[2],
                    namespace=node.namespace,
                    tags=list(node.tags),
                )
                for node in self.found.nodes
            ]
        )

    def function(self, name: str, outputs: int) -> Callable[..., Any]:
        """What a node computes depends on all that it gets."""

        def compute(*values: Any) -> Any:
            given = deepcopy(values)
            key = digest(json.dumps([name, given], sort_keys=True), 12)
            made = [{"number": f"{key} {number}"} for number in range(outputs)]
            self.calls.append((name, given, deepcopy(made)))
            for value in values:
                if isinstance(value, dict):
                    # What a node does to its inputs is not for other nodes to see.
                    value["number"] = f"spoiled by {name}"
            return made or None

        return compute

    def config(self, folder: str) -> dict[str, Any]:
        """The catalog: JSON and pickle files, a dataset factory, and memory in so many words."""
        config: dict[str, Any] = {
            "{place}_1": {"type": "json.JSONDataset", "filepath": f"{folder}/{{place}}_1.json"},
            "raw": {"type": "json.JSONDataset", "filepath": f"{folder}/raw.json"},
        }
        for name in [name for node in self.found.nodes for name in (*node.inputs, *node.outputs)]:
            stored = stored_name(name)
            index = int("".join(filter(str.isdigit, stored)) or 0)
            if is_parameter(name) or name == "raw":
                continue
            if self.in_memory(name):
                # The factory would have it otherwise.
                if stored.endswith("_1") or index % 3 == 0:
                    config[name] = {"type": "MemoryDataset"}
            elif not stored.endswith("_1") or "@" in name:
                kind = ("json.JSONDataset", "pickle.PickleDataset")[index % 2]
                config[name] = {"type": kind, "filepath": f"{folder}/{stored}.{kind[:4]}"}
        return config

    def catalog(self, folder: str) -> DataCatalog:
        """A catalog as Kedro makes one for each run."""
        catalog = DataCatalog.from_config(self.config(folder))
        catalog["parameters"] = deepcopy(PARAMETERS)
        catalog["params:rate"] = PARAMETERS["rate"]
        return catalog


@dataclass(frozen=True)
class Pod:
    """What the pod of a task gets: nodes and environment, after Airflow and the kubelet."""

    nodes: tuple[str, ...]
    environment: Mapping[str, str]


@cache
def template(text: str) -> Template:
    compiled_once: Template = Template(text)
    return compiled_once


def pod_of(task: Task) -> Pod | None:
    """What a task tells its pod; None if it runs no Kedro."""
    named = [a for a in task.keywords.get("arguments", []) if a.startswith("--nodes=")]
    if not named:
        return None
    told = (INTERMEDIATE_DATA_VARIABLE, PASSED_ON_VARIABLE)
    variables = {name: text for name, text in task.keywords["env_vars"].items() if name in told}
    return Pod(
        tuple(split_node_names(None, None, named[0].removeprefix("--nodes="))),  # type: ignore[arg-type]
        {name: template(text).render().replace("$$", "$") for name, text in variables.items()},
    )


def compiled(runs: Runs, mode: str, folder: str) -> RecordedDag:
    """The DAG of a pipeline.

    Raises:
        PlanError: If its tags cannot be tasks.
    """
    pipeline = runs.pipeline()
    project = ProjectPipeline(
        package_name="shop",
        env="local",
        is_default_env=True,
        name="__default__",
        nodes=pipeline_nodes(pipeline),
        commit="0a1b2c",
        catalog=Catalog(runs.config(folder)).entries(pipeline.datasets()),
    )
    volume = {"mount_path": folder}
    config = config_of({"image": "example.com/shop:1", "grouping": mode, "volume": volume})
    return run_dag_file(render_dag(build_plan(project, config)).source)


def in_some_order(dag: RecordedDag, random: Random) -> Iterator[Task]:
    """The tasks in any order that the DAG allows, as Airflow has no other."""
    left = dict(dag.tasks)
    while left:
        ready = [key for key in left if not any((other, key) in dag.edges for other in left)]
        yield left.pop(random.choice(ready))


def fresh_folder(parent: str, name: str) -> str:
    folder = Path(parent, name)
    folder.mkdir()
    (folder / "raw.json").write_text(json.dumps(RAW))
    return str(folder)


@cache
def hooks_of_a_session() -> PluginManager:
    hook_manager = _create_hook_manager()
    hook_manager.register(PodHooks())
    return hook_manager


def run(pipeline: Pipeline, catalog: DataCatalog) -> None:
    """What Kedro's session does with them."""
    hook_manager = hooks_of_a_session()
    hook_manager.hook.before_pipeline_run(run_params={}, pipeline=pipeline, catalog=catalog)
    SequentialRunner().run(pipeline, catalog, hook_manager)


def declared_data(runs: Runs, folder: str) -> dict[str, Any]:
    """What the files of the catalog hold at the end."""
    catalog = runs.catalog(folder)
    made = sorted({name for node in runs.found.nodes for name in node.outputs})
    return {name: catalog.load(name) for name in made if not runs.in_memory(name)}


def crossing(runs: Runs, pods: list[Pod]) -> set[str]:
    """The datasets in memory, without `@...`, that one task makes and another one reads."""
    task_of = {name: index for index, pod in enumerate(pods) for name in pod.nodes}
    node_names = [node.name for node in runs.found.nodes]
    return {
        stored_name(made)
        for maker, reader, made, _ in runs.found.links()
        if runs.in_memory(made) and task_of[node_names[maker]] != task_of[node_names[reader]]
    }


def plain(name: str) -> str:
    """A plain run does not hand a transcoded dataset on in memory: to Kedro it would be two."""
    return stored_name(name)


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """Kedro writes some lines for each dataset of each of thousands of runs."""
    logging.disable(logging.ERROR)
    yield
    logging.disable(logging.NOTSET)


@settings(max_examples=settings().max_examples // 8)
@given(random_pipelines(old_tags=False), st.integers(0, 2**16))
def test_every_grouping_computes_what_a_plain_run_computes(
    found: RandomPipeline, seed: int
) -> None:
    with TemporaryDirectory() as parent:
        alone = Runs(found)
        folder = fresh_folder(parent, "plain")
        run(
            alone.pipeline(lambda name: plain(name) if alone.in_memory(name) else name),
            alone.catalog(folder),
        )
        expected = declared_data(alone, folder)
        for mode in MODES:
            folder = fresh_folder(parent, mode)
            grouped = Runs(found)
            try:
                dag = compiled(grouped, mode, folder)
            except PlanError as error:
                check_refusal(found, mode, error)
                event(f"{mode}: {error.code}")
                continue
            check_tasks(grouped, dag, folder, Random(seed))
            assert sorted(grouped.calls, key=repr) == sorted(alone.calls, key=repr)
            assert declared_data(grouped, folder) == expected


def check_refusal(found: RandomPipeline, mode: str, refusal: PlanError) -> None:
    """Only tags can ask for what cannot be, and where all is one task they do not count."""
    assert any(GROUP_TAG.fullmatch(tag) for node in found.nodes for tag in node.tags)
    assert mode != "pipeline"
    assert refusal.code == CYCLE_CODE


def check_tasks(runs: Runs, dag: RecordedDag, folder: str, random: Random) -> None:
    """Run each task by itself, and look at what it leaves for the others."""
    pods = [pod for task in in_some_order(dag, random) if (pod := pod_of(task))]
    assert sorted(name for pod in pods for name in pod.nodes) == sorted(
        node.name for node in runs.found.nodes
    )
    passed = crossing(runs, pods)
    # In memory, the forms of a transcoded dataset have nothing in common: within a task, too, only
    # a file makes one of them.
    outputs = [name for node in runs.found.nodes for name in node.outputs]
    transcoded = {stored_name(name) for name in outputs if "@" in name and runs.in_memory(name)}
    event("something is passed on" if passed else "nothing is passed on")
    store = Path(folder, STORE)
    pipeline = runs.pipeline()
    for pod in pods:
        assert pod.environment[INTERMEDIATE_DATA_VARIABLE] == str(store)
        made = {
            stored_name(n)
            for node in runs.found.nodes
            for n in node.outputs
            if node.name in pod.nodes
        }
        if told := pod.environment.get(PASSED_ON_VARIABLE):
            assert made & passed <= set(json.loads(told)) <= made
        before = stored(store)
        with patch.dict(os.environ, pod.environment):
            run(pipeline.filter(node_names=list(pod.nodes)), runs.catalog(folder))
        assert stored(store) - before == {file_name(name) for name in made & (passed | transcoded)}


def stored(store: Path) -> set[str]:
    return {path.name for path in store.iterdir()} if store.exists() else set()
