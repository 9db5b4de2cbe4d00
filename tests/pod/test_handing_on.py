"""Tasks of a Kedro project run one after the other in processes of their own, as in pods."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from kedro.io import DataCatalog, MemoryDataset
from kedro.io.data_catalog import SharedMemoryDataCatalog
from kedro.pipeline import Pipeline, node

from kedro_airflow_k8s.pod.environment import HANDED_ON_VARIABLE, INTERMEDIATE_DATA_VARIABLE
from kedro_airflow_k8s.pod.handing_on import hand_on
from kedro_airflow_k8s.pod.hooks import PodHooks
from kedro_airflow_k8s.pod.intermediate_data import IntermediateDataset
from tests.kedro_projects import ProjectFolder, project_fixture
from tests.pod.kedro_processes import run_task

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
            HANDED_ON_VARIABLE: json.dumps(hands_on),
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


def test_a_task_that_runs_again_takes_what_is_there(shop: ProjectFolder) -> None:
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


def test_a_task_whose_input_nobody_has_made_says_so(shop: ProjectFolder) -> None:
    done = Run(shop).attempt("double")

    assert done.returncode == 1
    said = " ".join(done.stdout.split())
    assert "Dataset 'numbers' is not in" in said
    assert "has not run in this DAG run" in said


def test_a_parameter_that_is_missing_is_no_intermediate_data(shop: ProjectFolder) -> None:
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
    assert "Dataset 'train.model', made by node 'make', cannot be handed to another task" in said


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


# What follows asks the hook alone.


def two(first: Any, second: Any = None) -> Any:
    return first


PIPELINE = Pipeline(
    [
        node(two, ["taken", "params:a"], "inside", name="one"),
        node(two, ["inside", "parameters"], "crossing", name="two"),
        node(two, "crossing", "left", name="three"),
    ]
)


def given(
    catalog: DataCatalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *crossing: str
) -> dict[str, IntermediateDataset]:
    """What the hook puts into a catalog."""
    monkeypatch.setenv(HANDED_ON_VARIABLE, json.dumps(crossing))
    hand_on(PIPELINE, catalog, str(tmp_path))
    datasets = {name: catalog.get(name) for name in catalog.keys()}  # noqa: SIM118 - Kedro's own
    return {n: d for n, d in datasets.items() if isinstance(d, IntermediateDataset)}


def test_only_what_crosses_the_border_of_a_task_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for catalog in (DataCatalog(), SharedMemoryDataCatalog()):
        found = given(catalog, tmp_path, monkeypatch, "crossing", "of another task")
        assert sorted(found) == ["crossing", "taken"]


def test_what_the_catalog_knows_by_name_pattern_or_catch_all_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for config in (
        {
            "taken": {
                "type": "kedro.io.CachedDataset",
                "dataset": {"type": "kedro.io.MemoryDataset"},
            }
        },
        {"tak{rest}": {"type": "kedro.io.CachedDataset", "dataset": {"type": "MemoryDataset"}}},
        {"{all}": {"type": "kedro.io.CachedDataset", "dataset": {"type": "MemoryDataset"}}},
    ):
        catalog = DataCatalog.from_config(config)
        assert "taken" not in given(catalog, tmp_path, monkeypatch)


def test_a_memory_dataset_is_taken_until_it_has_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    empty = DataCatalog({"taken": MemoryDataset()})
    full = DataCatalog({"taken": MemoryDataset([1])})

    assert list(given(empty, tmp_path, monkeypatch)) == ["taken"]
    assert list(given(full, tmp_path, monkeypatch)) == []
    assert full.load("taken") == [1]


def test_what_a_node_of_another_task_has_made_comes_before_what_a_hook_has_put_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As in one process, where the node would have replaced what the hook has put there.
    IntermediateDataset("taken", str(tmp_path)).save([2])
    catalog = DataCatalog({"taken": MemoryDataset([1])})

    given(catalog, tmp_path, monkeypatch)

    assert catalog.load("taken") == [2]


def test_what_a_node_makes_for_other_tasks_is_stored_though_a_hook_has_put_data_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalog = DataCatalog({"crossing": MemoryDataset([1])})

    assert "crossing" in given(catalog, tmp_path, monkeypatch, "crossing")


def test_a_validator_of_a_memory_dataset_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not hasattr(DataCatalog, "validators"):
        pytest.skip("this Kedro has no validators, so none can get lost")
    catalog = DataCatalog.from_config(
        {"taken": {"type": "MemoryDataset", "validator": "shop.checks.Numbers"}}
    )
    before = catalog.validators

    assert list(given(catalog, tmp_path, monkeypatch)) == ["taken"]
    assert catalog.validators == before


def test_the_hook_alone_does_nothing_without_a_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(INTERMEDIATE_DATA_VARIABLE, raising=False)
    catalog = DataCatalog()

    PodHooks().before_pipeline_run(PIPELINE, catalog)

    assert list(catalog.keys()) == []


IMPORTS = """
import json, sys
import kedro.framework.hooks
before = set(sys.modules)
import kedro_airflow_k8s.pod.hooks as module
module.hooks.before_pipeline_run(None, None)
print(json.dumps(sorted(set(sys.modules) - before)))
"""


def test_outside_of_a_pod_the_hooks_cost_no_import_but_their_own(tmp_path: Path) -> None:
    environment = {k: v for k, v in os.environ.items() if k != INTERMEDIATE_DATA_VARIABLE}
    done = subprocess.run(
        [sys.executable, "-c", IMPORTS],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout) == [
        "kedro_airflow_k8s",
        "kedro_airflow_k8s.pod",
        "kedro_airflow_k8s.pod.environment",
        "kedro_airflow_k8s.pod.hooks",
    ]


def test_kedro_loads_the_hooks_without_a_word_in_settings() -> None:
    from importlib.metadata import entry_points

    from kedro_airflow_k8s.pod.hooks import hooks

    (found,) = entry_points(group="kedro.hooks", name="airflow-k8s")
    assert found.load() is hooks
