"""What the sandbox says of a pod: its status, its events, and what a run shows once."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Iterable

from kedro_airflow_k8s.sandbox.cluster.discovery import EVENTS, PODS
from kedro_airflow_k8s.sandbox.cluster.status import Object
from kedro_airflow_k8s.sandbox.cluster.store import Store, timestamp

NOTICE = "SandboxLimit"
"""The reason of an event that says, once per DAG run, what the sandbox cannot do."""


class Said:
    """What was said already, by DAG run."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._said: set[tuple[str, str, str]] = set()
        self._images: dict[tuple[str, str], str] = {}

    def is_other_image(self, pod: Object) -> bool:
        """Return whether the first pod of the same DAG run had another image."""
        image = pod["spec"]["containers"][0]["image"]
        with self._guard:
            return bool(self._images.setdefault(_run_of(pod), image) != image)

    def new(self, pod: Object, what: Iterable[str]) -> list[str]:
        """Return what was not said to the DAG run of a pod, and take note of it."""
        run = _run_of(pod)
        with self._guard:
            found = [text for text in dict.fromkeys(what) if (*run, text) not in self._said]
            self._said.update((*run, text) for text in found)
        return found


def _run_of(pod: Object) -> tuple[str, str]:
    labels = pod["metadata"].get("labels", {})
    return labels.get("dag_id", ""), labels.get("run_id", "")


class PodReports:
    """Records the status of one pod, and its events.

    Args:
        pod: The pod.
        store: The objects of the cluster.
        said: What the cluster has said.
    """

    def __init__(self, pod: Object, store: Store, said: Said) -> None:
        self._pod = pod
        self._store = store
        self._said = said

    def update(self, edit: Callable[[Object], None]) -> Object:
        """Change the pod and return it."""
        metadata = self._pod["metadata"]
        return self._store.update(PODS, metadata["namespace"], metadata["name"], edit)

    def event(self, reason: str, message: str, *, bad: bool = False) -> None:
        """Record what happens to the pod, as KubernetesPodOperator shows it in the task's log."""
        metadata, now = self._pod["metadata"], timestamp()
        namespace, name = metadata["namespace"], metadata["name"]
        involved = {"kind": "Pod", "namespace": namespace, "name": name, "uid": metadata["uid"]}
        event = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": f"{name[:200]}.{uuid.uuid4().hex}", "namespace": namespace},
            "involvedObject": involved,
            "reason": reason,
            "message": message,
            "type": "Warning" if bad else "Normal",
            "firstTimestamp": now,
            "lastTimestamp": now,
        }
        self._store.create(EVENTS, event)

    def notices(self, texts: Iterable[str]) -> None:
        """Say what the pod's DAG run was not told yet."""
        for text in self._said.new(self._pod, texts):
            self.event(NOTICE, text, bad=True)

    def ignored(self, fields: Iterable[str]) -> None:
        """Say which fields have no effect: those that the pod's DAG run was not told yet."""
        if new := self._said.new(self._pod, fields):
            self.event(NOTICE, f"No effect in the sandbox: {', '.join(new)}.", bad=True)
