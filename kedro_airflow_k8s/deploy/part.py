"""Runs of a part of a DAG."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from kedro_airflow_k8s.compile import CompiledDag
from kedro_airflow_k8s.config.wording import counted, listed
from kedro_airflow_k8s.errors import RunError
from kedro_airflow_k8s.plan.data_places import DataPlace, missing_inputs

CONF_KEY = "kedro_tasks"
"""The key of a run's conf with the ids of the tasks of Kedro nodes that run. DAGs read it."""


def conf_of_part(dag: CompiledDag, nodes: Collection[str]) -> dict[str, Any]:
    """Return the conf of a run of some nodes.

    Args:
        dag: The DAG.
        nodes: The names of the nodes.

    Raises:
        RunError: If a task also runs other nodes, or an input would be missing.
    """
    tasks = [task for task in dag.tasks if not set(task.nodes).isdisjoint(nodes)]
    for task in tasks:
        others = [node for node in task.nodes if node not in nodes]
        if others:
            raise RunError(
                f"Task {task.task_id!r} cannot run in part. Its nodes share a pod, and these were"
                f" not selected: {listed(others)}. Select them, too, or none of the task."
            )
    chosen = [task.task_id for task in tasks]
    missing = missing_inputs(dag.tasks, chosen, dag.storage, {DataPlace.LASTING})
    if missing:
        makers = ", ".join(dict.fromkeys(missing.values()))
        raise RunError(
            f"{counted(len(missing), 'input')} of these nodes would be missing: {listed(missing)}."
            f" The tasks that make this data are not selected: {makers}. Each run keeps such data"
            " for itself. Select their nodes, too, or store the data outside the run, such as on"
            " object storage."
        )
    return {CONF_KEY: chosen}
