"""Until when a run keeps its data."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

from kedro_airflow_k8s.dag.operators.task_states import task_states


def keep_until(ti: Any, dag_run: Any, dag: Any, keep: timedelta) -> str:
    """Return until when the data of a run is kept; empty if none of its tasks has failed."""
    states = task_states(ti, dag_run, dag_run.run_id)
    teardowns = {task.task_id for task in dag.tasks if task.is_teardown}
    if all(state != "failed" for task_id, state in states.items() if task_id not in teardowns):
        return ""
    return (datetime.now(timezone.utc) + keep).isoformat(timespec="seconds")
