"""The pods that KubernetesPodOperator would start for the tasks of a DAG file."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any
from unittest import mock

from airflow.providers.cncf.kubernetes.operators.pod import KubernetesPodOperator
from kubernetes.client import ApiClient


def pods_of(source: str) -> dict[str, Any]:
    """The pod of each task, in Kubernetes' words and with its texts still as templates."""
    found: dict[str, Any] = {}
    exec(compile(source, "dag.py", "exec"), found)
    tasks = [task for task in found["dag"].tasks if isinstance(task, KubernetesPodOperator)]
    # It asks the connection for these two.
    hook = SimpleNamespace(is_in_cluster=False, get_namespace=lambda: "default")
    with mock.patch.object(KubernetesPodOperator, "hook", hook):
        pods = {task.task_id: task.build_pod_request_obj() for task in tasks}
    plain: dict[str, Any] = ApiClient().sanitize_for_serialization(pods)
    return plain
