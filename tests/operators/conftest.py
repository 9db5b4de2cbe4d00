"""Airflow 3 and Airflow 2.11, once for all tests of a process."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.operators.airflow_process import AirflowWorker


@pytest.fixture(
    scope="session",
    params=[
        pytest.param("airflow3", marks=pytest.mark.xdist_group("operators on airflow3")),
        pytest.param(
            "airflow2",
            marks=[pytest.mark.airflow2, pytest.mark.xdist_group("operators on airflow2")],
        ),
    ],
)
def airflow_python(request: pytest.FixtureRequest) -> Path:
    """A Python that has Airflow; `make test` says aloud when there is none with 2.11."""
    if request.param == "airflow3":
        return Path(sys.executable)
    found = os.environ.get("AIRFLOW2_PYTHON")
    if not found:
        pytest.skip("AIRFLOW2_PYTHON does not name a Python with Airflow 2.11")
    return Path(found)


@pytest.fixture(scope="session")
def airflow(
    airflow_python: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[AirflowWorker]:
    """A process that executes operators."""
    worker = AirflowWorker(airflow_python, tmp_path_factory.mktemp("airflow"))
    yield worker
    worker.stop()
