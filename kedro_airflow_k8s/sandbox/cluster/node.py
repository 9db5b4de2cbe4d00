"""The one machine of the cluster: starts and ends pods, and remembers those that are gone."""

from __future__ import annotations

import logging
from collections.abc import Callable

from kedro_airflow_k8s.sandbox.cluster import pod_status
from kedro_airflow_k8s.sandbox.cluster.logs import ContainerLog
from kedro_airflow_k8s.sandbox.cluster.status import Object, StatusError
from kedro_airflow_k8s.sandbox.cluster.store import timestamp
from kedro_airflow_k8s.sandbox.cluster.worker import GRACE_SECONDS, Machine, PodWorker

_LOG = logging.getLogger(__name__)
_START_SECONDS = 30.0
_KILL_SECONDS = 10.0


class Node:
    """Has a worker for each pod."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._store = machine.store
        self._workers: dict[str, PodWorker] = {}
        self._gone: dict[str, Object] = {}
        self._stopping = False

    def run(self, body: Object) -> Object:
        """Start a new pod, and return it as it is once it runs or waits for what is missing.

        A client that finds the pod running at once has no reason to wait before it asks again.

        Raises:
            StatusError: 409, there is a pod of that name; 503, the cluster is stopping.
        """
        pod_status.pending(body)
        with self._store.changed:
            if self._stopping:
                raise StatusError(503, "ServiceUnavailable", "the sandbox is stopping")
            pod = self._store.create("pods", body)
            uid = pod["metadata"]["uid"]
            worker = self._workers[uid] = PodWorker(pod, self._machine, self._finished)
            worker.thread.start()
        worker.settled.wait(_START_SECONDS)
        return self.latest(pod)

    def latest(self, pod: Object) -> Object:
        """The pod as it is now, or as it was when it went away."""
        metadata = pod["metadata"]
        with self._store.changed:
            found = self._store.find("pods", metadata["namespace"], metadata["name"])
            if found is not None and found["metadata"]["uid"] == metadata["uid"]:
                return found
            return self._gone[metadata["uid"]]

    def delete(self, namespace: str, name: str, grace: int | None) -> Object:
        """Ask a pod to end; it goes away when it has.

        Args:
            namespace: The pod's namespace.
            name: The pod's name.
            grace: Seconds until it is killed; None: as the pod says (default 30). With 0 the pod
                is gone on return.

        Raises:
            StatusError: 404, there is none.
        """
        with self._store.changed:
            pod = self._store.get("pods", namespace, name)
            if grace is None:
                grace = pod["spec"].get("terminationGracePeriodSeconds", GRACE_SECONDS)
            again = "deletionTimestamp" in pod["metadata"]
            pod = self._store.update("pods", namespace, name, _marked(grace))
            worker = self._workers[pod["metadata"]["uid"]]
            done = worker.done
        if not done:
            worker.stop(grace)
            if grace == 0:
                worker.thread.join(_KILL_SECONDS)
        elif not again:
            self._remove(worker, pod)
        return pod

    def log_of(self, pod: Object, container: str) -> ContainerLog | None:
        """The log of a container, also of a pod that is gone; None if it never started."""
        return self._workers[pod["metadata"]["uid"]].logs.get(container)

    def history(self) -> list[Object]:
        """Every pod there is or was, oldest first."""
        with self._store.changed:
            now = {pod["metadata"]["uid"]: pod for pod in self._store.all("pods")}
            return [now.get(uid) or self._gone[uid] for uid in self._workers]

    def is_gone(self, pod: Object) -> bool:
        """Whether the pod was deleted, and is not on the cluster any more."""
        return pod["metadata"]["uid"] in self._gone

    def stop(self) -> None:
        """Kill every pod and take away its files; no new pod starts."""
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

    def _finished(self, worker: PodWorker) -> None:
        """Called by a worker when its pod has ended, as the last thing it does."""
        self._machine.volumes.release()
        with self._store.changed:
            worker.done = True
            pod = self.latest(worker.pod)
        if "deletionTimestamp" in pod["metadata"]:
            self._remove(worker, pod)

    def _remove(self, worker: PodWorker, pod: Object) -> None:
        worker.clean()
        metadata = pod["metadata"]
        with self._store.changed:
            last = self._store.remove("pods", metadata["namespace"], metadata["name"])
            self._gone[metadata["uid"]] = last
        self._machine.volumes.release()


def _marked(grace: int) -> Callable[[Object], None]:
    def edit(pod: Object) -> None:
        metadata = pod["metadata"]
        metadata.setdefault("deletionTimestamp", timestamp())
        shorter = min(grace, metadata.get("deletionGracePeriodSeconds", grace))
        metadata["deletionGracePeriodSeconds"] = shorter

    return edit
