"""Claims and the folders behind them."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path

from kedro_airflow_k8s.sandbox.cluster.discovery import CLAIMS, PODS
from kedro_airflow_k8s.sandbox.cluster.files import discard, remove_tree
from kedro_airflow_k8s.sandbox.cluster.status import Object
from kedro_airflow_k8s.sandbox.cluster.store import Store, timestamp

VOLUMES_KEPT = 3
"""Of how many runs `sandbox up --keep` keeps the volume."""

_LOG = logging.getLogger(__name__)
_PROTECTION = "kubernetes.io/pvc-protection"
_ENDED = ("Succeeded", "Failed")


def claims_of(pod: Object) -> list[str]:
    """Return the names of the claims that a pod mounts."""
    volumes = pod["spec"].get("volumes") or []
    sources = [volume.get("persistentVolumeClaim") for volume in volumes]
    return [source["claimName"] for source in sources if source]


def keep_some(folder: Path) -> Callable[[Path], None]:
    """Return what moves the folders of deleted claims to another one, which holds the newest."""

    def move(claim: Path) -> None:
        now = datetime.now(timezone.utc).astimezone()
        try:
            folder.mkdir(parents=True, exist_ok=True)
            claim.rename(folder / f"{now:%Y%m%d-%H%M%S-%f}-{claim.name}")
        except OSError as error:
            _LOG.warning("The volume %s could not be kept: %s", claim.name, error)
            discard(claim)
            return
        for old in sorted(folder.iterdir())[:-VOLUMES_KEPT]:
            discard(old)

    return move


class Volumes:
    """Gives each claim a folder at once, and lets go of it when no pod uses the claim any more.

    Args:
        store: The objects of the cluster.
        folder: For the folders of claims.
        stand_ins: For the folders of claims that a cluster would have already; they stay.
        release_folder: What becomes of the folder of a claim that is deleted.
    """

    def __init__(
        self,
        store: Store,
        folder: Path,
        stand_ins: Path,
        release_folder: Callable[[Path], None] = discard,
    ) -> None:
        self._store = store
        self._folder = folder
        self._stand_ins = stand_ins / "claim"
        self._release_folder = release_folder
        self._adopted: set[tuple[str, str]] = set()

    def folder_of(self, namespace: str, claim: str) -> Path:
        """Return the folder with the files of a claim."""
        if (namespace, claim) in self._adopted:
            return self._stand_ins / claim
        return self._folder / namespace / claim

    def adopt(self, namespace: str, claim: str) -> Path | None:
        """Create a claim that a cluster would have already, unless it is there.

        Returns:
            Its folder, which stays when the cluster stops; None if the claim belongs to a run.
        """
        with self._store.changed:
            if self._store.find(CLAIMS, namespace, claim) is None:
                spec = {
                    "accessModes": ["ReadWriteMany"],
                    "resources": {"requests": {"storage": "1Gi"}},
                }
                metadata = {"name": claim, "namespace": namespace}
                body = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "spec": spec}
                self._create({**body, "metadata": metadata})
                self._adopted.add((namespace, claim))
            if (namespace, claim) not in self._adopted:
                return None
        folder = self.folder_of(namespace, claim)
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def create(self, body: Object) -> Object:
        """Create a claim that is bound to an empty folder.

        Raises:
            StatusError: 409, the namespace has a claim with that name.
        """
        metadata = body["metadata"]
        with self._store.changed:
            claim = self._create(body)
            self._adopted.discard((metadata["namespace"], metadata["name"]))
            folder = self.folder_of(metadata["namespace"], metadata["name"])
            remove_tree(folder)  # kept of an earlier claim with that name
            folder.mkdir(parents=True)
        return claim

    def _create(self, body: Object) -> Object:
        spec, metadata = body["spec"], body["metadata"]
        metadata["finalizers"] = [*metadata.get("finalizers", []), _PROTECTION]
        body["spec"] = {
            "storageClassName": "sandbox",
            "volumeMode": "Filesystem",
            **spec,
            "volumeName": f"pvc-{uuid.uuid4()}",
        }
        body["status"] = {
            "phase": "Bound",
            "accessModes": spec["accessModes"],
            "capacity": {"storage": spec["resources"]["requests"]["storage"]},
        }
        return self._store.create(CLAIMS, body)

    def delete(self, namespace: str, name: str) -> Object:
        """Delete a claim: at once, or when the last pod that uses it has ended.

        Raises:
            StatusError: 404, it does not exist.
        """

        def mark(claim: Object) -> None:
            claim["metadata"].setdefault("deletionTimestamp", timestamp())
            claim["metadata"].setdefault("deletionGracePeriodSeconds", 0)

        with self._store.changed:
            claim = self._store.update(CLAIMS, namespace, name, mark)
            self.release()
        return claim

    def release(self) -> None:
        """Complete the deletion of the claims that no pod uses any more."""
        with self._store.changed:
            used = {
                (pod["metadata"]["namespace"], claim)
                for pod in self._store.all(PODS)
                if pod["spec"].get("nodeName") and pod["status"]["phase"] not in _ENDED
                for claim in claims_of(pod)
            }
            for claim in self._store.all(CLAIMS):
                metadata = claim["metadata"]
                place = (metadata["namespace"], metadata["name"])
                others = [f for f in metadata.get("finalizers", []) if f != _PROTECTION]
                if "deletionTimestamp" in metadata and place not in used and not others:
                    self._store.remove(CLAIMS, *place)
                    if place not in self._adopted:
                        self._release_folder(self.folder_of(*place))
