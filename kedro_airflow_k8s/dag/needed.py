"""The operators, names and imports that the file of a DAG needs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from kedro_airflow_k8s.config.values import UTC
from kedro_airflow_k8s.dag.asset_text import asset_imports, asset_operators, schedule_names
from kedro_airflow_k8s.dag.cluster_text import cluster_imports, cluster_operators
from kedro_airflow_k8s.plan.build import Plan
from kedro_airflow_k8s.plan.pod_settings import OfAirflow


def operators_of(plan: Plan) -> Iterator[str]:
    """Yield the modules of `operators/` that the file contains."""
    if plan.storage.volume or plan.made_clusters:
        yield "run_resources"
    if plan.settings.fail_fast or plan.mlflow or plan.storage.keep_failed or plan.shows_nodes:
        yield "task_states"
    if plan.storage.keep_failed:
        yield "keep_until"
    if plan.storage.keep_failed and plan.storage.volume:
        yield "kept_resources"
        if plan.storage.volume.fill:
            yield "other_volume"
    yield from pod_operators(plan)
    yield from cluster_operators(plan)
    if plan.shows_nodes:
        yield "shared_pod"
    yield from asset_operators(plan)
    if plan.settings.fail_fast:
        yield "fail_fast"
    if plan.settings.notifies:
        yield "notify"
    if plan.mlflow:
        yield from plan.mlflow.operators


def pod_operators(plan: Plan) -> list[str]:
    """Return the modules of `operators/` for pods; the last one has the class of the tasks."""
    entries = (plan.pods.common, *plan.pods.resources.values())
    repeats = any(entry.get(key) for entry in entries for key in ("on_oom", "on_eviction"))
    # Without the key, Airflow decides.
    defers = plan.pods.common.get("deferrable", True) or any(e.get("deferrable") for e in entries)
    return [
        "kedro_pod",
        *(["deferred_pod"] if repeats or defers else []),
        *(["repeated_pod"] if repeats else []),
    ]


@dataclass(frozen=True)
class TaskClasses:
    """The classes of the operators of a DAG.

    Attributes:
        pod: That of pods without nodes.
        task: That of tasks of nodes.
        shared: That of pods whose nodes have tasks of their own.
        node: That of such tasks.
        made: The classes among them that the file makes of two: name, bases and docstring.
    """

    pod: str
    task: str
    shared: str
    node: str
    made: tuple[tuple[str, str, str], ...]


def task_classes(plan: Plan) -> TaskClasses:
    """Return the classes of operators that the file uses."""
    pod = f"{pod_operators(plan)[-1].title().replace('_', '')}Operator"
    before: tuple[tuple[str, str, str], ...] = ()
    if plan.made_clusters and pod == "KedroPodOperator":
        pod = "ClusterPodOperator"
    elif plan.made_clusters:
        bases = f"ClusterPodOperator, {pod}"
        pod = f"Cluster{pod}"
        before = ((pod, bases, "A pod of nodes with clusters."),)
    kind = "Asset" if plan.assets.outlets else ""
    first = (f"{kind}PodOperator", f"Shared{kind}PodOperator", f"NodeOf{kind}PodOperator")
    if pod == "KedroPodOperator":
        return TaskClasses(pod, first[0] if kind else pod, *first[1:], made=())
    own = (f"{kind}{pod}", f"Shared{kind}{pod}", f"NodeOf{kind}{pod}")
    docs = ("A pod that makes assets.", "A pod of several nodes.", "A node of such a pod.")
    needed = (bool(kind), plan.shows_nodes, plan.shows_nodes)
    every = zip(own, first, docs, needed, strict=True)
    made = ((name, f"{base}, {pod}", doc) for name, base, doc, is_ in every if is_)
    return TaskClasses(pod, *own, made=(*before, *made))


def moved_names(plan: Plan) -> Iterator[str]:
    """Yield the names from `compat.py` and `partitions.py` that the file needs."""
    yield from schedule_names(plan)
    if plan.mlflow:
        yield "EmptyOperator"
    if plan.sensors:
        yield "ExternalTaskSensor"
    if plan.shows_nodes:
        yield from ("AirflowRescheduleException", "TimeDeltaTrigger")
    if plan.settings.fail_fast:
        yield "FAIL_FAST"
    if OfAirflow.DOUBLED in _all_arguments(plan):
        yield "DOUBLED"


def imports_of(plan: Plan) -> Iterator[str]:
    """Yield the imports of the file for this plan, besides those of the operators."""
    yield "from typing import Any"
    yield "from airflow.providers.common.compat.sdk import DAG"
    if plan.schedule.timezone == UTC:
        yield "from datetime import datetime, timezone"
    else:
        yield "import pendulum"
    if (
        plan.mlflow
        or plan.storage.deletes_data
        or plan.storage.keep_failed
        or any(sensor.execution_delta for sensor in plan.sensors)
        or plan.settings.timeout
        or any(isinstance(value, timedelta) for value in _all_arguments(plan))
    ):
        yield "from datetime import timedelta"
    if plan.mlflow or plan.settings.fail_fast:
        yield "from airflow.providers.common.compat.standard.operators import PythonOperator"
    if plan.settings.fail_fast or OfAirflow.DOUBLED in _all_arguments(plan):
        yield "import inspect"
    if OfAirflow.DOUBLED in _all_arguments(plan):
        yield "from airflow.providers.common.compat.sdk import BaseOperator"
    if plan.tree.groups:
        yield "from airflow.providers.common.compat.sdk import TaskGroup"
    if plan.form:
        yield "from airflow.providers.common.compat.sdk import Param"
    yield from asset_imports(plan)
    yield from cluster_imports(plan)
    if OfAirflow.DEFERRABLE in _all_arguments(plan):
        yield "from airflow.configuration import conf"
    arguments = set().union(*plan.pods.resources.values())
    if plan.storage.volume or {"tolerations", "container_resources"} & arguments:
        yield "from kubernetes.client import models as k8s"


def _all_arguments(plan: Plan) -> list[Any]:
    """Return the values of all arguments of tasks."""
    entries = (plan.pods.common, *plan.pods.resources.values())
    return [value for entry in entries for value in entry.values()]
