"""A Kubernetes cluster of one node whose pods are processes of this machine."""

from __future__ import annotations

import base64
import json
import secrets as random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from kedro_airflow_k8s.errors import SandboxError
from kedro_airflow_k8s.pod.atomic import atomic_write
from kedro_airflow_k8s.sandbox.cluster.api import Api
from kedro_airflow_k8s.sandbox.cluster.container import can_share_paths
from kedro_airflow_k8s.sandbox.cluster.discovery import CLAIMS, CONFIG_MAPS, EVENTS
from kedro_airflow_k8s.sandbox.cluster.environment import SECRETS
from kedro_airflow_k8s.sandbox.cluster.files import PodImage, discard, remove_tree
from kedro_airflow_k8s.sandbox.cluster.logs import ContainerLog
from kedro_airflow_k8s.sandbox.cluster.node import Node
from kedro_airflow_k8s.sandbox.cluster.runner import Machine
from kedro_airflow_k8s.sandbox.cluster.server import ApiServer
from kedro_airflow_k8s.sandbox.cluster.status import Object
from kedro_airflow_k8s.sandbox.cluster.store import Store
from kedro_airflow_k8s.sandbox.cluster.volumes import Volumes, keep_some

Secrets = Mapping[tuple[str, str], Mapping[str, str | bytes]]
"""Secrets: (namespace, name) to the values by key."""


@dataclass(frozen=True)
class Existing:
    """What a cluster has before any pod runs, beside Secrets.

    Attributes:
        config_maps: The ConfigMaps.
        stand_ins: A folder for what pods mount and this machine lacks: existing claims, nfs, host
            paths. It stays. With None, it is a folder that goes with the cluster.
        run_volume: The name of the volume in pods whose claim a task of the DAG creates. Other
            claims are taken as existing; with None, none are.
    """

    config_maps: Secrets = field(default_factory=dict)
    stand_ins: Path | None = None
    run_volume: str | None = None


@dataclass(frozen=True)
class PodRecord:
    """A pod that is or was on the cluster.

    Attributes:
        manifest: The pod as the API had it last.
        deleted: Whether it is gone from the cluster.
        logs: The log of each container that started, init containers first.
    """

    manifest: Object
    deleted: bool
    logs: Mapping[str, ContainerLog] = field(repr=False)

    @property
    def labels(self) -> Mapping[str, str]:
        """The labels of the pod."""
        labels: dict[str, str] = self.manifest["metadata"].get("labels", {})
        return labels

    @property
    def annotations(self) -> Mapping[str, str]:
        """The annotations of the pod."""
        annotations: dict[str, str] = self.manifest["metadata"].get("annotations", {})
        return annotations

    def log(self) -> str:
        """Return the output of the containers without timestamps."""
        return "".join(log.text() for log in self.logs.values())


@dataclass(frozen=True)
class EventRecord:
    """An event of a pod: `warning` if something is wrong."""

    pod: str
    reason: str
    message: str
    warning: bool


@dataclass(frozen=True)
class ClaimRecord:
    """A claim on the cluster, and the folder with its files."""

    namespace: str
    name: str
    terminating: bool
    folder: Path


class LocalCluster:
    """A small Kubernetes API on 127.0.0.1 that runs each pod as processes of this machine.

    A context manager. Pods share only their claims, but they are not isolated: they are
    processes of this user, with the user's rights. When the process that owns the cluster ends, in
    whatever way, its pods are killed.

    Args:
        image: The files that replace the container image.
        directory: A folder for the files of pods and volumes, which the cluster creates. At the
            end, everything in it is deleted but logs, and volumes when they are kept.
        secrets: The Secrets. A pod that needs another one does not start.
        temporary: A folder with a short path for the pods' temporary files, by default one in
            `directory`. Its content is deleted at start and end.
        existing: What else there is before any pod.
        keep_volumes: Keep the folders of claims when they are deleted and when the cluster stops;
            or the folder to which those of the last deleted claims are moved.
    """

    def __init__(
        self,
        image: PodImage,
        directory: Path,
        secrets: Secrets | None = None,
        *,
        existing: Existing | None = None,
        temporary: Path | None = None,
        keep_volumes: bool | Path = False,
    ) -> None:
        self._directory = directory.absolute()
        self._temporary = (temporary or directory).absolute() / "tmp"
        self._keep_volumes = keep_volumes is True
        self._store = Store()
        self._token = random.token_urlsafe(32)
        release: Callable[[Path], None] = discard
        if isinstance(keep_volumes, Path):
            release = keep_some(keep_volumes)
        elif keep_volumes:
            release = _leave
        existing = existing or Existing()
        kept = (existing.stand_ins or self._pods_directory / "stand-ins").absolute()
        self._volumes = Volumes(self._store, self.volumes_directory, kept, release)
        self._home = self._directory / "project" if can_share_paths() else None
        machine = Machine(
            self._store,
            self._volumes,
            image,
            self._directory,
            self._temporary,
            self._home,
            kept,
            existing.run_volume,
        )
        self._node = Node(machine)
        self._api = Api(machine, self._node)
        self._server: ApiServer | None = None
        for kind, values_field, objects in (
            (SECRETS, "data", secrets or {}),
            (CONFIG_MAPS, "binaryData", existing.config_maps),
        ):
            for (namespace, name), values in objects.items():
                raw = {k: v.encode() if isinstance(v, str) else v for k, v in values.items()}
                data = {k: base64.b64encode(v).decode() for k, v in raw.items()}
                metadata = {"name": name, "namespace": namespace}
                self._store.create(kind, {"metadata": metadata, values_field: data})

    @property
    def url(self) -> str:
        """The address of the API.

        Raises:
            SandboxError: The cluster is not running.
        """
        if self._server is None:
            raise SandboxError("The sandbox's Kubernetes API is not running.")
        return f"http://127.0.0.1:{self._server.server_port}"

    @property
    def volumes_directory(self) -> Path:
        """The folder that holds `<namespace>/<claim>` for each claim."""
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
            for folder in filter(None, (self._pods_directory, self._temporary, self._home)):
                remove_tree(folder)
                folder.mkdir(parents=True)
        except OSError as error:
            raise SandboxError(
                f"The sandbox cannot use the folder {self._directory}: {error}"
            ) from None
        self._server = ApiServer(self._api, self._token)
        self._server.start()

    def stop(self) -> None:
        """Kill all pods, end all threads and delete what is not kept. Has no effect twice."""
        if self._server is None:
            return
        self._node.stop()
        self._server.stop()
        self._server = None
        discard(self._pods_directory)
        discard(self._temporary)
        if self._home is not None:
            discard(self._home)
        if not self._keep_volumes:
            discard(self.volumes_directory)

    def __enter__(self) -> LocalCluster:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def write_kubeconfig(self, path: Path) -> None:
        """Write a kubeconfig for this cluster. It holds the token: only the user can read it."""
        context = {"cluster": "sandbox", "user": "sandbox", "namespace": "default"}
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "sandbox", "cluster": {"server": self.url}}],
            "users": [{"name": "sandbox", "user": {"token": self._token}}],
            "contexts": [{"name": "sandbox", "context": context}],
            "current-context": "sandbox",
        }
        with atomic_write(path, 0o600) as file:
            file.write(json.dumps(config, indent=2).encode())  # JSON is YAML.

    def pods(self) -> list[PodRecord]:
        """Return every pod since the start, also those deleted, oldest first."""
        return [
            PodRecord(pod, self._node.is_gone(pod), self._node.logs_of(pod))
            for pod in self._node.history()
        ]

    def events(self) -> list[EventRecord]:
        """Return the events of pods, oldest first."""
        return [
            EventRecord(
                pod=event["involvedObject"]["name"],
                reason=event["reason"],
                message=event["message"],
                warning=event["type"] == "Warning",
            )
            for event in self._store.all(EVENTS)
        ]

    def claims(self) -> list[ClaimRecord]:
        """Return the claims that exist now."""
        return [
            ClaimRecord(
                namespace=metadata["namespace"],
                name=metadata["name"],
                terminating="deletionTimestamp" in metadata,
                folder=self._volumes.folder_of(metadata["namespace"], metadata["name"]),
            )
            for metadata in (claim["metadata"] for claim in self._store.all(CLAIMS))
        ]


def _leave(_folder: Path) -> None:
    """Keep the folder of a deleted claim where it is."""
