"""The states of tasks, of this DAG run or another one of the same DAG."""

from __future__ import annotations

from typing import Any


def task_states(ti: Any, dag_run: Any, run_id: str) -> dict[str, Any]:
    """Return the state of each task of a run; nothing if Airflow does not know the run."""
    if hasattr(ti, "get_task_states"):  # Airflow 3
        return dict(ti.get_task_states(dag_run.dag_id, run_ids=[run_id]).get(run_id, {}))
    runs = dag_run.find(dag_id=dag_run.dag_id, run_id=run_id)
    return {other.task_id: other.state for run in runs for other in run.get_task_instances()}
