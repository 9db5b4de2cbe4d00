"""The life of one pod, from Pending to its end."""

from __future__ import annotations

import logging
import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from kedro_airflow_k8s.sandbox.cluster import pod_status
from kedro_airflow_k8s.sandbox.cluster.container import ContainerProcess, StartFailed
from kedro_airflow_k8s.sandbox.cluster.discovery import CLAIMS, EVENTS, PODS
from kedro_airflow_k8s.sandbox.cluster.environment import (
    SECRETS,
    ConfigMissing,
    expand,
    variables_of,
)
from kedro_airflow_k8s.sandbox.cluster.files import (
    CannotMount,
    PathMap,
    PodFiles,
    PodImage,
    discard,
)
from kedro_airflow_k8s.sandbox.cluster.logs import ContainerLog
from kedro_airflow_k8s.sandbox.cluster.status import Object
from kedro_airflow_k8s.sandbox.cluster.store import Store, timestamp
from kedro_airflow_k8s.sandbox.cluster.volumes import Volumes, claims_of

_LOG = logging.getLogger(__name__)
_GRACE_SECONDS = 30
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_TOO_LATE = ("DeadlineExceeded", "Pod was active longer than its activeDeadlineSeconds")
_CANNOT_START = 128  # what containerd reports for a command that cannot be executed


@dataclass(frozen=True)
class Machine:
    """The machine that the pods of a cluster run on.

    Attributes:
        store: The objects of the cluster.
        volumes: The folders of claims.
        image: What each container is a copy of.
        folder: Holds `pods` and `logs`.
        temporary: Holds the temporary files of pods.
        home: Where every container has its home directory; None if this machine does not allow it.
    """

    store: Store
    volumes: Volumes
    image: PodImage
    folder: Path
    temporary: Path
    home: Path | None = None


class _Stopped(Exception):
    """The pod was stopped while it waited."""


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
        logs: The log of each container that was started.
    """

    def __init__(
        self, pod: Object, machine: Machine, finished: Callable[[PodWorker], None]
    ) -> None:
        name, namespace = pod["metadata"]["name"], pod["metadata"]["namespace"]
        self.thread = threading.Thread(
            target=self._run, name=f"pod {namespace}/{name}", daemon=True
        )
        self.settled = threading.Event()
        self.logs: dict[str, ContainerLog] = {}
        self.pod = pod
        self.done = False
        self.gone = False
        self._finished = finished
        self._machine = machine
        self._store = machine.store
        self._folder = machine.folder / "pods" / namespace / name
        # Short, because sockets are made in it and their paths may have 107 bytes at most.
        self._temporary = machine.temporary / uuid.uuid4().hex[:8]
        self._files = PodFiles(
            pod,
            machine.image,
            self._folder,
            lambda c: machine.volumes.folder_of(namespace, c),
            machine.home,
        )
        self._late = False
        self._stopped = False
        self._process: ContainerProcess | None = None

    def stop(self, grace: float) -> None:
        """Ask the pod to end, and kill it `grace` seconds later. Returns at once."""
        with self._store.changed:
            self._stopped = True
            process = self._process
            if process is not None:
                process.stop(grace)
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
        except _Stopped:
            if self._late:
                self._end("Failed", *_TOO_LATE)
        except Exception as error:  # noqa: BLE001 - a full disk, say: the pod must not hang
            _LOG.exception("The sandbox could not run the pod %s", self.pod["metadata"]["name"])
            self._end("Failed", "SandboxError", f"{type(error).__name__}: {error}")
        finally:
            if timer is not None:
                timer.cancel()
            for log in self.logs.values():
                log.close()
            self._finished(self)
            self.settled.set()

    def _pass_deadline(self) -> None:
        self._late = True
        self.stop(grace_of(self.pod))

    def _live(self) -> None:
        spec = self.pod["spec"]
        containers = [*spec.get("initContainers", []), *spec["containers"]]
        self._report_limits(containers)
        self._temporary.mkdir(parents=True)
        try:
            self._files.prepare_volumes(self._store)
        except ConfigMissing as error:
            self._event("FailedMount", f"MountVolume.SetUp failed: {error}", bad=True)
            self._wait_for_ever()
        for container in containers:
            code = self._run_container(container)
            if code or self._late or container is containers[-1]:
                break
            self.logs[container["name"]].close()
        # The log of the last container is closed later: clients take its end for that of the pod.
        if self._late:
            self._end("Failed", *_TOO_LATE)
        else:
            self._end("Failed" if code else "Succeeded")

    def _report_limits(self, containers: list[Object]) -> None:
        """Warn of what works in the sandbox and may not work on a cluster."""
        for secret in self.pod["spec"].get("imagePullSecrets", []):
            name, namespace = secret["name"], self.pod["metadata"]["namespace"]
            if self._store.find(SECRETS, namespace, name) is None:
                text = f'the image pull secret "{name}" is missing; pulling may not succeed'
                self._event("FailedToRetrieveImagePullSecret", text, bad=True)
        mounts = [mount for container in containers for mount in container.get("volumeMounts", [])]
        for place in sorted({mount["mountPath"] for mount in mounts if mount.get("readOnly")}):
            text = f"The mount at {place} can be written to: the sandbox has no read-only mounts"
            self._event("ReadOnlyIgnored", text, bad=True)

    def _schedule(self) -> None:
        """Wait for the claims, then assign the pod to the node."""
        reported = ""
        with self._store.changed:
            while lacking := self._lacking_claim():
                if lacking != reported:
                    message = f"0/1 nodes are available: {lacking}."
                    self._update(lambda pod: pod_status.unschedulable(pod, message))  # noqa: B023
                    self._event("FailedScheduling", message, bad=True)
                    reported = lacking
                self.settled.set()
                self._wait_for_change()
            self._check_stopped()
            self.pod = self._update(pod_status.scheduled)
            self._event("Scheduled", f"Successfully assigned to {pod_status.NODE}")

    def _lacking_claim(self) -> str:
        for name in claims_of(self.pod):
            claim = self._store.find(CLAIMS, self.pod["metadata"]["namespace"], name)
            if claim is None:
                return f'persistentvolumeclaim "{name}" not found'
            if "deletionTimestamp" in claim["metadata"]:
                return f'persistentvolumeclaim "{name}" is being deleted'
        return ""

    def _run_container(self, container: Object) -> int:
        """Run a container to its end and return its exit code."""
        name = container["name"]
        metadata = self.pod["metadata"]
        logs = self._machine.folder / "logs" / metadata["namespace"] / metadata["name"]
        log = self.logs[name] = ContainerLog(logs / metadata["uid"] / f"{name}.log")
        message = ""
        try:
            if self._machine.image.renew is not None:
                log.write(f"{self._machine.image.renew()}\n".encode())
            paths = self._files.prepare_container(container)
            log.shown = paths.log_line
            variables = self._variables(container, paths)
            texts = [*container.get("command", []), *container.get("args", [])]
            command = [paths.argument(expand(text, variables)) for text in texts]
            folder = paths.path(str(self._machine.image.home))
            with self._store.changed:
                self._check_stopped()
                self._process = ContainerProcess(command, variables, folder, log, paths.root)
            code = self._process.run(lambda: self._started(name))
            if code:
                self._report_other_paths(log)
            reason = "Error" if code else "Completed"
        except ConfigMissing as error:
            missing = str(error)
            self._update(
                lambda pod: pod_status.waiting(pod, name, "CreateContainerConfigError", missing)
            )
            self._event("Failed", missing, bad=True)
            self._wait_for_ever()
        except (StartFailed, CannotMount) as error:
            code, reason = _CANNOT_START, "StartError"
            message = f"failed to start the container: {error}"
            self._event("Failed", message, bad=True)
        finally:
            self._process = None
        self._update(lambda pod: pod_status.terminated(pod, name, code, reason, message))
        return code

    def _report_other_paths(self, log: ContainerLog) -> None:
        """Warn of a failure that a cluster does not have, where each pod has paths of its own."""
        # The pod's own paths are not in its log.
        if self._machine.home is None and str(self._machine.folder / "pods") in log.text():
            text = (
                "The log has a path of another pod. On this machine each pod of the sandbox has the"
                " project at a path of its own, so data in memory that holds absolute paths fails"
                " here and works on a cluster"
            )
            self._event("PathOfAnotherPod", text, bad=True)

    def _variables(self, container: Object, paths: PathMap) -> dict[str, str]:
        image = self._machine.image
        own = variables_of(container, self.pod, self._store, paths.variable)
        return {
            "HOME": paths.path(str(image.home)),
            "HOSTNAME": self.pod["metadata"]["name"][:63],
            "LANG": "C.UTF-8",
            "LC_ALL": "C.UTF-8",
            "TMPDIR": str(self._temporary),
            **image.variables,
            **own,
            "PATH": ":".join([*map(str, image.bin_dirs), own.get("PATH") or _PATH]),
        }

    def _started(self, container: str) -> None:
        self._update(lambda pod: pod_status.running(pod, container))
        self._event("Started", f"Started container {container}")
        self.settled.set()

    def _wait_for_ever(self) -> NoReturn:
        """Wait for the deletion of the pod or its deadline."""
        self.settled.set()
        while True:
            self._wait_for_change()

    def _wait_for_change(self) -> None:
        with self._store.changed:
            self._check_stopped()
            self._store.changed.wait()
            self._check_stopped()

    def _check_stopped(self) -> None:
        if self._stopped:
            raise _Stopped

    def _end(self, phase: str, reason: str = "", message: str = "") -> None:
        self._update(lambda pod: pod_status.ended(pod, phase, reason, message))

    def _update(self, edit: Callable[[Object], None]) -> Object:
        metadata = self.pod["metadata"]
        return self._store.update(PODS, metadata["namespace"], metadata["name"], edit)

    def _event(self, reason: str, message: str, *, bad: bool = False) -> None:
        """Record what happens to the pod, as KubernetesPodOperator shows it in the task's log."""
        metadata, now = self.pod["metadata"], timestamp()
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
