"""The pod describes the data that it makes, for the events of its assets."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd  # type: ignore[import-untyped]
import pytest

from kedro_airflow_k8s.pod import asset_data
from kedro_airflow_k8s.pod.environment import (
    ASSETS_VARIABLE,
    EVENTS_VARIABLE,
    INTERMEDIATE_DATA_VARIABLE,
    MLFLOW_RUN_VARIABLE,
    REASON_VARIABLE,
)
from tests.kedro.pod.kedro_processes import run_task
from tests.support.kedro_projects import ProjectFolder, project_fixture

__all__ = ["project_fixture"]

REGISTRY = """
import os
import pandas as pd
from kedro.pipeline import Pipeline, node

def table():
    return pd.DataFrame({"a": [1, 2, 3], "b": [4, 5, 6]})

def listed(table):
    return table["a"].tolist()

def broken(table):
    if "FAIL" in os.environ:
        raise ValueError("not today")

def register_pipelines():
    return {"__default__": Pipeline([
        node(table, None, "table", name="table"),
        node(listed, "table", "list", name="listed"),
        node(broken, "table", None, name="broken"),
    ])}
"""
CATALOG = """
table: {type: pandas.CSVDataset, filepath: data/table.csv, save_args: {index: false}}
list: {type: json.JSONDataset, filepath: data/list.json, versioned: true}
"""
TABLE = {"rows": 3, "columns": 2, "bytes": len("a,b\n1,4\n2,5\n3,6\n")}


@pytest.fixture(name="shop")
def _shop(project: ProjectFolder) -> ProjectFolder:
    project.registry(REGISTRY)
    project.write("conf/base/catalog.yml", CATALOG)
    return project


def variables(folder: Path, *names: str, **more: str) -> dict[str, str]:
    found = {ASSETS_VARIABLE: json.dumps(names)} if names else {}
    return {
        **found,
        REASON_VARIABLE: str(folder / "left"),
        INTERMEDIATE_DATA_VARIABLE: str(folder / "passed"),
        **more,
    }


def left(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "left").read_text())
    return found


@pytest.mark.parametrize("runner", ["SequentialRunner", "ThreadRunner", "ParallelRunner"])
def test_rows_columns_bytes_and_version_are_left_with_every_runner(
    shop: ProjectFolder, tmp_path: Path, runner: str
) -> None:
    done = run_task(shop.path, f"--runner={runner}", **variables(tmp_path, "table", "list"))
    assert done.returncode == 0, done.stdout
    found = left(tmp_path)
    assert {"memory", "cpu", "wall"} <= found.keys()
    (version,) = (path.name for path in (shop.path / "data/list.json").iterdir())
    size = (shop.path / "data/list.json" / version / "list.json").stat().st_size
    known = {"rows": 3, "version": version, "bytes": size}
    assert found["assets"] == {"datasets": {"table": TABLE, "list": known}}


def test_only_the_assets_of_the_task_are_described(shop: ProjectFolder, tmp_path: Path) -> None:
    assert run_task(shop.path, **variables(tmp_path, "table")).returncode == 0
    assert left(tmp_path)["assets"] == {"datasets": {"table": TABLE}}


def test_without_assets_nothing_more_than_the_usage_is_left(
    shop: ProjectFolder, tmp_path: Path
) -> None:
    assert run_task(shop.path, **variables(tmp_path)).returncode == 0
    assert "assets" not in left(tmp_path)


def test_a_task_that_fails_describes_nothing(shop: ProjectFolder, tmp_path: Path) -> None:
    assert run_task(shop.path, **variables(tmp_path, "table", FAIL="1")).returncode == 1
    assert "ValueError: not today" in (tmp_path / "left").read_text()


def test_in_a_visible_group_the_event_of_each_node_describes_what_it_has_made(
    shop: ProjectFolder, tmp_path: Path
) -> None:
    nonce = {EVENTS_VARIABLE: "4f1a2b"}
    names = variables(tmp_path, "table", "list", **nonce)
    done = run_task(shop.path, "--runner=SequentialRunner", **names)
    assert done.returncode == 0, done.stdout
    events = [json.loads(e) for e in re.findall(r"event 4f1a2b (\[.*\])$", done.stdout, re.M)]
    ends = {event[1]: event[3:] for event in events if event[0] == "success"}
    assert ends["table"] == ["", {"datasets": {"table": TABLE}}]
    assert ends["listed"][1]["datasets"].keys() == {"list"}
    assert ends["broken"] == []


def test_the_mlflow_run_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(ASSETS_VARIABLE, '["table"]')
    monkeypatch.setenv("KEDRO_AIRFLOW_K8S_ASSETS_FILE", "")
    monkeypatch.setenv(MLFLOW_RUN_VARIABLE, "0123")
    asset_data.begin()
    assert asset_data.described() == {}
    asset_data.note("table@pandas", pd.DataFrame({"a": [1]}), {})  # type: ignore[arg-type]
    assert asset_data.described() == {
        "mlflow_run_id": "0123",
        "datasets": {"table": {"rows": 1, "columns": 1}},
    }


def test_a_message_that_would_be_too_long_has_the_first_datasets_and_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    names = [f"table_{index}" for index in range(500)]
    monkeypatch.setenv(ASSETS_VARIABLE, json.dumps(names))
    monkeypatch.setenv("KEDRO_AIRFLOW_K8S_ASSETS_FILE", "")
    asset_data.begin()
    for name in names:
        asset_data.note(name, [1], {})  # type: ignore[arg-type]
    found = asset_data.described()["datasets"]
    assert 50 < len(found) < 500
    assert [*found] == names[: len(found)]
    assert len(json.dumps(found)) <= asset_data.MOST_CHARACTERS
    assert f"only the first {len(found)} of 500 datasets fit" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("data", "known"),
    [
        (np.zeros((4, 5)), {"rows": 4, "columns": 5}),
        (np.zeros(4), {"rows": 4}),
        (np.zeros((2, 2, 2)), {}),
        (pd.Series([1, 2]), {"rows": 2}),
        ([1, 2], {"rows": 2}),
        ("text", {}),
        (None, {}),
    ],
)
def test_rows_and_columns_are_those_that_the_data_has_counted(
    data: Any, known: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(ASSETS_VARIABLE, '["x"]')
    monkeypatch.setenv("KEDRO_AIRFLOW_K8S_ASSETS_FILE", "")
    asset_data.begin()
    asset_data.note("x", data, {})  # type: ignore[arg-type]
    assert asset_data.described()["datasets"] == {"x": known}
