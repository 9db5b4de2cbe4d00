"""DAG runs that overlap in every way over versioned data: each reads what it has saved itself."""

from __future__ import annotations

import itertools
import logging
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kedro.io import DataCatalog
from kedro.pipeline import Pipeline, node

from kedro_airflow_k8s.pod.environment import (
    CONTRACT,
    CONTRACT_VARIABLE,
    INTERMEDIATE_DATA_VARIABLE,
)
from kedro_airflow_k8s.pod.hooks import PodHooks
from tests.kedro.pod.versioned_json import Json

TASKS = {
    "make": Pipeline([node(max, None, "model", name="make")]),
    "read": Pipeline([node(max, "model", "seen", name="read")]),
    # The data of one node goes to the next in this pod, under another name for it, and to others.
    "both": Pipeline(
        [
            node(max, ["model", "seen"], "table@rows", name="fill"),
            node(max, "table@list", "cached", name="sort"),
        ]
    ),
    "join": Pipeline([node(max, ["cached", "table@list", "old"], "report", name="join")]),
}
"""The tasks of a run, in their order."""


def catalog_config(folder: Path) -> dict[str, Any]:
    """The catalog: every way to declare a versioned dataset."""

    def entry(name: str) -> dict[str, Any]:
        return {"type": Json, "filepath": str(folder / name), "versioned": True}

    cached = {"type": Json, "filepath": str(folder / "cached")}
    return {
        "model": entry("model"),
        "se{rest}": entry("se{rest}"),
        "{space}.table@{form}": entry("{space}.table"),
        "cached": {"type": "CachedDataset", "versioned": True, "dataset": cached},
        "report": entry("report"),
        "old": entry("old"),
    }


class Run:
    """A DAG run whose tasks go on step by step.

    Attributes:
        saved: What the last attempt of each node has saved, by the names of the datasets.
    """

    def __init__(self, number: int, folder: Path, versions: Iterator[str]) -> None:
        self._number, self._folder, self._versions = number, folder, versions
        self._attempts = itertools.count(1)
        self.saved: dict[str, Any] = {}
        self._waiting = list(TASKS)
        self._steps: Iterator[None] | None = None

    @property
    def over(self) -> bool:
        return not self._waiting

    def step(self) -> None:
        """Let the pod of the next task go on, or start it."""
        if self.over:
            return
        if self._steps is None:
            self._steps = self._pod(self._waiting[0])
        if next(self._steps, self) is self:
            self._steps = None
            self._waiting.pop(0)

    def kill(self) -> None:
        """End the pod where it is: the task is tried again."""
        self._steps = None

    def clear(self, task: int) -> None:
        """Clear a task with all that follow it, as for a run that is resumed."""
        first = list(TASKS)[task]
        if not self._waiting or first not in self._waiting:
            self.kill()
            self._waiting = list(TASKS)[task:]

    def _pod(self, task: str) -> Iterator[None]:
        """What Kedro's runner does with the nodes of a task; it may end at each `yield`."""
        hooks, attempt = PodHooks(), next(self._attempts)
        pipeline, version = TASKS[task], next(self._versions)
        catalog = DataCatalog.from_config(catalog_config(self._folder), save_version=version)
        yield
        hooks.before_pipeline_run(pipeline, catalog)
        for each in pipeline.nodes:
            for name in each.inputs:
                yield
                self._check(name, catalog.load(name))
            hooks.before_node_run(each, catalog)
            for name in each.outputs:
                value = [self._number, attempt]
                yield
                hooks.before_dataset_saved(name)
                catalog.save(name, value)
                yield
                hooks.after_dataset_saved(name, None)
                self.saved[name.partition("@")[0]] = value
        yield

    def _check(self, name: str, value: Any) -> None:
        assert value == self.saved.get(name.partition("@")[0], "from outside")


ACTIONS = st.one_of(
    st.just(Run.step),
    st.just(Run.step),
    st.just(Run.step),
    st.just(Run.kill),
    st.integers(0, len(TASKS) - 1).map(lambda task: lambda run: run.clear(task)),
)


# Kedro warns where it would load another version than it has just saved.
@pytest.mark.filterwarnings("error:Save version")
@settings(max_examples=200)
@given(
    schedule=st.lists(st.tuples(st.integers(0, 2), ACTIONS), max_size=60),
    clocks=st.lists(st.integers(0, 99), max_size=40),
)
def test_no_task_reads_what_another_run_has_saved(schedule: list[Any], clocks: list[int]) -> None:
    # Clocks of machines differ: a pod that starts later may save a version that sorts earlier.
    versions = (
        f"2026-11-29T10.{clock % 60:02d}.00.{count:03d}Z"
        for count, clock in enumerate(itertools.chain(clocks, itertools.repeat(30)))
    )
    quiet = mock.patch.object(logging.getLogger("kedro.io.data_catalog"), "disabled", True)
    variables = mock.patch.dict(os.environ, {CONTRACT_VARIABLE: CONTRACT})
    # The disk need not have the records, as the machine does not crash.
    unflushed = mock.patch("os.fsync")
    with quiet, variables, unflushed, tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        # Versions that sort after all others, such as those of an image.
        outside = DataCatalog.from_config(catalog_config(folder), save_version="2099")
        for dataset in ("model", "seen", "old"):
            outside.save(dataset, "from outside")
        runs = [Run(number, folder, versions) for number in range(3)]
        rest = ((number, Run.step) for number in itertools.cycle(range(3)))
        for number, act in itertools.chain(schedule, rest):
            os.environ[INTERMEDIATE_DATA_VARIABLE] = f"{folder}/run-{number}"
            act(runs[number])
            if all(run.over for run in runs):
                break
        assert all(set(run.saved) >= {"report", "cached", "table"} for run in runs)
