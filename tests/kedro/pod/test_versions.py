"""Tasks of a DAG run load the versions of datasets that tasks of the same run have saved."""

from __future__ import annotations

import inspect
import json
import os
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any

import pytest
from kedro.io import CachedDataset, DataCatalog, DatasetError, Version
from kedro.pipeline import Pipeline, node

from kedro_airflow_k8s.pod.environment import (
    CONTRACT,
    CONTRACT_VARIABLE,
    INPUTS_VARIABLE,
    INTERMEDIATE_DATA_VARIABLE,
)
from kedro_airflow_k8s.pod.hooks import PodHooks
from tests.kedro.pod import versioned_json
from tests.kedro.pod.kedro_processes import pod_environment
from tests.kedro.pod.versioned_json import Json
from tests.support.kedro_projects import ProjectFolder, project_fixture

__all__ = ["project_fixture"]

NODES = """
from pathlib import Path
from kedro.pipeline import Pipeline, node

def fill(path):
    return Path(path).read_text()

def same(value):
    return value

def write(value, outside):
    Path("report").write_text(f"{value}, {outside}")

def register_pipelines():
    return {"__default__": Pipeline([
        node(fill, "params:source", "model", name="make"),
        node(same, "model", "shop.table@rows", name="inside"),
        node(write, ["shop.table@list", "old"], None, name="report"),
    ])}
"""
CATALOG = """
model: {type: shop.versioned_json.Json, filepath: data/model, versioned: true}
old: {type: shop.versioned_json.Json, filepath: data/old, versioned: true}
"{space}.table@{form}":
  type: CachedDataset
  versioned: true
  dataset: {type: shop.versioned_json.Json, filepath: "data/{space}.table"}
"""
PLAIN = """
  type: shop.versioned_json.Json
  filepath: "data/{space}.table"
  versioned: true
"""
SPAWNED = ("ParallelRunner", "spawn")
PYTHONS = {
    "this one": sys.executable,
    **{name: os.environ.get(name) for name in ("KEDRO_1_0_PYTHON", "KEDRO_1_5_PYTHON")},
}


@pytest.fixture(name="shop")
def _shop(project: ProjectFolder) -> ProjectFolder:
    project.registry(NODES)
    project.write("conf/base/catalog.yml", CATALOG)
    project.write("conf/base/parameters.yml", "source: source\n")
    project.write("src/shop/versioned_json.py", inspect.getsource(versioned_json))
    # Kedro would load these: they sort after all that is saved today.
    for name in ("model", "shop.table", "old"):
        project.write(f"data/{name}/2099-01-01T00.00.00.000Z/{name}", '"from outside"')
    return project


def task(
    shop: ProjectFolder,
    run: str,
    nodes: str,
    *options: str,
    python: str | None = sys.executable,
    **variables: str,
) -> str:
    """Run a task in a process of its own."""
    if python is None:
        pytest.skip("no Python with that Kedro is named")
    root = {INTERMEDIATE_DATA_VARIABLE: str(shop.path / "runs" / run)} if run else {}
    done = subprocess.run(
        [python, "-m", "kedro_airflow_k8s.pod", "run", f"--nodes={nodes}", *options],
        cwd=shop.path,
        env=pod_environment(root | variables),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def saves(
    shop: ProjectFolder, run: str, nodes: str, value: str, *options: str, **variables: str
) -> str:
    """Run a task that makes a value."""
    shop.write("source", value)
    return task(shop, run, nodes, *options, **variables)


def report(shop: ProjectFolder) -> str:
    return (shop.path / "report").read_text()


@pytest.mark.parametrize("python", PYTHONS)
def test_a_task_loads_what_its_own_run_has_saved_in_another_pod(
    shop: ProjectFolder, python: str
) -> None:
    shop.write("source", "of one")
    saved = task(shop, "one", "make", python=PYTHONS[python])
    saves(shop, "two", "make", "of two")

    read = task(shop, "one", "inside", python=PYTHONS[python])
    task(shop, "one", "report", python=PYTHONS[python])

    assert report(shop) == "of one, from outside"
    version = saved.partition("Version of 'model' saved: ")[2].splitlines()[0]
    assert f"Version of 'model' to load: {version}, saved by this DAG run\n" in read
    assert (shop.path / "data/model" / version / "model").read_text() == '"of one"'


@pytest.mark.parametrize(
    ("runner", "context"),
    [("SequentialRunner", ""), ("ThreadRunner", ""), ("ParallelRunner", "fork"), SPAWNED],
)
def test_nodes_of_one_pod_load_what_they_have_saved_with_every_runner(
    shop: ProjectFolder, runner: str, context: str
) -> None:
    if runner == "ParallelRunner":
        # It refuses CachedDatasets.
        shop.write("conf/base/catalog.yml", CATALOG[: CATALOG.index("\n  type: Cached")] + PLAIN)

    output = saves(
        shop, "one", "make,inside,report", "of one", f"--runner={runner}", KEDRO_MP_CONTEXT=context
    )

    assert report(shop) == "of one, from outside"
    assert sorted(path.name for path in (shop.path / "runs/one").glob("*.version")) == [
        "model.version",
        "shop.table.version",
    ]
    assert "Version of 'old' to load: the latest\n" in output
    assert "Save version" not in output


def test_a_run_without_a_store_has_its_own_version_within_a_pod(shop: ProjectFolder) -> None:
    saves(shop, "", "make,inside,report", "of one")

    assert report(shop) == "of one, from outside"


def test_a_task_that_is_tried_again_saves_another_version_which_then_counts(
    shop: ProjectFolder,
) -> None:
    saves(shop, "one", "make", "first try")
    saves(shop, "one", "make", "second try")
    task(shop, "one", "inside")
    task(shop, "one", "report")

    assert report(shop) == "second try, from outside"


def test_a_version_that_the_user_chooses_stays(shop: ProjectFolder) -> None:
    shop.write("data/model/2020-01-01T00.00.00.000Z/model", '"chosen"')
    saves(shop, "one", "make", "of one")

    task(shop, "one", "inside,report", "--load-versions=model:2020-01-01T00.00.00.000Z")

    assert report(shop) == "chosen, from outside"


def test_a_task_loads_the_version_of_the_run_that_it_takes_data_from(shop: ProjectFolder) -> None:
    # The folders of runs on object storage end so, by the ids of the DAG and the run.
    first, second = (uuid.uuid5(uuid.NAMESPACE_OID, f"shop/{run}").hex[:12] for run in "12")
    saves(shop, f"s-{first}", "make", "of the first")
    saves(shop, "another", "make", "of another")
    given = {"dag_id": "shop", "run_id": "1", "datasets": ["model"]}

    read = task(shop, f"s-{second}", "inside", **{INPUTS_VARIABLE: json.dumps(given)})
    task(shop, f"s-{second}", "report")

    assert report(shop) == "of the first, from outside"
    assert "saved by the run that this one takes it from\n" in read


ONE = Pipeline([node(max, None, "made", name="make"), node(max, "read", "seen", name="read")])


@pytest.fixture(name="hooks")
def _hooks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PodHooks:
    monkeypatch.setenv(CONTRACT_VARIABLE, CONTRACT)
    monkeypatch.setenv(INTERMEDIATE_DATA_VARIABLE, str(tmp_path / "run"))
    return PodHooks()


def made_by_hooks(tmp_path: Path) -> DataCatalog:
    """Datasets that a hook adds, which do not know the version that Kedro saves."""
    datasets = {name: Json(str(tmp_path / name), Version(None, None)) for name in ("made", "read")}
    return DataCatalog({name: CachedDataset(dataset) for name, dataset in datasets.items()})


def save(hooks: PodHooks, catalog: DataCatalog, name: str, value: Any) -> None:
    """What Kedro's runner does with an output of a node."""
    hooks.before_node_run(node(print, None, name), catalog)
    hooks.before_dataset_saved(name)
    catalog.save(name, value)
    hooks.after_dataset_saved(name, None)


def test_datasets_that_hooks_add_have_one_version_too(hooks: PodHooks, tmp_path: Path) -> None:
    reading = Pipeline([node(max, "made", "seen", name="look")])
    first, second = made_by_hooks(tmp_path), made_by_hooks(tmp_path)
    hooks.before_pipeline_run(ONE, first)
    save(hooks, first, "made", "of the run")
    DataCatalog({"made": Json(str(tmp_path / "made"), Version(None, "2099"))}).save("made", "other")

    hooks.before_pipeline_run(reading, second)

    assert second.load("made") == "of the run"


def test_hooks_may_load_the_latest_version_of_what_the_pod_is_about_to_save(
    hooks: PodHooks, tmp_path: Path
) -> None:
    entry = {"type": Json, "filepath": str(tmp_path / "made"), "versioned": True}
    DataCatalog.from_config({"made": entry}, save_version="2020").save("made", "of last year")
    catalog = DataCatalog.from_config({"made": entry}, save_version="2026")

    hooks.before_pipeline_run(ONE, catalog)

    assert catalog.load("made") == "of last year"
    save(hooks, catalog, "made", "of today")
    assert catalog.load("made") == "of today"


@pytest.mark.parametrize("variable", [CONTRACT_VARIABLE, INTERMEDIATE_DATA_VARIABLE])
def test_outside_of_a_pod_and_without_a_store_nothing_is_written(
    hooks: PodHooks, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.delenv(variable)
    catalog = made_by_hooks(tmp_path)
    hooks.before_pipeline_run(Pipeline([]), catalog)
    save(hooks, catalog, "made", 1)

    assert not (tmp_path / "run").exists()


def test_versions_go_over_object_storage(
    hooks: PodHooks, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(INTERMEDIATE_DATA_VARIABLE, f"memory://{tmp_path.name}/run")
    test_datasets_that_hooks_add_have_one_version_too(hooks, tmp_path)


@pytest.mark.parametrize("content", ["", "{", "[]", '{"name": 1}'])
def test_a_record_that_is_damaged_fails_the_task(
    hooks: PodHooks, tmp_path: Path, content: str
) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run/read.version").write_text(content)

    with pytest.raises(DatasetError) as caught:
        hooks.before_pipeline_run(ONE, made_by_hooks(tmp_path))

    assert str(caught.value).startswith(
        f"The version of dataset 'read' cannot be read: {tmp_path}/run/read.version: "
    )


def test_a_version_that_cannot_be_recorded_fails_the_task(hooks: PodHooks, tmp_path: Path) -> None:
    # Or the tasks after it would load the latest without a word.
    (tmp_path / "run/made.version").mkdir(parents=True)
    catalog = made_by_hooks(tmp_path)
    hooks.before_pipeline_run(ONE, catalog)

    with pytest.raises(DatasetError, match=r"made.*cannot be recorded: .*run_config\.volume"):
        save(hooks, catalog, "made", 1)
