"""A Kubernetes cluster of one machine whose pods are processes."""

from __future__ import annotations

import base64
import json
import secrets as random
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import NamedTemporaryFile
from types import TracebackType

from kedro_airflow_k8s.errors import SandboxError
from kedro_airflow_k8s.sandbox.cluster.api import Api
from kedro_airflow_k8s.sandbox.cluster.files import PodImage, discard, remove_tree
from kedro_airflow_k8s.sandbox.cluster.logs import ContainerLog
from kedro_airflow_k8s.sandbox.cluster.node import Node
from kedro_airflow_k8s.sandbox.cluster.server import ApiServer
from kedro_airflow_k8s.sandbox.cluster.status import Object
from kedro_airflow_k8s.sandbox.cluster.store import Store
from kedro_airflow_k8s.sandbox.cluster.volumes import CLAIMS, Volumes
from kedro_airflow_k8s.sandbox.cluster.worker import Machine

Data = Mapping[tuple[str, str], Mapping[str, str | bytes]]
"""Secrets or ConfigMaps: (namespace, name) -> key -> value; that of a ConfigMap is text."""


@dataclass(frozen=True)
class ClusterContent:
    """What is on the cluster before the first pod.

    Attributes:
        secrets: The Secrets; a pod that needs another one does not start.
        config_maps: The ConfigMaps, likewise.
        images: The image names that can be pulled; None: all.
        service_accounts: The (namespace, name) of service accounts; None: all.
    """

    secrets: Data = field(default_factory=dict, repr=False)
    config_maps: Data = field(default_factory=dict)
    images: Collection[str] | None = None
    service_accounts: Collection[tuple[str, str]] | None = None


@dataclass(frozen=True)
class PodRecord:
    """A pod that is or was on the cluster.

    Attributes:
        namespace: Its namespace.
        name: Its name.
        uid: Its unique id.
        labels: Its labels.
        annotations: Its annotations.
        phase: Pending, Running, Succeeded or Failed, as last seen.
        exit_code: Of its container; None if it has not ended.
        reason: Why it waits or how it ended, such as Completed, Error, ErrImagePull.
        message: More about that.
        deleted: Whether it is gone from the cluster.
        log_paths: The log file of each container that started, with a timestamp in each line.
    """

    namespace: str
    name: str
    uid: str
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    phase: str
    exit_code: int | None
    reason: str
    message: str
    deleted: bool
    log_paths: Mapping[str, Path]
    _logs: tuple[ContainerLog, ...] = field(repr=False, compare=False)

    def log(self) -> str:
        """What the containers have written, without timestamps, init containers first."""
        return "".join(log.text() for log in self._logs)


@dataclass(frozen=True)
class EventRecord:
    """Something that happened to a pod: `warning` if it is not as it should be."""

    namespace: str
    pod: str
    reason: str
    message: str
    warning: bool


@dataclass(frozen=True)
class ClaimRecord:
    """A claim on the cluster, and the folder with its files."""

    namespace: str
    name: str
    labels: Mapping[str, str]
    terminating: bool
    folder: Path


class LocalCluster:
    """A small Kubernetes API on 127.0.0.1 that runs each pod as processes of this machine.

    A context manager. Pods share nothing but their claims, yet nothing else is kept from them: they
    are processes of this user, with the user's rights. When the process that owns the cluster
    ends, in whatever way, its pods are killed.

    Args:
        image: What stands for the container image.
        directory: An own folder for the files of pods and volumes; made if it is not there.
            Logs stay in it, and volumes when they are kept; the rest is deleted at the end.
        content: What is on the cluster from the start.
        temporary: A folder with a short path, for the pods' temporary files; None: one in
            `directory`. Its content is deleted at start and end.
        keep_volumes: Leave the folders of claims when they are deleted and when the cluster stops.
    """

    def __init__(
        self,
        image: PodImage,
        directory: Path,
        content: ClusterContent | None = None,
        *,
        temporary: Path | None = None,
        keep_volumes: bool = False,
    ) -> None:
        content = content or ClusterContent()
        self._directory = directory.absolute()
        self._temporary = (temporary or directory).absolute() / "tmp"
        self._keep_volumes = keep_volumes
        self._store = Store()
        self._token = random.token_urlsafe(32)
        self._volumes = Volumes(self._store, self.volumes_directory, keep=keep_volumes)
        machine = Machine(
            self._store, self._volumes, image, content.images, self._directory, self._temporary
        )
        self._node = Node(machine)
        self._api = Api(machine, self._node, content.service_accounts)
        self._server: ApiServer | None = None
        for kind, data in (("Secret", content.secrets), ("ConfigMap", content.config_maps)):
            self._add(kind, data)

    @property
    def url(self) -> str:
        """Where the API is.

        Raises:
            SandboxError: The cluster is not running.
        """
        if self._server is None:
            raise SandboxError("The sandbox's Kubernetes API is not running.")
        return f"http://127.0.0.1:{self._server.server_port}"

    @property
    def volumes_directory(self) -> Path:
        """Holds a folder `<namespace>/<claim>` for each claim."""
        return self._directory / "volumes"

    @property
    def _pods_directory(self) -> Path:
        return self._directory / "pods"

    def start(self) -> None:
        """Listen on a free port.

        Raises:
            SandboxError: The folder cannot be used.
        """
        try:
            self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            for folder in (self._pods_directory, self._temporary):
                remove_tree(folder)
                folder.mkdir(parents=True)
        except OSError as error:
            raise SandboxError(
                f"The sandbox cannot use the folder {self._directory}: {error}"
            ) from None
        self._server = ApiServer(self._api, self._token)
        self._server.start()

    def stop(self) -> None:
        """Kill all pods, end all threads, and delete what is not kept. Twice does no harm."""
        if self._server is None:
            return
        self._node.stop()
        self._server.stop()
        self._server = None
        discard(self._pods_directory)
        discard(self._temporary)
        if not self._keep_volumes:
            discard(self.volumes_directory)

    def __enter__(self) -> LocalCluster:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def write_kubeconfig(self, path: Path) -> None:
        """Write a kubeconfig for this cluster. It holds the token: only the user can read it."""
        user = {"name": "sandbox", "user": {"token": self._token}}
        cluster = {"name": "sandbox", "cluster": {"server": self.url}}
        context = {"cluster": "sandbox", "user": "sandbox", "namespace": "default"}
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [cluster],
            "users": [user],
            "contexts": [{"name": "sandbox", "context": context}],
            "current-context": "sandbox",
        }
        # JSON is YAML. Whoever reads it meanwhile finds the old one or the new one, whole.
        with NamedTemporaryFile("w", dir=path.parent, delete=False, encoding="utf-8") as file:
            json.dump(config, file, indent=2)
        Path(file.name).replace(path)

    def pods(self) -> list[PodRecord]:
        """Every pod since the start, also those deleted, oldest first."""
        return [self._pod_record(pod) for pod in self._node.history()]

    def events(self) -> list[EventRecord]:
        """What happened to pods, oldest first."""
        found = sorted(
            self._store.all("events"), key=lambda event: int(event["metadata"]["resourceVersion"])
        )
        return [
            EventRecord(
                namespace=event["metadata"]["namespace"],
                pod=event["involvedObject"]["name"],
                reason=event["reason"],
                message=event["message"],
                warning=event["type"] == "Warning",
            )
            for event in found
        ]

    def claims(self) -> list[ClaimRecord]:
        """The claims that are there now."""
        return [
            ClaimRecord(
                namespace=metadata["namespace"],
                name=metadata["name"],
                labels=metadata.get("labels") or {},
                terminating="deletionTimestamp" in metadata,
                folder=self._volumes.folder_of(metadata["namespace"], metadata["name"]),
            )
            for metadata in (claim["metadata"] for claim in self._store.all(CLAIMS))
        ]

    def _add(self, kind: str, content: Data) -> None:
        for (namespace, name), values in content.items():
            data = dict(values)
            if kind == "Secret":
                raw = {k: v.encode() if isinstance(v, str) else v for k, v in values.items()}
                data = {k: base64.b64encode(v).decode() for k, v in raw.items()}
            metadata = {"name": name, "namespace": namespace}
            item = {"apiVersion": "v1", "kind": kind, "metadata": metadata, "data": data}
            if kind == "Secret":
                item["type"] = "Opaque"
            self._store.create(f"{kind.lower()}s", item)

    def _pod_record(self, pod: Object) -> PodRecord:
        metadata, status = pod["metadata"], pod["status"]
        statuses = (status.get("initContainerStatuses") or []) + (
            status.get("containerStatuses") or []
        )
        # The container that decides: the last one that has something to tell.
        states = [
            state for item in statuses for state in item["state"].values() if "reason" in state
        ]
        told = [s for s in states if s["reason"] not in ("PodInitializing", "ContainerCreating")]
        decisive = told[-1] if told else {}
        names = [
            c["name"] for c in (pod["spec"].get("initContainers") or []) + pod["spec"]["containers"]
        ]
        logs = {name: log for name in names if (log := self._node.log_of(pod, name))}
        return PodRecord(
            namespace=metadata["namespace"],
            name=metadata["name"],
            uid=metadata["uid"],
            labels=metadata.get("labels") or {},
            annotations=metadata.get("annotations") or {},
            phase=status["phase"],
            exit_code=decisive.get("exitCode"),
            reason=status.get("reason") or decisive.get("reason", ""),
            message=status.get("message") or decisive.get("message", ""),
            deleted=self._node.is_gone(pod),
            log_paths={name: log.path for name, log in logs.items()},
            _logs=tuple(logs.values()),
        )
