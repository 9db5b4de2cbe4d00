"""The waits of a DAG for others."""

from __future__ import annotations

from dataclasses import dataclass

from kedro_airflow_k8s.config.model import RunConfig
from kedro_airflow_k8s.config.own_names import OWN_TASKS
from kedro_airflow_k8s.plan import names


@dataclass(frozen=True)
class Sensor:
    """A wait for another DAG, or a task of it. Times are in minutes."""

    task_id: str
    dag_id: str
    external_task_id: str | None
    timeout: int
    check_existence: bool
    execution_delta: int
    failed_states: tuple[str, ...]


def plan_sensors(run: RunConfig) -> tuple[Sensor, ...]:
    """Return the waits of a configuration, with ids that no other task of a DAG has."""
    taken = set(OWN_TASKS)
    sensors = []
    for dependency in run.external_dependencies:
        target = ".".join(part for part in (dependency.dag_id, dependency.task_id) if part)
        label = f"wait_for_{names.identifier(target, limit=200, dots=True)}"
        task_id = names.unique(label, f"{target}/{dependency.execution_delta}", taken)
        sensors.append(
            Sensor(
                task_id=task_id,
                dag_id=dependency.dag_id,
                external_task_id=dependency.task_id,
                timeout=dependency.timeout,
                check_existence=dependency.check_existence,
                execution_delta=dependency.execution_delta,
                # A DAG run cannot be `upstream_failed`, and Airflow refuses the state there.
                failed_states=("failed", "upstream_failed") if dependency.task_id else ("failed",),
            )
        )
    return tuple(sensors)
