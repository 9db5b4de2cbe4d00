"""Airflow 3 and Airflow 2.11, once for all tests of a process."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.airflow.dag.operators.airflow_process import AirflowWorker
from tests.support.airflow_environments import AIRFLOW_PYTHONS
from tests.support.mlflow_servers import mlflow_server_fixture

__all__ = ["mlflow_server_fixture"]


@pytest.fixture(scope="session", params=AIRFLOW_PYTHONS)
def airflow_python(request: pytest.FixtureRequest) -> Path:
    """A Python that has Airflow."""
    python: Path = request.param
    return python


@pytest.fixture(scope="session")
def airflow(
    airflow_python: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[AirflowWorker]:
    """A process that executes operators."""
    worker = AirflowWorker(airflow_python, tmp_path_factory.mktemp("airflow"))
    yield worker
    worker.stop()
