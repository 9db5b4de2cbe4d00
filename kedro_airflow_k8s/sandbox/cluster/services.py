"""Services: the names by which pods find each other, and the addresses behind them."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping

from kedro_airflow_k8s.sandbox.cluster.discovery import PODS, SERVICES
from kedro_airflow_k8s.sandbox.cluster.status import Object
from kedro_airflow_k8s.sandbox.cluster.store import Store

LOOPBACK = "127.0.0.1"
"""The address of pods that no Service selects."""


def address_of(pod: Object, store: Store) -> str:
    """Return the address of a new pod. On Linux, one that a Service selects has its own.

    So two such pods can listen on the same port.
    """
    namespace, labels = pod["metadata"]["namespace"], pod["metadata"].get("labels", {})
    selected = any(
        _selects(service, labels) and service["spec"]["selector"]
        for service in store.all(SERVICES, namespace)
    )
    if not selected or sys.platform != "linux":
        return LOOPBACK
    number = int(pod["metadata"]["uid"].replace("-", "")[:6], 16)
    parts = (number >> 16, number >> 8 & 255, number & 255)
    # Without networks and broadcast addresses.
    return ".".join(("127", *(str(min(max(part, 1), 254)) for part in parts)))


def resolved(text: str, names: Mapping[str, str]) -> str:
    """Return a text with the addresses of Services for their names, where a port follows.

    Args:
        text: The value of a variable, or an argument.
        names: The addresses by name, as `names_of` returns them.
    """
    for name, address in names.items():
        if name in text:
            text = re.sub(rf"(?<![\w.-]){re.escape(name)}(?=:[0-9])", address, text)
    return text


def names_of(store: Store, namespace: str) -> dict[str, str]:
    """Return the Services of a namespace, each with the address of the newest pod behind it."""
    pods = store.all(PODS, namespace)
    found = {}
    for service in store.all(SERVICES, namespace):
        addresses = [
            pod["status"]["podIP"]
            for pod in pods
            if _selects(service, pod["metadata"].get("labels", {})) and "podIP" in pod["status"]
        ]
        found[service["metadata"]["name"]] = addresses[-1] if addresses else LOOPBACK
    return found


def _selects(service: Object, labels: Mapping[str, str]) -> bool:
    return bool(service["spec"]["selector"].items() <= labels.items())
