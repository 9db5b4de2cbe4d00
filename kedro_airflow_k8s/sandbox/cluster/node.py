"""The one node of the cluster: starts and ends pods, and remembers those that are gone."""

from __future__ import annotations

import logging

from kedro_airflow_k8s.sandbox.cluster import pod_status
from kedro_airflow_k8s.sandbox.cluster.discovery import PODS
from kedro_airflow_k8s.sandbox.cluster.logs import ContainerLog
from kedro_airflow_k8s.sandbox.cluster.runner import Machine
from kedro_airflow_k8s.sandbox.cluster.status import Object, StatusError
from kedro_airflow_k8s.sandbox.cluster.store import timestamp
from kedro_airflow_k8s.sandbox.cluster.worker import PodWorker, grace_of

_LOG = logging.getLogger(__name__)
_START_SECONDS = 30.0
_KILL_SECONDS = 10.0


class Node:
    """Has a worker for each pod."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._store = machine.store
        self._workers: dict[str, PodWorker] = {}
        self._stopping = False

    def run(self, body: Object) -> Object:
        """Start a pod, and return it once it runs or waits for something that is missing.

        A client that finds the pod running at once does not have to wait before it asks again.

        Raises:
            StatusError: 409, the namespace has a pod with that name; 503, the cluster is stopping.
        """
        pod_status.pending(body)
        with self._store.changed:
            if self._stopping:
                raise StatusError(503, "ServiceUnavailable", "the sandbox is stopping")
            pod = self._store.create(PODS, body)
            uid = pod["metadata"]["uid"]
            worker = self._workers[uid] = PodWorker(pod, self._machine, self._finished)
            worker.thread.start()
        worker.settled.wait(_START_SECONDS)
        return self._latest(worker)

    def delete(self, namespace: str, name: str, grace: int | None) -> Object:
        """Ask a pod to end; it is deleted when it has.

        Args:
            namespace: The pod's namespace.
            name: The pod's name.
            grace: Seconds until it is killed; None takes the pod's own. With 0 the pod is gone on
                return.

        Raises:
            StatusError: 404, the pod does not exist.
        """

        def mark(pod: Object) -> None:
            metadata = pod["metadata"]
            metadata.setdefault("deletionTimestamp", timestamp())
            shorter = min(grace, metadata.get("deletionGracePeriodSeconds", grace))
            metadata["deletionGracePeriodSeconds"] = shorter

        with self._store.changed:
            pod = self._store.get(PODS, namespace, name)
            grace = grace_of(pod) if grace is None else grace
            again = "deletionTimestamp" in pod["metadata"]
            pod = self._store.update(PODS, namespace, name, mark)
            worker = self._workers[pod["metadata"]["uid"]]
            done = worker.done
        if not done:
            worker.stop(grace)
            if grace == 0:
                worker.thread.join(_KILL_SECONDS)
        elif not again:
            self._remove(worker, pod)
        return pod

    def evict(self, namespace: str, name: str) -> None:
        """Delete a pod as a node that is drained does.

        Raises:
            StatusError: 404, the pod does not exist.
        """
        self._store.update(PODS, namespace, name, pod_status.disrupted)
        self.delete(namespace, name, None)

    def logs_of(self, pod: Object) -> dict[str, ContainerLog]:
        """Return the log of each container that was started, also of a deleted pod."""
        return self._workers[pod["metadata"]["uid"]].logs

    def history(self) -> list[Object]:
        """Return every pod that exists or existed, oldest first."""
        with self._store.changed:
            return [self._latest(worker) for worker in self._workers.values()]

    def is_gone(self, pod: Object) -> bool:
        """Return whether a pod was deleted and has ended."""
        return self._workers[pod["metadata"]["uid"]].gone

    def stop(self) -> None:
        """Kill every pod and delete its files; no new pod starts."""
        with self._store.changed:
            self._stopping = True
            workers = list(self._workers.values())
        for worker in workers:
            worker.stop(0)
        for worker in workers:
            worker.thread.join(_KILL_SECONDS)
            if worker.thread.is_alive():
                _LOG.warning("%s did not end when it was killed", worker.thread.name)
            worker.clean()

    def _latest(self, worker: PodWorker) -> Object:
        """Return a pod as it is now, or as it was when it was deleted."""
        metadata = worker.pod["metadata"]
        with self._store.changed:
            if worker.gone:
                return worker.pod
            return self._store.get(PODS, metadata["namespace"], metadata["name"])

    def _finished(self, worker: PodWorker) -> None:
        """Take note that a pod has ended; the last call of its worker."""
        self._machine.volumes.release()
        with self._store.changed:
            worker.done = True
            pod = self._latest(worker)
        if "deletionTimestamp" in pod["metadata"]:
            self._remove(worker, pod)

    def _remove(self, worker: PodWorker, pod: Object) -> None:
        worker.clean()
        metadata = pod["metadata"]
        with self._store.changed:
            worker.pod = self._store.remove(PODS, metadata["namespace"], metadata["name"])
            worker.gone = True
        self._machine.volumes.release()
