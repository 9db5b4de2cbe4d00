"""The end of a run that stops when a task has failed."""

from __future__ import annotations

from typing import Any

from airflow.providers.common.compat.sdk import AirflowException


def fail_stopped_run(ti: Any, dag_run: Any, task: Any) -> None:
    """Fail if a task has failed. Airflow skips the last tasks, and would call this a success."""
    if hasattr(ti, "get_task_states"):  # Airflow 3
        states = ti.get_task_states(dag_run.dag_id, run_ids=[dag_run.run_id])[dag_run.run_id]
    else:
        states = {other.task_id: other.state for other in dag_run.get_task_instances()}
    tasks = [each.task_id for each in task.dag.tasks if not each.is_teardown]
    failed = [task_id for task_id in tasks if states.get(task_id) == "failed"]
    if failed:
        raise AirflowException(f"The run has failed: {', '.join(failed)}.")
