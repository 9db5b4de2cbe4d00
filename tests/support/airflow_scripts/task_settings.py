"""Imports the one DAG of a folder, in Airflow's Python; prints its tasks' settings as JSON."""

import json
import sys
from datetime import timedelta
from typing import Any

from airflow.models import DagBag

NAMES = (
    *("startup_timeout_seconds", "schedule_timeout_seconds", "retries", "retry_delay"),
    *("retry_exponential_backoff", "max_retry_delay", "execution_timeout", "pool", "pool_slots"),
    *("priority_weight", "weight_rule", "queue", "executor", "max_active_tis_per_dag"),
    *("deferrable", "poll_interval", "on_finish_action", "trigger_rule", "on_eviction"),
)


def plain(name: str, value: Any) -> Any:
    """A setting as JSON has it, the same for all versions of Airflow."""
    if isinstance(value, timedelta):
        return value.total_seconds()
    if name == "retry_exponential_backoff":
        # Airflow 2 says only whether; Airflow 3 says how many times as long each delay is.
        return value is True or value == 2.0
    if name == "weight_rule":
        # Airflow 2 has an object in place of the word.
        word = value if isinstance(value, str) else type(value).__name__
        return word.strip("_").removesuffix("PriorityWeightStrategy").lower()
    return getattr(value, "value", value)


bag = DagBag(sys.argv[1])
assert not bag.import_errors, bag.import_errors
((_, dag),) = bag.dags.items()
tasks = {
    task.task_id: {name: plain(name, getattr(task, name)) for name in NAMES if hasattr(task, name)}
    for task in dag.tasks
}
print(json.dumps(tasks))
