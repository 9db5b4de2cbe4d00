"""Compiled DAGs for tests of what happens to them afterwards."""

from __future__ import annotations

from datetime import date
from typing import Any

from kedro_airflow_k8s.compile import CompiledDag


def compiled_dag(dag_id: str, tasks: tuple[str, ...] = ("load",), **values: Any) -> CompiledDag:
    """A DAG whose text no one reads."""
    return CompiledDag(
        **{
            "dag_id": dag_id,
            "source": f"# {dag_id}\n",
            "task_ids": tasks,
            "sensor_ids": (),
            "fingerprint": "fingerprint:0123456789ab",
            "schedule": None,
            "timezone": "UTC",
            "start_date": date(2021, 1, 1),
            "trigger_params": (),
            **values,
        }
    )
