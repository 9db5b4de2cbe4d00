"""The life of one pod, from Pending to its end."""

from __future__ import annotations

import logging
import re
import threading
import time
import uuid
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from kedro_airflow_k8s.sandbox.cluster import pod_status
from kedro_airflow_k8s.sandbox.cluster.container import ContainerProcess, Limit, StartFailed
from kedro_airflow_k8s.sandbox.cluster.environment import ConfigMissing, expand, variables_of
from kedro_airflow_k8s.sandbox.cluster.events import record_event
from kedro_airflow_k8s.sandbox.cluster.files import (
    CannotMount,
    PathMap,
    PodFiles,
    PodImage,
    discard,
)
from kedro_airflow_k8s.sandbox.cluster.logs import ContainerLog
from kedro_airflow_k8s.sandbox.cluster.status import Object
from kedro_airflow_k8s.sandbox.cluster.store import Store
from kedro_airflow_k8s.sandbox.cluster.volumes import CLAIMS, Volumes, claims_of

GRACE_SECONDS = 30
_LOG = logging.getLogger(__name__)
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_TOO_LATE = ("DeadlineExceeded", "Pod was active longer than its activeDeadlineSeconds")
_CANNOT_START = 128  # what containerd reports for a command that cannot be executed
_REPOSITORY = r"[a-z0-9]+(?:(?:\.|_{1,2}|-+)[a-z0-9]+)*"
_IMAGE = re.compile(
    rf"(?:[A-Za-z0-9.-]+(?::\d+)?/)?{_REPOSITORY}(?:/{_REPOSITORY})*"
    r"(?::[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?(?:@[A-Za-z0-9+._-]+:[0-9a-fA-F]{32,})?"
)


@dataclass(frozen=True)
class Machine:
    """What the pods of a cluster run on.

    Attributes:
        store: The objects of the cluster.
        volumes: The folders of claims.
        image: What each container is a copy of.
        images: The image names that can be pulled; None: all.
        folder: Holds `pods` and `logs`.
        temporary: Holds the temporary files of pods.
    """

    store: Store
    volumes: Volumes
    image: PodImage
    images: Collection[str] | None
    folder: Path
    temporary: Path


@dataclass(frozen=True)
class _Outcome:
    """How a container ended; `late` if the pod's deadline ended it."""

    container: str
    code: int
    reason: str
    message: str = ""
    late: bool = False

    def write(self, pod: Object, *, end: bool) -> None:
        """Put it into the status of the pod, which has come to its end with it or not."""
        pod_status.terminated(pod, self.container, self.code, self.reason, self.message)
        if self.late:
            pod_status.ended(pod, "Failed", *_TOO_LATE)
        elif end:
            pod_status.ended(pod, "Failed" if self.code else "Succeeded")


class _Stopped(Exception):
    """The pod is deleted, or its time is over."""


class PodWorker:
    """Runs one pod.

    Attributes:
        thread: Lives as long as the pod runs; to be started by whoever made the worker.
        pod: The pod when it was created, or taken by the machine.
        done: Whether the pod has ended; set by whoever is told so.
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
        self._finished = finished
        self._machine = machine
        self._store = machine.store
        self._folder = machine.folder / "pods" / namespace / name
        # Short, because sockets are made in there and their paths may have 107 bytes at most.
        self._temporary = machine.temporary / uuid.uuid4().hex[:8]
        self._files = PodFiles(
            pod, machine.image, self._folder, lambda c: machine.volumes.folder_of(namespace, c)
        )
        self._deadline: float | None = None
        self._grace: float | None = None
        self._process: ContainerProcess | None = None

    def stop(self, grace: float) -> None:
        """Ask the pod to end, and kill it `grace` seconds later. Returns at once."""
        with self._store.changed:
            self._grace = grace
            process = self._process
            if process is not None:
                process.stop(grace)
            self._store.changed.notify_all()

    def clean(self) -> None:
        """Delete the pod's files, apart from its logs and claims."""
        discard(self._folder)
        discard(self._temporary)

    def _run(self) -> None:
        try:
            self._live()
        except _Stopped:
            self._end_early()
        except Exception as error:  # noqa: BLE001 - a full disk, say: the pod must not hang
            _LOG.exception("The sandbox could not run the pod %s", self.pod["metadata"]["name"])
            message = f"{type(error).__name__}: {error}"
            self._update(lambda pod: pod_status.ended(pod, "Failed", "SandboxError", message))
        finally:
            for log in self.logs.values():
                log.close()
            self._finished(self)
            self.settled.set()

    def _live(self) -> None:
        self._schedule()
        spec = self.pod["spec"]
        containers = [*(spec.get("initContainers") or []), *spec["containers"]]
        self._check_images(containers)
        self._temporary.mkdir(parents=True)
        try:
            self._files.prepare_volumes(self._store)
        except ConfigMissing as error:
            self._event("FailedMount", f"MountVolume.SetUp failed: {error}", bad=True)
            self._wait_for_ever()
        self._admit_read_only(containers)
        for container in containers:
            outcome = self._run_container(container)
            last = container is containers[-1] or outcome.code != 0 or outcome.late
            self._update(lambda pod, o=outcome, end=last: o.write(pod, end=end))  # type: ignore[misc]
            if container["name"] in self.logs:
                self.logs[container["name"]].close()
            if last:
                return

    def _admit_read_only(self, containers: list[Object]) -> None:
        mounts = [
            mount for container in containers for mount in container.get("volumeMounts") or []
        ]
        for place in sorted({mount["mountPath"] for mount in mounts if mount.get("readOnly")}):
            text = f"The mount at {place} can be written to: the sandbox has no read-only mounts"
            self._event("ReadOnlyIgnored", text, bad=True)

    def _schedule(self) -> None:
        """Wait for the claims; with them the machine takes the pod."""
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
        seconds = self.pod["spec"].get("activeDeadlineSeconds")
        self._deadline = None if seconds is None else time.monotonic() + seconds

    def _lacking_claim(self) -> str:
        for name in claims_of(self.pod):
            claim = self._store.find(CLAIMS, self.pod["metadata"]["namespace"], name)
            if claim is None:
                return f'persistentvolumeclaim "{name}" not found'
            if "deletionTimestamp" in claim["metadata"]:
                return f'persistentvolumeclaim "{name}" is being deleted'
        return ""

    def _check_images(self, containers: list[Object]) -> None:
        for secret in self.pod["spec"].get("imagePullSecrets") or []:
            name, namespace = secret.get("name", ""), self.pod["metadata"]["namespace"]
            if self._store.find("secrets", namespace, name) is None:
                text = f'the image pull secret "{name}" is missing; pulling may not succeed'
                self._event("FailedToRetrieveImagePullSecret", text, bad=True)
        for container in containers:
            image, known = container["image"], self._machine.images
            if not _IMAGE.fullmatch(image):
                text = f'couldn\'t parse the image name "{image}"'
                self._hold_back(container, "InvalidImageName", text)
                self._wait_for_ever()
            if known is not None and image not in known:
                text = f'failed to pull the image "{image}": not found'
                self._hold_back(container, "ErrImagePull", text)
                self._hold_back(container, "ImagePullBackOff", f"Back-off: {text}")
                self._wait_for_ever()

    def _run_container(self, container: Object) -> _Outcome:
        name = container["name"]
        metadata = self.pod["metadata"]
        folder = self._machine.folder / "logs" / metadata["namespace"] / metadata["name"]
        grace = self.pod["spec"].get("terminationGracePeriodSeconds", GRACE_SECONDS)
        limit = None if self._deadline is None else Limit(self._deadline, grace)
        log = self.logs[name] = ContainerLog(folder / metadata["uid"] / f"{name}.log")
        try:
            paths = self._files.prepare_container(container)
            variables = self._variables(container, paths)
            command = self._command(container, variables, paths)
            working = self._working_folder(container, paths)
            with self._store.changed:
                self._check_stopped()
                self._process = ContainerProcess(command, variables, working, log)
            code, late = self._process.run(lambda: self._started(container), limit)
        except ConfigMissing as error:
            self._hold_back(container, "CreateContainerConfigError", str(error))
            self._wait_for_ever()
        except (StartFailed, CannotMount) as error:
            text = f"failed to start the container: {error}"
            self._event("Failed", text, bad=True)
            return _Outcome(name, _CANNOT_START, "StartError", text)
        finally:
            self._process = None
        return _Outcome(name, code, "Completed" if code == 0 else "Error", late=late)

    def _variables(self, container: Object, paths: PathMap) -> dict[str, str]:
        image = self._machine.image
        own = variables_of(container, self.pod, self._store, paths.variable)
        search = own.get("PATH") or dict(image.environment).get("PATH") or _PATH
        return {
            "HOME": paths.path(str(image.home)),
            "HOSTNAME": self.pod["spec"].get("hostname") or self.pod["metadata"]["name"][:63],
            "LANG": "C.UTF-8",
            "LC_ALL": "C.UTF-8",
            "TMPDIR": str(self._temporary),
            **{name: paths.variable(value) for name, value in image.environment},
            **own,
            "PATH": ":".join([*map(str, image.bin_dirs), search]),
        }

    def _command(self, container: Object, variables: dict[str, str], paths: PathMap) -> list[str]:
        image = self._machine.image
        command, arguments = container.get("command") or [], container.get("args") or []
        if not command:
            command = list(image.entrypoint)
            arguments = arguments or list(image.default_args)
        return [paths.argument(expand(text, variables)) for text in [*command, *arguments]]

    def _working_folder(self, container: Object, paths: PathMap) -> Path:
        inside = container.get("workingDir") or str(self._machine.image.home)
        outside = paths.path(inside)
        if outside == inside:
            raise StartFailed(
                f"the working directory {inside} is not in the image's home or a mount"
            )
        folder = Path(outside)
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StartFailed(f"the working directory {inside}: {error.strerror}") from None
        return folder

    def _started(self, container: Object) -> None:
        self._update(lambda pod: pod_status.running(pod, container["name"]))
        self._event("Started", f"Started container {container['name']}")
        self.settled.set()

    def _hold_back(self, container: Object, reason: str, text: str) -> None:
        self._update(lambda pod: pod_status.waiting(pod, container["name"], reason, text))
        self._event("Failed", text, bad=True)

    def _wait_for_ever(self) -> NoReturn:
        """Nothing but the deletion of the pod or its deadline helps now."""
        self.settled.set()
        while True:
            self._wait_for_change()

    def _wait_for_change(self) -> None:
        with self._store.changed:
            self._check_stopped()
            left = None if self._deadline is None else self._deadline - time.monotonic()
            self._store.changed.wait(left)
            self._check_stopped()

    def _check_stopped(self) -> None:
        if self._grace is not None:
            raise _Stopped
        if self._deadline is not None and time.monotonic() >= self._deadline:
            raise _Stopped

    def _end_early(self) -> None:
        if self._grace is None:
            self._update(lambda pod: pod_status.ended(pod, "Failed", *_TOO_LATE))

    def _update(self, edit: Callable[[Object], None]) -> Object:
        metadata = self.pod["metadata"]
        return self._store.update("pods", metadata["namespace"], metadata["name"], edit)

    def _event(self, reason: str, message: str, *, bad: bool = False) -> None:
        record_event(self._store, self.pod, reason, message, bad=bad)
