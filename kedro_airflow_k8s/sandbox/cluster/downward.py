"""What a pod can know of itself: its fields, and the resources of its containers."""

from __future__ import annotations

import json
import os
import re
from decimal import ROUND_CEILING, Decimal

import psutil

from kedro_airflow_k8s.config.kubernetes import parse_quantity
from kedro_airflow_k8s.sandbox.cluster.selectors import field_text
from kedro_airflow_k8s.sandbox.cluster.status import Object

_PLAIN = (
    *("metadata.name", "metadata.namespace", "metadata.uid", "spec.nodeName"),
    *("spec.serviceAccountName", "status.podIP", "status.hostIP"),
)
_LISTS = ("status.podIPs", "status.hostIPs")
_WHOLE = ("metadata.labels", "metadata.annotations")
_IN_FILES = (*_PLAIN[:3], *_WHOLE)
_BY_KEY = re.compile(r"metadata\.(?P<kind>labels|annotations)\['(?P<key>.+)'\]", re.DOTALL)
_RESOURCE = re.compile(r"(limits|requests)\.(cpu|memory|ephemeral-storage|hugepages-\w+)")


def is_field(path: str) -> bool:
    """Return whether an environment variable can have the value of a field.

    See https://kubernetes.io/docs/concepts/workloads/pods/downward-api/
    """
    return path in (*_PLAIN, *_LISTS) or _BY_KEY.fullmatch(path) is not None


def is_resource(name: str) -> bool:
    """Return whether an environment variable can have the amount of a resource."""
    return _RESOURCE.fullmatch(name) is not None


def is_file_field(path: str) -> bool:
    """Return whether a file of a volume can have the value of a field."""
    return path in _IN_FILES or _BY_KEY.fullmatch(path) is not None


def field_value(pod: Object, path: str) -> str:
    """Return the value of a field; empty where the pod lacks it."""
    if path in _WHOLE:
        entries = sorted(pod["metadata"].get(path.partition(".")[2], {}).items())
        return "\n".join(f"{key}={json.dumps(text)}" for key, text in entries)
    if found := _BY_KEY.fullmatch(path):
        value: str = pod["metadata"].get(found["kind"], {}).get(found["key"], "")
        return value
    if path in _LISTS:
        return ",".join(entry["ip"] for entry in pod["status"].get(path.partition(".")[2], []))
    return field_text(pod, path)


def resource_value(pod: Object, own: Object, source: Object) -> str:
    """Return the amount of a resource in units of the divisor, rounded up as a kubelet does.

    Args:
        pod: The pod.
        own: The container that asks.
        source: The `resourceFieldRef`.
    """
    named = source.get("containerName", own["name"])
    containers = [*pod["spec"].get("initContainers", []), *pod["spec"]["containers"]]
    container = next((c for c in containers if c["name"] == named), own)
    kind, _, resource = source["resource"].partition(".")
    resources = container.get("resources", {})
    amounts = resources.get(kind, {})
    if kind == "requests" and resource not in amounts:
        # Kubernetes sets a missing request to the limit.
        amounts = resources.get("limits", {})
    if resource in amounts:
        amount = parse_quantity(str(amounts[resource]))
    else:
        amount = _capacity(resource) if kind == "limits" else Decimal(0)
    divisor = parse_quantity(str(source.get("divisor", "1"))) or Decimal(1)
    return str(int((amount / divisor).to_integral_value(ROUND_CEILING)))


def _capacity(resource: str) -> Decimal:
    """Return what a container without a limit may use: all of the machine."""
    if resource == "cpu":
        return Decimal(os.cpu_count() or 1)
    if resource == "memory":
        return Decimal(psutil.virtual_memory().total)
    return Decimal(psutil.disk_usage("/").total) if resource == "ephemeral-storage" else Decimal(0)
