"""The end of a run that stops when a task has failed."""

from __future__ import annotations

from typing import Any

from airflow.providers.common.compat.sdk import AirflowException

from kedro_airflow_k8s.dag.operators.task_states import task_states


def fail_stopped_run(ti: Any, dag_run: Any, task: Any) -> None:
    """Fail if a task has failed. Airflow skips the last tasks, and would call this a success."""
    states = task_states(ti, dag_run, dag_run.run_id)
    tasks = [each.task_id for each in task.dag.tasks if not each.is_teardown]
    failed = [task_id for task_id in tasks if states.get(task_id) == "failed"]
    if failed:
        raise AirflowException(f"The run has failed: {', '.join(failed)}.")
