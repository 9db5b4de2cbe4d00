"""What a pod asks for and the sandbox cannot give: said once per DAG run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from kedro_airflow_k8s.config.own_names import RUN_LABEL
from kedro_airflow_k8s.sandbox.cluster.files import PathMap
from kedro_airflow_k8s.sandbox.cluster.pod_volumes import elsewhere
from kedro_airflow_k8s.sandbox.cluster.status import Object

# Fields of the pod without effect, and the values that ask for nothing.
_POD_FIELDS: dict[str, tuple[Any, ...]] = {
    "affinity": (),
    "nodeSelector": (),
    "nodeName": ("sandbox",),
    "tolerations": (),
    "topologySpreadConstraints": (),
    "priorityClassName": (),
    "runtimeClassName": (),
    "schedulerName": ("default-scheduler",),
    "hostAliases": (),
    "hostNetwork": (),
    "dnsConfig": (),
    "dnsPolicy": ("ClusterFirst", "Default"),
    "automountServiceAccountToken": (),
    "shareProcessNamespace": (),
    "setHostnameAsFQDN": (),
}
_OF_THE_VOLUME = ("fsGroup", "fsGroupChangePolicy")


def containers_of(pod: Object) -> list[Object]:
    """Return the containers of a pod, init containers first."""
    return [*pod["spec"].get("initContainers", []), *pod["spec"]["containers"]]


def is_sidecar(container: Object) -> bool:
    """Return whether an init container runs as long as the pod."""
    return container.get("restartPolicy") == "Always"


def ignored_fields(pod: Object) -> list[str]:
    """Return the fields and devices of a pod that have no effect here."""
    spec, containers = pod["spec"], containers_of(pod)
    found = [
        name
        for name, nothing in _POD_FIELDS.items()
        if (value := spec.get(name)) and value not in nothing and not _is_own_affinity(value)
    ]
    contexts = [spec.get("securityContext", {}), *(c.get("securityContext") for c in containers)]
    if any(set(context or {}).difference(_OF_THE_VOLUME) for context in contexts):
        found.append("securityContext")
    for probe in ("livenessProbe", "lifecycle"):
        found += [probe] if any(container.get(probe) for container in containers) else []
    if any(c.get("readinessProbe") and is_sidecar(c) for c in containers):
        found.append("readinessProbe of a sidecar")
    if any(c.get("startupProbe") and not is_sidecar(c) for c in containers):
        found.append("startupProbe of a main container")
    volumes = spec.get("volumes", [])
    if any(volume.get("emptyDir", {}).get("sizeLimit") for volume in volumes):
        found.append("sizeLimit of emptyDir")
    resources = [container.get("resources", {}) for container in containers]
    amounts = [each.get(kind, {}) for each in resources for kind in ("limits", "requests")]
    devices = {name for amount in amounts for name in amount if "/" in name}
    return [*found, *sorted(devices)]


def _is_own_affinity(value: Any) -> bool:
    """Return whether an affinity only keeps the pods of a run on one machine, as here."""
    if not isinstance(value, dict) or list(value) != ["podAffinity"]:
        return False
    terms = [term for terms in value["podAffinity"].values() for term in terms]
    labels = [term.get("labelSelector", {}).get("matchLabels", {}) for term in terms]
    return all(RUN_LABEL in selected for selected in labels)


def volume_notices(pod: Object, folder_of: Callable[[str], Path]) -> Iterator[str]:
    """Yield what is different about the files of volumes.

    Args:
        pod: The pod.
        folder_of: Returns the folder of a volume.
    """
    for volume in pod["spec"].get("volumes", []):
        name = volume["name"]
        if found := elsewhere(volume):
            yield stand_in(f'Volume "{name}" ({found.text})', folder_of(name))
        elif any("serviceAccountToken" in s for s in _sources(volume)):
            yield f'Volume "{name}" has no token of a service account: the sandbox has none.'
        elif driver := volume.get("csi", {}).get("driver"):
            yield f'Volume "{name}" (csi {driver}) is an empty folder in the sandbox.'


def _sources(volume: Object) -> list[Object]:
    sources: list[Object] = volume.get("projected", {}).get("sources", [])
    return sources


def stand_in(what: str, folder: Path) -> str:
    """Return the notice of a folder that has the place of files of the cluster."""
    if folder.exists() and any(folder.iterdir()):
        return f"{what} is a folder in the sandbox: {folder}"
    return f"{what} is an empty folder in the sandbox. Put the files of the nodes there: {folder}"


def mount_notices(paths: PathMap) -> Iterator[str]:
    """Yield what is different about the mounts of a container."""
    for place in paths.writable:
        yield f"The mount at {place} can be written to: this machine has no read-only mounts."
    for place in paths.hidden:
        yield (
            f"The mount at {place} is not at its path on this machine: only arguments and"
            " environment variables with this path lead to it."
        )
