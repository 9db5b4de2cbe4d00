"""Events: what happens to a pod, as `kubectl describe` and KubernetesPodOperator show it."""

from __future__ import annotations

import uuid

from kedro_airflow_k8s.sandbox.cluster.discovery import EVENTS
from kedro_airflow_k8s.sandbox.cluster.status import Object
from kedro_airflow_k8s.sandbox.cluster.store import Store, timestamp


def record_event(store: Store, pod: Object, reason: str, message: str, *, bad: bool) -> None:
    """Record an event about a pod.

    Args:
        store: The objects of the cluster.
        pod: The pod.
        reason: One word, such as FailedScheduling.
        message: A sentence for people.
        bad: Whether it is a warning.
    """
    metadata, now = pod["metadata"], timestamp()
    namespace, name = metadata["namespace"], metadata["name"]
    involved = {"kind": "Pod", "namespace": namespace, "name": name, "uid": metadata["uid"]}
    store.create(
        EVENTS,
        {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": f"{name[:200]}.{uuid.uuid4().hex}", "namespace": namespace},
            "involvedObject": involved,
            "reason": reason,
            "message": message,
            "type": "Warning" if bad else "Normal",
            "count": 1,
            "firstTimestamp": now,
            "lastTimestamp": now,
            "source": {"component": "sandbox"},
        },
    )
