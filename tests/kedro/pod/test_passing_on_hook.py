"""What the hook puts into a catalog in a pod, and what it leaves as it is."""

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

from kedro_airflow_k8s.pod.environment import INTERMEDIATE_DATA_VARIABLE, PASSED_ON_VARIABLE
from kedro_airflow_k8s.pod.hooks import PodHooks
from kedro_airflow_k8s.pod.intermediate_data import IntermediateDataset
from kedro_airflow_k8s.pod.passing_on import pass_on


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
    monkeypatch.setenv(PASSED_ON_VARIABLE, json.dumps(crossing))
    pass_on(PIPELINE, catalog, str(tmp_path))
    datasets = {name: catalog.get(name) for name in catalog.keys()}  # noqa: SIM118 - Kedro's own
    return {n: d for n, d in datasets.items() if isinstance(d, IntermediateDataset)}


def test_only_what_crosses_the_border_of_a_task_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for catalog in (DataCatalog(), SharedMemoryDataCatalog()):
        found = given(catalog, tmp_path, monkeypatch, "crossing", "of another task")
        assert sorted(found) == ["crossing", "taken"]


class OnDisk(MemoryDataset):
    """A project's own class; that its data outlives the process is up to it."""


ON_DISK = {"type": "tests.kedro.pod.test_passing_on_hook.OnDisk"}
MEMORY = {"type": "MemoryDataset"}


def cached(dataset: dict[str, Any]) -> dict[str, Any]:
    return {"type": "CachedDataset", "dataset": dataset}


@pytest.mark.parametrize("pattern", ["taken", "tak{rest}", "{all}"])
@pytest.mark.parametrize("entry", [ON_DISK, cached(ON_DISK)])
def test_what_the_catalog_stores_by_name_pattern_or_catch_all_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pattern: str, entry: dict[str, Any]
) -> None:
    catalog = DataCatalog.from_config({pattern: entry})

    assert "taken" not in given(catalog, tmp_path, monkeypatch)


@pytest.mark.parametrize("pattern", ["taken", "tak{rest}", "{all}"])
@pytest.mark.parametrize("entry", [MEMORY, cached(MEMORY), cached(cached(MEMORY))])
def test_what_the_catalog_has_in_memory_is_taken_cached_or_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pattern: str, entry: dict[str, Any]
) -> None:
    catalog = DataCatalog.from_config({pattern: entry})

    assert "taken" in given(catalog, tmp_path, monkeypatch)


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
