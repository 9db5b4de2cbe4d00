"""Spark in the pods of a cluster: its settings, and the Pod of its executors."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from kedro_airflow_k8s.config.clusters import ClusterConfig
from kedro_airflow_k8s.config.kubernetes import parse_quantity
from kedro_airflow_k8s.config.model import RunConfig
from kedro_airflow_k8s.config.own_names import CLUSTER_LABEL, DATA_VOLUME, TASK_ANNOTATION
from kedro_airflow_k8s.config.pods import ResourcesConfig
from kedro_airflow_k8s.config.sources import EnvSource
from kedro_airflow_k8s.plan.manifests import plain_manifest
from kedro_airflow_k8s.plan.pods import POD_COMMAND, untemplated
from kedro_airflow_k8s.pod.environment import (
    CONTRACT,
    CONTRACT_VARIABLE,
    OWNED_VARIABLE,
    POD_VARIABLES,
)

_OWNED = f"$({OWNED_VARIABLE})"
_NAME = f"$({next(iter(POD_VARIABLES))})"
_MIB = 1024**2
# What Python and the system take besides Spark's heap.
_LEAST_OVERHEAD, _OVERHEAD = 384, 0.2


def spark_settings(
    config: ClusterConfig,
    run: RunConfig,
    head: ResourcesConfig,
    worker: ResourcesConfig,
    labels: Mapping[str, str],
) -> str:
    """Return the settings of Spark as JSON, as the value of a variable of the server's pod.

    Args:
        config: The settings of the cluster.
        run: The configuration.
        head: The settings of the server's pod.
        worker: The settings of the executors' pods.
        labels: Labels of all pods of a cluster.
    """
    return _embedded(
        {
            "conf": {**_sizes(config, head, worker), **config.conf},
            "executor": _executor(worker, run, labels),
            "copied": copied_variables(worker),
        }
    )


def copied_variables(settings: ResourcesConfig) -> list[str]:
    """Return the variables of executors that only Airflow knows: the server passes them on."""
    sources = {n: v for n, v in settings.env_vars.items() if isinstance(v, EnvSource)}
    return [n for n, v in sources.items() if v.from_field is None and v.from_resource is None]


def _embedded(value: Any) -> str:
    """Return JSON as the value of a variable, in which Kubernetes replaces only our references."""
    text = json.dumps(value, ensure_ascii=False).replace("$", "$$")
    for reference in (_OWNED, _NAME):
        text = text.replace(f"${reference}", reference)
    return untemplated(text)


def _executor(
    settings: ResourcesConfig, run: RunConfig, labels: Mapping[str, str]
) -> dict[str, Any]:
    """Return the Pod of an executor. Spark adds its resources, variables and labels."""
    pod = plain_manifest(settings, run, _OWNED, {**labels, CLUSTER_LABEL: _NAME})
    pod["metadata"]["annotations"].pop(TASK_ANNOTATION)
    # Only the server asks Kubernetes for pods, also if both have the same entry of `resources`.
    pod["spec"].setdefault("automountServiceAccountToken", False)
    container = pod["spec"]["containers"][0]
    container["args"] = [*POD_COMMAND, "spark-executor"]
    plain = {n: v for n, v in settings.env_vars.items() if not isinstance(v, EnvSource)}
    container["env"] = [
        *container.get("env", []),
        *({"name": n, "value": text.replace("$", "$$")} for n, text in plain.items()),
        {"name": CONTRACT_VARIABLE, "value": CONTRACT},
    ]
    mount_data(container, run)
    return {"apiVersion": "v1", "kind": "Pod", **pod}


def mount_data(container: dict[str, Any], run: RunConfig) -> None:
    """Mount the volume of the run where the pods of nodes have it."""
    if not run.volume.disabled:
        mount = {"name": DATA_VOLUME, "mountPath": run.volume.mount_path}
        container["volumeMounts"] = [*container.get("volumeMounts", []), mount]


def _sizes(config: ClusterConfig, head: ResourcesConfig, worker: ResourcesConfig) -> dict[str, str]:
    """Return the settings of Spark that follow from the sizes of the pods."""
    found = {"spark.executor.instances": str(config.workers)}
    if heap := _heap(head):
        found["spark.driver.memory"] = f"{heap[0]}m"
    if heap := _heap(worker):
        found["spark.executor.memory"] = f"{heap[0]}m"
        found["spark.executor.memoryOverhead"] = f"{heap[1]}m"
    cores = worker.requests.get("cpu") or worker.limits.get("cpu")
    if cores:
        found["spark.executor.cores"] = str(max(1, math.ceil(parse_quantity(cores))))
        found["spark.kubernetes.executor.request.cores"] = cores
    if "cpu" in worker.limits:
        found["spark.kubernetes.executor.limit.cores"] = worker.limits["cpu"]
    return found


def _heap(settings: ResourcesConfig) -> tuple[int, int] | None:
    """Return the memory of Java and of all else in a pod, in MiB; None if it is not limited."""
    size = settings.limits.get("memory") or settings.requests.get("memory")
    if size is None:
        return None
    whole = int(parse_quantity(size)) // _MIB
    overhead = max(_LEAST_OVERHEAD, round(whole * _OVERHEAD))
    return max(whole - overhead, 1), overhead
