"""Keys of datasets that their classes do not take, or miss."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from kedro_airflow_k8s.checks.dataset_keys import wrong_keys
from tests.support.checked import node, subject


def keys(entry: dict[str, Any]) -> list[tuple[str, str]]:
    checked = subject([node("load", "table")], {"table": entry})
    return [(found.severity, found.problem) for found in wrong_keys(checked)]


CSV = {"type": "pandas.CSVDataset", "filepath": "data/x.csv"}


@pytest.mark.parametrize(
    "entry",
    [
        CSV,
        {**CSV, "versioned": True, "credentials": "a", "metadata": {}, "load_args": {}},
        {"type": "MemoryDataset"},
        {"type": "CachedDataset", "dataset": CSV},
        {"type": "partitions.PartitionedDataset", "path": "data", "dataset": "json.JSONDataset"},
        {"type": "not_here.Table", "anything": 1},
        {"type": "<runtime_params:kind>", "anything": 1},
    ],
)
def test_keys_that_the_class_takes_are_fine(entry: dict[str, Any]) -> None:
    assert keys(entry) == []


def test_a_key_that_the_class_does_not_take_is_reported_with_the_nearest() -> None:
    ((severity, problem),) = keys({**CSV, "load_arg": {}})
    assert severity == "error"
    assert "'load_arg'" in problem
    assert "'load_args'" in problem


def test_a_key_that_the_class_requires_is_reported() -> None:
    assert keys({"type": "pandas.CSVDataset"}) == [
        ("error", "pandas.CSVDataset requires 'filepath'.")
    ]
    memory = {"type": "MemoryDataset", "versioned": True}
    assert "no versions" in keys(memory)[0][1]


def test_constructors_of_own_classes_are_read_and_are_at_most_a_doubt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "own_keys.py").write_text(
        "from kedro.io import AbstractDataset\n"
        "class Base(AbstractDataset):\n    def __init__(self, path, *, mode='r'): ...\n"
        "class Child(Base): ...\n"
        "class Any(AbstractDataset):\n    def __init__(self, **kwargs): ...\n"
        "class New(AbstractDataset):\n    def __new__(cls, x): ...\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    assert keys({"type": "own_keys.Child", "path": "x", "mode": "w"}) == []
    assert keys({"type": "own_keys.Child", "mode": "w"})[0][0] == "warning"
    assert keys({"type": "own_keys.Any", "x": 1}) == []
    assert keys({"type": "own_keys.New", "y": 1}) == []
