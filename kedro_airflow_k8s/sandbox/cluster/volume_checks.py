"""What is wrong with the volumes of a pod whose fields are all of the right types."""

from __future__ import annotations

from collections.abc import Iterator

from kedro_airflow_k8s.config import kubernetes as k8s
from kedro_airflow_k8s.sandbox.cluster.downward import is_file_field, is_resource
from kedro_airflow_k8s.sandbox.cluster.status import Object

_MOST_MODE = 0o777
_FILES = ("secret", "configMap", "downwardAPI")


def volume_problems(volume: Object) -> Iterator[str]:
    """Yield what is wrong with a volume."""
    field = f"spec.volumes[{volume['name']}]"
    if len(volume) != 2:
        yield f"{field}: Required value: must have one source"
    projected = volume.get("projected", {}).get("sources", [])
    for source in projected:
        if len(source) != 1:
            yield f"{field}.projected: Required value: must have one source"
    for source in (each.get(kind, {}) for each in (volume, *projected) for kind in _FILES):
        yield from _file_problems(field, source)
    for source in (volume.get("nfs", {}), volume.get("hostPath", {})):
        path = source.get("path", "/")
        if not path.startswith("/") or ".." in path.split("/"):
            yield f"{field}: Invalid value: {path!r}: must be an absolute path without `..`"
    server = volume.get("nfs", {}).get("server", "s")
    if "/" in server or server in ("", "..", "."):
        yield f"{field}.nfs.server: Invalid value: {server!r}: must be the name of a server"
    claim = volume.get("persistentVolumeClaim", {}).get("claimName", "n")
    if problem := k8s.dns_subdomain_reason(claim):
        yield f"{field}: Invalid value: {claim!r}: {problem}"


def _file_problems(field: str, source: Object) -> Iterator[str]:
    items = source.get("items", [])
    yield from path_problems(f"{field}.items", [item["path"] for item in items])
    for mode in (source.get("defaultMode", 0), *(item.get("mode", 0) for item in items)):
        if not 0 <= mode <= _MOST_MODE:
            yield f"{field}: Invalid value: {mode}: must be a mode from 0 to 0777 (octal)"
    yield from _field_file_problems(field, items)


def _field_file_problems(field: str, items: list[Object]) -> Iterator[str]:
    for item in items:
        if "key" not in item and len({"fieldRef", "resourceFieldRef"}.intersection(item)) != 1:
            yield f"{field}.items: Required value: must have one source"
        path = item.get("fieldRef", {}).get("fieldPath", "metadata.name")
        if not is_file_field(path):
            yield f"{field}.items: Unsupported value: no file can have the field {path}"
        if resource := item.get("resourceFieldRef"):
            if not is_resource(resource["resource"]) or "containerName" not in resource:
                yield f"{field}.items: Invalid value: resourceFieldRef needs a containerName"
            if problem := k8s.quantity_reason(str(resource.get("divisor", "1"))):
                yield f"{field}.items: Invalid value: {resource['divisor']!r}: {problem}"


def path_problems(field: str, paths: list[str]) -> Iterator[str]:
    """Yield what is wrong with paths in a volume."""
    for path in paths:
        if path.startswith("/") or ".." in path.split("/"):
            yield f"{field}: Invalid value: {path!r}: must be a relative path without `..`"
