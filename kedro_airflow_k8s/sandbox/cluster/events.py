"""Events: what `kubectl describe` and KubernetesPodOperator show of a pod's way."""

from __future__ import annotations

import uuid

from kedro_airflow_k8s.sandbox.cluster.status import Object
from kedro_airflow_k8s.sandbox.cluster.store import Store, timestamp


def record_event(store: Store, item: Object, reason: str, message: str, *, bad: bool) -> None:
    """Add an event about an object.

    Args:
        store: Where events are kept.
        item: The object it is about.
        reason: One word, such as FailedScheduling.
        message: A sentence for people.
        bad: Whether it is a warning.
    """
    metadata, now = item["metadata"], timestamp()
    store.create(
        "events",
        {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {
                "name": f"{metadata['name'][:200].rstrip('.-')}.{uuid.uuid4().hex[:16]}",
                "namespace": metadata["namespace"],
            },
            "involvedObject": {
                "apiVersion": "v1",
                "kind": item["kind"],
                "namespace": metadata["namespace"],
                "name": metadata["name"],
                "uid": metadata["uid"],
                "resourceVersion": metadata["resourceVersion"],
            },
            "reason": reason,
            "message": message,
            "type": "Warning" if bad else "Normal",
            "count": 1,
            "firstTimestamp": now,
            "lastTimestamp": now,
            "eventTime": None,
            "source": {"component": "sandbox"},
            "reportingComponent": "sandbox",
            "reportingInstance": "",
        },
    )
