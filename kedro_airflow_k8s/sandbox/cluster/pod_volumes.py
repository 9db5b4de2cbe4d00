"""The folders behind the volumes of one pod."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from kedro_airflow_k8s.sandbox.cluster.discovery import CONFIG_MAPS
from kedro_airflow_k8s.sandbox.cluster.downward import field_value, resource_value
from kedro_airflow_k8s.sandbox.cluster.environment import SECRETS, ConfigMissing, data_of
from kedro_airflow_k8s.sandbox.cluster.status import Object
from kedro_airflow_k8s.sandbox.cluster.store import Store

# Secrets are for this user only, unless the pod says otherwise.
_FILES = {"secret", "configMap", "downwardAPI", "projected"}
_MODES = {SECRETS: 0o400, CONFIG_MAPS: 0o644}


@dataclass(frozen=True)
class Elsewhere:
    """A volume whose files are not on this machine.

    Attributes:
        text: What it is, for people.
        folder: Where its stand-in is, below the folder of stand-ins.
    """

    text: str
    folder: PurePosixPath


def elsewhere(volume: Object) -> Elsewhere | None:
    """Return where the files of a volume really are; None if the sandbox makes them.

    Two volumes of one server or machine share their files as on a cluster.
    """
    if nfs := volume.get("nfs"):
        path = PurePosixPath("nfs", nfs["server"], nfs["path"].strip("/"))
        return Elsewhere(f"nfs {nfs['server']}:{nfs['path']}", path)
    if host := volume.get("hostPath"):
        path = PurePosixPath("host-path", host["path"].strip("/"))
        return Elsewhere(f"host path {host['path']}", path)
    return None


class PodVolumes:
    """The folders of a pod's volumes, by the volumes' names.

    Args:
        pod: The pod.
        folder: For the volumes that live as long as the pod.
        claim_folder: Returns the folder of a claim.
        stand_ins: For those whose files are elsewhere; they outlive the pod.
    """

    def __init__(
        self, pod: Object, folder: Path, claim_folder: Callable[[str], Path], stand_ins: Path
    ) -> None:
        self._namespace = pod["metadata"]["namespace"]
        self._volumes = {volume["name"]: volume for volume in pod["spec"].get("volumes", [])}
        self._folder = folder
        self._claim_folder = claim_folder
        self._stand_ins = stand_ins

    def folder_of(self, name: str) -> Path:
        """Return the folder of a volume."""
        volume = self._volumes[name]
        if claim := volume.get("persistentVolumeClaim"):
            return self._claim_folder(claim["claimName"])
        if found := elsewhere(volume):
            return self._stand_ins / found.folder
        return self._folder / name

    def is_read_only(self, name: str) -> bool:
        """Return whether no container may write to a volume."""
        volume = self._volumes[name]
        if _FILES.intersection(volume):
            return True
        return any(isinstance(s, dict) and s.get("readOnly") is True for s in volume.values())

    def prepare(self, store: Store, pod: Object) -> None:
        """Make the folders.

        Args:
            store: The objects of the cluster.
            pod: The pod as it was scheduled.

        Raises:
            ConfigMissing: A Secret or ConfigMap, or a key in one, is missing.
        """
        for name, volume in self._volumes.items():
            folder = self.folder_of(name)
            folder.mkdir(parents=True, exist_ok=True)
            if source := volume.get("secret"):
                self._write(folder, store, SECRETS, {**source, "name": source["secretName"]})
            if source := volume.get("configMap"):
                self._write(folder, store, CONFIG_MAPS, source)
            if source := volume.get("downwardAPI"):
                self._write_fields(folder, pod, source)
            for source in volume.get("projected", {}).get("sources", []):
                self._project(folder, store, pod, source)

    def _project(self, folder: Path, store: Store, pod: Object, source: Object) -> None:
        for kind, field in ((SECRETS, "secret"), (CONFIG_MAPS, "configMap")):
            if field in source:
                self._write(folder, store, kind, source[field])
        if "downwardAPI" in source:
            self._write_fields(folder, pod, source["downwardAPI"])

    def _write_fields(self, folder: Path, pod: Object, source: Object) -> None:
        for item in source.get("items", []):
            if field := item.get("fieldRef"):
                text = field_value(pod, field["fieldPath"])
            else:
                resource = item["resourceFieldRef"]
                text = resource_value(pod, {"name": ""}, resource)
            path = folder / item["path"]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
            path.chmod(item.get("mode", source.get("defaultMode", _MODES[CONFIG_MAPS])))

    def _write(self, folder: Path, store: Store, kind: str, source: Object) -> None:
        data = data_of(store, self._namespace, kind, source)
        for item in source.get("items") or [{"key": key, "path": key} for key in data]:
            if item["key"] not in data:
                if source.get("optional"):
                    continue
                raise ConfigMissing(f"{kind[:-1]} {source['name']} has no key {item['key']}")
            path = folder / item["path"]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch(mode=0o600, exist_ok=False)
            path.write_bytes(data[item["key"]])
            path.chmod(item.get("mode", source.get("defaultMode", _MODES[kind])))
