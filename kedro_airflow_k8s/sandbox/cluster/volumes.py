"""Claims and the folders behind them."""

from __future__ import annotations

import uuid
from pathlib import Path

from kedro_airflow_k8s.sandbox.cluster.files import discard
from kedro_airflow_k8s.sandbox.cluster.status import Object
from kedro_airflow_k8s.sandbox.cluster.store import Store, timestamp

CLAIMS = "persistentvolumeclaims"
PROTECTION = "kubernetes.io/pvc-protection"
_ENDED = ("Succeeded", "Failed")


def claims_of(pod: Object) -> list[str]:
    """The names of the claims that a pod mounts."""
    volumes = pod["spec"].get("volumes") or []
    sources = [volume.get("persistentVolumeClaim") for volume in volumes]
    return [source["claimName"] for source in sources if source]


class Volumes:
    """Gives each claim a folder at once, and takes it away when no pod uses it any more."""

    def __init__(self, store: Store, folder: Path, *, keep: bool) -> None:
        self._store = store
        self._folder = folder
        self._keep = keep

    def folder_of(self, namespace: str, claim: str) -> Path:
        """Where the files of a claim are."""
        return self._folder / namespace / claim

    def create(self, body: Object) -> Object:
        """Keep a claim, bound to a fresh and empty folder.

        Raises:
            StatusError: 409, there is one of that name.
        """
        spec, metadata = body["spec"], body["metadata"]
        metadata["finalizers"] = [*(metadata.get("finalizers") or []), PROTECTION]
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
        with self._store.changed:
            claim = self._store.create(CLAIMS, body)
            folder = self.folder_of(metadata["namespace"], metadata["name"])
            if folder.exists():
                _set_aside(folder)
            folder.mkdir(parents=True)
        return claim

    def delete(self, namespace: str, name: str) -> Object:
        """Delete a claim: at once, or when the last pod that uses it has ended.

        Raises:
            StatusError: 404, there is none.
        """

        def mark(claim: Object) -> None:
            claim["metadata"].setdefault("deletionTimestamp", timestamp())
            claim["metadata"].setdefault("deletionGracePeriodSeconds", 0)

        with self._store.changed:
            claim = self._store.update(CLAIMS, namespace, name, mark)
            self.release()
        return claim

    def release(self) -> None:
        """Finish the deletion of the claims that no pod uses any more."""
        with self._store.changed:
            used = {
                (pod["metadata"]["namespace"], claim)
                for pod in self._store.all("pods")
                if pod["spec"].get("nodeName") and pod["status"]["phase"] not in _ENDED
                for claim in claims_of(pod)
            }
            for claim in self._store.all(CLAIMS):
                metadata = claim["metadata"]
                place = (metadata["namespace"], metadata["name"])
                others = [f for f in metadata.get("finalizers") or [] if f != PROTECTION]
                if "deletionTimestamp" in metadata and place not in used and not others:
                    self._store.remove(CLAIMS, *place)
                    if not self._keep:
                        discard(self.folder_of(*place))


def _set_aside(folder: Path) -> None:
    """Rename what an earlier claim of that name left: a new claim is empty, as on a cluster."""
    number = 1
    while (aside := folder.with_name(f"{folder.name}~{number}")).exists():
        number += 1
    folder.rename(aside)
