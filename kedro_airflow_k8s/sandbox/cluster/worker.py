"""The life of one pod, from Pending to its end."""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections.abc import Callable, Sequence

from kedro_airflow_k8s.sandbox.cluster import pod_status
from kedro_airflow_k8s.sandbox.cluster.discovery import CLAIMS
from kedro_airflow_k8s.sandbox.cluster.environment import SECRETS, ConfigMissing
from kedro_airflow_k8s.sandbox.cluster.files import discard
from kedro_airflow_k8s.sandbox.cluster.limits import (
    containers_of,
    ignored_fields,
    is_sidecar,
    stand_in,
    volume_notices,
)
from kedro_airflow_k8s.sandbox.cluster.logs import ContainerLog
from kedro_airflow_k8s.sandbox.cluster.probes import Readiness
from kedro_airflow_k8s.sandbox.cluster.runner import ContainerRunner, Machine, Stopped, is_foreign
from kedro_airflow_k8s.sandbox.cluster.services import address_of
from kedro_airflow_k8s.sandbox.cluster.sidecars import Sidecar, SidecarFailed
from kedro_airflow_k8s.sandbox.cluster.status import Object
from kedro_airflow_k8s.sandbox.cluster.volumes import claims_of

_LOG = logging.getLogger(__name__)
_GRACE_SECONDS = 30
_TOO_LATE = ("DeadlineExceeded", "Pod was active longer than its activeDeadlineSeconds")


def grace_of(pod: Object) -> int:
    """Return the seconds between the request to stop and the kill of a pod."""
    return int(pod["spec"].get("terminationGracePeriodSeconds", _GRACE_SECONDS))


class PodWorker:
    """Runs one pod.

    Attributes:
        thread: Lives as long as the pod runs; the caller starts it.
        pod: The pod when it was created, scheduled or deleted.
        done: Whether the pod has ended; `finished` sets it.
        gone: Whether the pod was deleted and has ended.
        settled: Set when the pod runs, has ended, or waits for something that is missing.
    """

    def __init__(
        self, pod: Object, machine: Machine, finished: Callable[[PodWorker], None]
    ) -> None:
        name, namespace = pod["metadata"]["name"], pod["metadata"]["namespace"]
        self.thread = threading.Thread(
            target=self._run, name=f"pod {namespace}/{name}", daemon=True
        )
        self.settled = threading.Event()
        self.pod = pod
        self.done = False
        self.gone = False
        self._finished = finished
        self._machine = machine
        self._store = machine.store
        self._folder = machine.folder / "pods" / namespace / name
        # Short, because sockets are made in it and their paths may have 107 bytes at most.
        self._temporary = machine.temporary / uuid.uuid4().hex[:8]
        self._runner = ContainerRunner(
            pod, machine, self._folder, self._temporary, self.settled.set
        )
        self._reports, self._stop = self._runner.reports, self._runner.stop
        self._sidecars: list[Sidecar] = []
        self._late = False
        self._deadline: float | None = None

    @property
    def logs(self) -> dict[str, ContainerLog]:
        """The log of each container that was started."""
        return self._runner.logs

    def stop(self, grace: float) -> None:
        """Ask the pod to end, and kill it `grace` seconds later. Returns at once.

        The sidecars are asked when the other containers have ended.
        """
        with self._store.changed:
            self._stop.made = True
            end = time.monotonic() + grace
            self._deadline = end if self._deadline is None else min(end, self._deadline)
            for container in containers_of(self.pod):
                if grace == 0 or not is_sidecar(container):
                    self._runner.end(container["name"], grace)
            self._store.changed.notify_all()

    def clean(self) -> None:
        """Delete the pod's files except its logs and claims."""
        discard(self._folder)
        discard(self._temporary)

    def _run(self) -> None:
        timer: threading.Timer | None = None
        try:
            self._schedule()
            if seconds := self.pod["spec"].get("activeDeadlineSeconds"):
                timer = threading.Timer(seconds, self._pass_deadline)
                timer.daemon = True
                timer.start()
            self._live()
        except Stopped:
            if self._late:
                self._end("Failed", *_TOO_LATE)
        except Exception as error:  # noqa: BLE001 - a full disk, say: the pod must not hang
            self._fail(error)
        finally:
            if timer is not None:
                timer.cancel()
            for log in self.logs.values():
                log.close()
            self._finished(self)
            self.settled.set()

    def _fail(self, error: Exception) -> None:
        _LOG.error(
            "The sandbox could not run the pod %s", self.pod["metadata"]["name"], exc_info=error
        )
        self._end("Failed", "SandboxError", f"{type(error).__name__}: {error}")

    def _pass_deadline(self) -> None:
        self._late = True
        self.stop(grace_of(self.pod))

    def _live(self) -> None:
        self._report_limits()
        self._temporary.mkdir(parents=True)
        try:
            self._runner.volumes.prepare(self._store, self.pod)
        except ConfigMissing as error:
            self._reports.event("FailedMount", f"MountVolume.SetUp failed: {error}", bad=True)
            self.settled.set()
            self._stop.wait_for_ever()
        try:
            code = self._initialize() or self._run_together(self.pod["spec"]["containers"])
        except SidecarFailed as error:
            self._end("Failed", "SidecarFailed", str(error))
            return
        finally:
            self._stop_sidecars()
        if self._late:
            self._end("Failed", *_TOO_LATE)
        else:
            self._end("Failed" if code else "Succeeded")

    def _initialize(self) -> int:
        """Run the init containers in order, and return the exit code of the last that ran.

        Raises:
            SidecarFailed: A sidecar among them cannot start.
        """
        for container in self.pod["spec"].get("initContainers", []):
            if is_sidecar(container):
                sidecar = Sidecar(self.pod, container, self._runner, self._fail)
                self._sidecars.append(sidecar)
                sidecar.start()
            else:
                code = self._runner.run(self.pod, container, lambda: None)
                if code or self._late:
                    return code or 1
                self.logs[container["name"]].close()
        return 0

    def _run_together(self, containers: Sequence[Object]) -> int:
        """Run containers at one time, and return 0 or the exit code of one that failed."""
        codes: dict[str, int] = {}
        errors: list[Exception] = []

        def run(container: Object) -> None:
            name = container["name"]
            try:
                with Readiness(self.pod, container, self._runner) as readiness:
                    codes[name] = self._runner.run(self.pod, container, readiness.start)
            except Exception as error:  # noqa: BLE001 - raised again below
                errors.append(error)
                return
            # The last log is closed later: clients take its end for that of the pod.
            if len(codes) < len(containers):
                self.logs[name].close()

        threads = [threading.Thread(target=run, args=[c], daemon=True) for c in containers[1:]]
        for thread in threads:
            thread.start()
        run(containers[0])
        for thread in threads:
            thread.join()
        if errors:
            raise errors[0]
        return next((code for code in codes.values() if code), 0)

    def _stop_sidecars(self) -> None:
        """Stop the sidecars, the last one first, in what is left of the time to stop."""
        end = self._deadline or time.monotonic() + grace_of(self.pod)
        for sidecar in reversed(self._sidecars):
            sidecar.stop(max(0.0, end - time.monotonic()))

    def _report_limits(self) -> None:
        """Warn of what works in the sandbox and may not work on a cluster, or the other way."""
        for secret in self.pod["spec"].get("imagePullSecrets", []):
            name, namespace = secret["name"], self.pod["metadata"]["namespace"]
            if self._store.find(SECRETS, namespace, name) is None:
                text = f'the image pull secret "{name}" is missing; pulling may not succeed'
                self._reports.event("FailedToRetrieveImagePullSecret", text, bad=True)
        self._reports.ignored(ignored_fields(self.pod))
        self._reports.notices(volume_notices(self.pod, self._runner.volumes.folder_of))
        if self._machine.said.is_other_image(self.pod):
            image = self.pod["spec"]["containers"][0]["image"]
            self._reports.notices([f"Pods with the image {image} run this project, too."])
        self._reports.notices(
            f"The command of container {c['name']} runs on this machine, not in its image"
            f" {c['image']}."
            for c in containers_of(self.pod)
            if is_foreign(self.pod, c) and not is_sidecar(c)
        )

    def _schedule(self) -> None:
        """Wait for the claims, then assign the pod to the node."""
        reported = ""
        with self._store.changed:
            self._find_foreign_claims()
            while lacking := self._lacking_claim():
                if lacking != reported:
                    message = f"0/1 nodes are available: {lacking}."
                    self._reports.update(
                        lambda pod: pod_status.unschedulable(pod, message)  # noqa: B023
                    )
                    self._reports.event("FailedScheduling", message, bad=True)
                    reported = lacking
                self.settled.set()
                self._stop.wait()
            self._stop.check()
            address = address_of(self.pod, self._store)
            self.pod = self._reports.update(lambda pod: pod_status.scheduled(pod, address))
            self._reports.event("Scheduled", f"Successfully assigned to {pod_status.NODE}")

    def _find_foreign_claims(self) -> None:
        """Give claims that no task of the DAG creates a folder that stays."""
        if self._machine.run_volume is None:
            return
        for volume in self.pod["spec"].get("volumes", []):
            claim = volume.get("persistentVolumeClaim", {}).get("claimName")
            if claim and volume["name"] != self._machine.run_volume:
                namespace = self.pod["metadata"]["namespace"]
                if folder := self._machine.volumes.adopt(namespace, claim):
                    self._reports.notices([stand_in(f'The claim "{claim}"', folder)])

    def _lacking_claim(self) -> str:
        for name in claims_of(self.pod):
            claim = self._store.find(CLAIMS, self.pod["metadata"]["namespace"], name)
            if claim is None:
                return f'persistentvolumeclaim "{name}" not found'
            if "deletionTimestamp" in claim["metadata"]:
                return f'persistentvolumeclaim "{name}" is being deleted'
        return ""

    def _end(self, phase: str, reason: str = "", message: str = "") -> None:
        self._reports.update(lambda pod: pod_status.ended(pod, phase, reason, message))
