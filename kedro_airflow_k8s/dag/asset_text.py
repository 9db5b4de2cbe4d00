"""What assets add to the text of a DAG."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from kedro_airflow_k8s.dag.literals import Call
from kedro_airflow_k8s.plan.build import Plan
from kedro_airflow_k8s.plan.tasks import Task


def asset_operators(plan: Plan) -> Iterator[str]:
    """Yield the modules of `operators/` for tasks that make assets."""
    if plan.assets.outlets:
        yield "asset_pod"
        if plan.shows_nodes:
            yield "asset_group"


def asset_imports(plan: Plan) -> Iterator[str]:
    """Yield the imports that assets need."""
    if plan.assets.uris:
        yield "from airflow.providers.common.compat.sdk import Asset"
        yield "from collections.abc import Sequence"
    if plan.assets.outlets:
        yield "import json"


def asset_calls(plan: Plan) -> dict[str, Call]:
    """Return the assets by the dataset that names them in the file."""
    return {name: Call("Asset", {}, (uri,)) for name, uri in plan.assets.uris.items()}


def asset_keywords(plan: Plan, task: Task) -> dict[str, Any]:
    """Return the arguments of a task for the assets that its nodes read and make."""
    read, made = plan.assets.inlets.get(task.task_id), plan.assets.outlets.get(task.task_id, ())
    if task.runs and plan.assets.outlets:
        # The pod of a visible group describes what its nodes make.
        shown = [other.task_id for other in plan.tasks if other.pod == task.task_id]
        made = tuple(name for one in shown for name in plan.assets.outlets.get(one, ()))
    return {
        **({"inlets": list(read)} if read else {}),
        **({"outlets": list(made)} if made else {}),
    }
