"""Tasks of a Kedro project run one after the other in processes of their own, as in pods."""

from __future__ import annotations

import json
import subprocess

import pytest

from kedro_airflow_k8s.pod.environment import INTERMEDIATE_DATA_VARIABLE, PASSED_ON_VARIABLE
from tests.kedro.pod.kedro_processes import run_task
from tests.support.kedro_projects import ProjectFolder, project_fixture

__all__ = ["project_fixture"]

RUNNERS = ["SequentialRunner", "ThreadRunner", "ParallelRunner"]

NODES = """
from pathlib import Path
from kedro.pipeline import Pipeline, node

def make():
    Path("made").open("a").write("x")
    return [1, 2], {"weight": 3}

def double(numbers, factor):
    return [number * factor for number in numbers]

def join(numbers, doubled, model, table):
    return {"sum": sum(numbers) + sum(doubled), "weight": model["weight"], "table": table}

def as_table(numbers):
    return {"rows": numbers}

def rows(table):
    return table["rows"]

def report(result, rows, plain):
    Path("report").write_text(f"{result['sum']} {result['weight']} {rows} {plain}")

def register_pipelines():
    return {"__default__": Pipeline([
        node(make, None, ["numbers", "train.model"], name="make"),
        node(double, ["numbers", "params:factor"], "plain", name="double"),
        node(as_table, "numbers", "table@rows", name="as_table"),
        node(rows, "table@dict", "listed", name="rows"),
        node(join, ["numbers", "plain", "train.model", "listed"], "made.by.factory", name="join"),
        node(report, ["made.by.factory", "listed", "plain"], None, name="report"),
    ])}
"""
CATALOG = """
numbers:
  type: MemoryDataset
made.by.{name}:
  type: shop.json_dataset.Json
  path: "{name}.json"
"""
JSON_DATASET = """
import json
from pathlib import Path
from kedro.io import AbstractDataset

class Json(AbstractDataset):
    def __init__(self, path):
        self._path = path
    def load(self):
        return json.loads(Path(self._path).read_text())
    def save(self, data):
        Path(self._path).write_text(json.dumps(data))
    def _exists(self):
        return Path(self._path).exists()
    def _describe(self):
        return {"path": self._path}
"""
REPORT = "9 3 [1, 2] [2, 4]"


@pytest.fixture(name="shop")
def _shop(project: ProjectFolder) -> ProjectFolder:
    project.registry(NODES)
    project.write("conf/base/catalog.yml", CATALOG)
    project.write("conf/base/parameters.yml", "factor: 2\n")
    project.write("src/shop/json_dataset.py", JSON_DATASET)
    return project


class Run:
    """One DAG run of the project: its tasks, each in a process of its own."""

    def __init__(self, project: ProjectFolder) -> None:
        self.folder = project.path
        self.root = self.folder / "data" / ".kedro-airflow-k8s"

    def attempt(
        self, *nodes: str, hands_on: tuple[str, ...] = (), options: tuple[str, ...] = ()
    ) -> subprocess.CompletedProcess[str]:
        environment = {
            INTERMEDIATE_DATA_VARIABLE: str(self.root),
            PASSED_ON_VARIABLE: json.dumps(hands_on),
        }
        return run_task(self.folder, f"--nodes={','.join(nodes)}", *options, **environment)

    def task(
        self, *nodes: str, hands_on: tuple[str, ...] = (), options: tuple[str, ...] = ()
    ) -> str:
        done = self.attempt(*nodes, hands_on=hands_on, options=options)
        assert done.returncode == 0, done.stdout
        return done.stdout

    def stored(self) -> list[str]:
        return sorted(path.name for path in self.root.glob("*"))

    def report(self) -> str:
        return (self.folder / "report").read_text()


@pytest.mark.parametrize("runner", RUNNERS)
def test_data_goes_from_pod_to_pod_with_every_runner(shop: ProjectFolder, runner: str) -> None:
    run, options = Run(shop), (f"--runner={runner}",)

    run.task("make", hands_on=("numbers", "train.model"), options=options)
    run.task("double", "as_table", hands_on=("plain", "table"), options=options)
    run.task("rows", "join", hands_on=("listed",), options=options)
    run.task("report", options=options)

    assert run.report() == REPORT
    # What is declared goes where the catalog says, by a factory too.
    assert run.stored() == [
        *("listed.pickle", "numbers.pickle", "plain.pickle", "table.pickle", "train.model.pickle")
    ]
    assert (shop.path / "factory.json").exists()


def test_what_stays_in_one_task_is_not_stored_but_transcoded_names_are(shop: ProjectFolder) -> None:
    run = Run(shop)
    run.task("make", "double", "as_table", "rows", "join", "report")

    assert run.report() == REPORT
    assert run.stored() == ["table.pickle"]


def test_a_cached_memory_dataset_goes_from_pod_to_pod(shop: ProjectFolder) -> None:
    shop.write("conf/base/catalog.yml", CATALOG.replace(*CACHED))
    run = Run(shop)
    run.task("make", hands_on=("numbers", "train.model"))
    run.task("double", "as_table", "rows", "join", "report")

    assert run.report() == REPORT
    assert "numbers.pickle" in run.stored()


def test_a_memory_dataset_of_the_project_that_writes_a_file_is_left(shop: ProjectFolder) -> None:
    shop.write("src/shop/kept.py", KEPT)
    shop.write("conf/base/catalog.yml", CATALOG.replace("MemoryDataset", "shop.kept.Kept"))
    run = Run(shop)
    run.task("make", hands_on=("numbers", "train.model"))
    run.task("double", "as_table", "rows", "join", "report")

    assert run.report() == REPORT
    assert (shop.path / "kept.json").read_text() == "[1, 2]"
    assert "numbers.pickle" not in run.stored()


CACHED = ("type: MemoryDataset", "type: CachedDataset\n  dataset: {type: MemoryDataset}")
KEPT = """
import json
from pathlib import Path
from kedro.io import MemoryDataset

class Kept(MemoryDataset):
    def load(self):
        return json.loads(Path("kept.json").read_text())
    def save(self, data):
        Path("kept.json").write_text(json.dumps(data))
    def _exists(self):
        return Path("kept.json").exists()
"""


def test_a_task_that_runs_again_takes_existing_data(shop: ProjectFolder) -> None:
    run = Run(shop)
    run.task("make", hands_on=("numbers", "train.model"))
    for _ in range(2):
        run.task("double", "as_table", "rows", hands_on=("plain", "listed"))
        run.task("join", "report")

    assert run.report() == REPORT
    assert (shop.path / "made").read_text() == "x"


def test_only_missing_outputs_skips_what_the_store_has(shop: ProjectFolder) -> None:
    run = Run(shop)
    for _ in range(2):
        said = run.task(
            "make", hands_on=("numbers", "train.model"), options=("--only-missing-outputs",)
        )

    assert "Skipping all 1 nodes" in said
    assert (shop.path / "made").read_text() == "x"
    (run.root / "numbers.pickle").unlink()
    run.task("make", hands_on=("numbers", "train.model"), options=("--only-missing-outputs",))
    assert (shop.path / "made").read_text() == "xx"


def test_a_task_whose_input_no_one_has_made_says_so(shop: ProjectFolder) -> None:
    done = Run(shop).attempt("double")

    assert done.returncode == 1
    said = " ".join(done.stdout.split())
    assert "Dataset 'numbers' is not in" in said
    assert "has not run in this DAG run" in said


def test_a_parameter_that_is_missing_is_not_intermediate_data(shop: ProjectFolder) -> None:
    shop.write("conf/base/parameters.yml", "other: 2\n")
    run = Run(shop)
    run.task("make", hands_on=("numbers", "train.model"))

    done = run.attempt("double", hands_on=("plain",))

    assert done.returncode == 1
    assert "Pipeline input(s) {'params:factor'} not found" in " ".join(done.stdout.split())


def test_a_node_that_makes_what_cannot_be_stored_is_named(shop: ProjectFolder) -> None:
    text = NODES.replace('return [1, 2], {"weight": 3}', 'return [1, 2], (x for x in "ab")')
    shop.registry(text)

    done = Run(shop).attempt("make", hands_on=("numbers", "train.model"))

    assert done.returncode == 1
    said = " ".join(done.stdout.split())
    assert "Dataset 'train.model', made by node 'make', cannot be passed to another task" in said


LOCKS = """
import threading
from pathlib import Path
from kedro.pipeline import Pipeline, node

def connect():
    return threading.Lock()

def look(connection):
    return connection.locked()

def report(connection, locked):
    Path("report").write_text(f"{connection.locked()} {locked}")

def register_pipelines():
    return {"__default__": Pipeline([
        node(connect, None, "connection", name="connect"),
        node(look, "connection", "locked", name="look"),
        node(report, ["connection", "locked"], None, name="report"),
    ])}
"""


def test_what_cannot_be_pickled_works_once_the_advice_is_followed_and_not_before(
    shop: ProjectFolder,
) -> None:
    shop.registry(LOCKS)
    shop.write("conf/base/catalog.yml", "")
    run = Run(shop)

    apart = run.attempt("connect", "look", hands_on=("connection", "locked"))
    together = run.attempt("connect", "look", "report")
    assert (apart.returncode, together.returncode) == (1, 1)
    said = " ".join(apart.stdout.split())
    assert "and all nodes that read it (here 'look') in one task" in said
    assert "in the catalog as `{type: MemoryDataset, copy_mode: assign}`" in said
    assert "cannot pickle '_thread.lock' object" in together.stdout

    shop.write("conf/base/catalog.yml", "connection: {type: MemoryDataset, copy_mode: assign}\n")
    run.task("connect", "look", "report")
    assert run.report() == "False False"
    assert run.stored() == []


HOOK = """
from kedro.framework.hooks import hook_impl
from shop.json_dataset import Json

class Hooks:
    @hook_impl
    def WHEN(self, catalog):
        catalog["plain"] = Json("plain.json")

HOOKS = (Hooks(),)
"""


@pytest.mark.parametrize("when", ["after_catalog_created", "before_pipeline_run"])
def test_a_dataset_that_a_hook_of_the_project_adds_is_right(shop: ProjectFolder, when: str) -> None:
    shop.settings(HOOK.replace("WHEN", when))
    run = Run(shop)
    run.task("make", hands_on=("numbers", "train.model"))
    run.task("double", hands_on=("plain",))

    assert json.loads((shop.path / "plain.json").read_text()) == [2, 4]
    assert run.stored() == ["numbers.pickle", "train.model.pickle"]


def test_without_a_root_nothing_is_stored_and_kedro_is_as_ever(shop: ProjectFolder) -> None:
    shop.registry(NODES.replace("table@rows", "table").replace("table@dict", "table"))
    done = run_task(shop.path)

    assert done.returncode == 0, done.stdout
    assert (shop.path / "report").read_text() == REPORT
    assert not (shop.path / "data").exists()
