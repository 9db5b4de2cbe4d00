"""The Kubernetes objects of the engines whose clusters the plugin makes itself."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from kedro_airflow_k8s.config.clusters import ClusterConfig
from kedro_airflow_k8s.config.kubernetes import parse_quantity
from kedro_airflow_k8s.config.model import RESOURCES_DEFAULT, RunConfig
from kedro_airflow_k8s.config.own_names import (
    CLUSTER_LABEL,
    DATA_VOLUME,
    TASK_ANNOTATION,
)
from kedro_airflow_k8s.config.pods import ResourcesConfig
from kedro_airflow_k8s.config.sources import EnvSource
from kedro_airflow_k8s.plan.manifests import plain_manifest, pod_manifest
from kedro_airflow_k8s.plan.pods import environment, untemplated
from kedro_airflow_k8s.pod.environment import (
    CONTRACT,
    CONTRACT_VARIABLE,
    ENGINE_VARIABLE,
    OWN_VARIABLES,
    OWNED_VARIABLE,
    POD_VARIABLES,
)

SPARK_PORT = 15002
"""The port of Spark Connect, as Spark has it by default."""

PAGES: Mapping[str, int] = {"spark-connect": 4040}
"""The ports of the engines' web pages, in the first pod of the cluster."""

MANAGED = {"app.kubernetes.io/managed-by": "kedro-airflow-k8s"}
_COMMAND = ("python", "-m", "kedro_airflow_k8s.pod")
_MIB = 1024**2
# What Python and the system take besides Spark's heap.
_LEAST_OVERHEAD, _OVERHEAD = 384, 0.2


def engine_objects(
    config: ClusterConfig, run: RunConfig, own: str, owned: str, labels: Mapping[str, str]
) -> list[dict[str, Any]]:
    """Return the objects of a cluster: a Service, and its first pod.

    Args:
        config: The settings of the cluster.
        run: The configuration.
        own: The name of the cluster in a run, as an Airflow template.
        owned: The name of the run resources, as an Airflow template.
        labels: Labels of all pods of a cluster.
    """
    marks = {**labels, **MANAGED, CLUSTER_LABEL: own}
    head = run.settings_of(config.resources or RESOURCES_DEFAULT)
    worker = run.settings_of(config.worker_resources or config.resources or RESOURCES_DEFAULT)
    pod = pod_manifest(head, run, owned, {**marks, "kedro-airflow-k8s/role": "head"})
    container = pod["spec"]["containers"][0]
    container["args"] = [*_COMMAND, "spark-connect"]
    engine = {
        "conf": {**_spark_sizes(config, head, worker), **config.conf},
        "executor": _executor(worker, run, labels),
    }
    container["env"] = [
        *({"name": n, "valueFrom": {"fieldRef": {"fieldPath": f}}} for n, f in _POD_FIELDS),
        *container.get("env", []),
        *_variables(head, run, owned),
        {"name": OWNED_VARIABLE, "value": owned},
        {"name": ENGINE_VARIABLE, "value": _embedded(engine)},
    ]
    _mount_data(container, run)
    container["ports"] = [{"name": "spark", "containerPort": SPARK_PORT}]
    container["readinessProbe"] = {
        "tcpSocket": {"port": SPARK_PORT},
        "periodSeconds": 2,
        "timeoutSeconds": 2,
    }
    pod["spec"]["restartPolicy"] = "Never"
    return [
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": own, "labels": dict(MANAGED)},
            "spec": {
                "clusterIP": "None",
                "selector": {CLUSTER_LABEL: own, "kedro-airflow-k8s/role": "head"},
                "ports": [{"name": "spark", "port": SPARK_PORT}],
            },
        },
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": own, **pod["metadata"]},
            "spec": pod["spec"],
        },
    ]


def engine_variables(config: ClusterConfig, own: str) -> dict[str, str]:
    """Return the environment variables by which nodes find a cluster, as Airflow templates.

    Args:
        config: The settings of the cluster.
        own: The name of the cluster in a run, as an Airflow template.
    """
    address = None if config.address is None else untemplated(config.address.replace("$", "$$"))
    return {"SPARK_REMOTE": address or f"sc://{own}:{SPARK_PORT}"}


_POD_FIELDS = tuple(POD_VARIABLES.items())
_OWNED = f"$({OWNED_VARIABLE})"
_NAME = f"$({next(iter(POD_VARIABLES))})"


def _variables(settings: ResourcesConfig, run: RunConfig, owned: str) -> list[dict[str, str]]:
    """Return the user's environment variables and what the plugin in the pod needs."""
    found = environment(settings, run, owned)
    of_nodes = {name for name in found if name.startswith(OWN_VARIABLES)} - {CONTRACT_VARIABLE}
    return [{"name": n, "value": text} for n, text in found.items() if n not in of_nodes]


def _executor(
    settings: ResourcesConfig, run: RunConfig, labels: Mapping[str, str]
) -> dict[str, Any]:
    """Return the Pod of an executor. Spark adds its resources, variables and labels."""
    pod = plain_manifest(settings, run, _OWNED, {**labels, **MANAGED, CLUSTER_LABEL: _NAME})
    pod["metadata"]["annotations"].pop(TASK_ANNOTATION)
    container = pod["spec"]["containers"][0]
    container["args"] = [*_COMMAND, "spark-executor"]
    plain = {n: v for n, v in settings.env_vars.items() if not isinstance(v, EnvSource)}
    container["env"] = [
        *container.get("env", []),
        *({"name": n, "value": text.replace("$", "$$")} for n, text in plain.items()),
        {"name": CONTRACT_VARIABLE, "value": CONTRACT},
    ]
    _mount_data(container, run)
    return {"apiVersion": "v1", "kind": "Pod", **pod}


def _embedded(value: Any) -> str:
    """Return JSON as the value of a variable, in which Kubernetes replaces only our references."""
    text = json.dumps(value, ensure_ascii=False).replace("$", "$$")
    for reference in (_OWNED, _NAME):
        text = text.replace(f"${reference}", reference)
    return untemplated(text)


def _mount_data(container: dict[str, Any], run: RunConfig) -> None:
    """Mount the volume of the run where the pods of nodes have it."""
    if not run.volume.disabled:
        mount = {"name": DATA_VOLUME, "mountPath": run.volume.mount_path}
        container["volumeMounts"] = [*container.get("volumeMounts", []), mount]


def _spark_sizes(
    config: ClusterConfig, head: ResourcesConfig, worker: ResourcesConfig
) -> dict[str, str]:
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
