"""Kubernetes manifests that pages show: whether a cluster would take them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from kubernetes import client


class ManifestError(ValueError):
    """A manifest has a key that its kind does not have, or lacks one that it needs."""


def check_manifests(documents: Iterable[Any]) -> int:
    """Check those of some YAML documents that are manifests, and say how many were.

    Raises:
        ManifestError: One is wrong.
    """
    found = 0
    for document in documents:
        if isinstance(document, dict) and {"apiVersion", "kind"} <= document.keys():
            check_manifest(document)
            found += 1
    return found


def check_manifest(document: dict[str, Any]) -> None:
    """Check a manifest against the model of its kind in Kubernetes' own client.

    Raises:
        ManifestError: It is wrong.
    """
    group, _, version = str(document["apiVersion"]).rpartition("/")
    name = _class_name(version, str(document["kind"]))
    if name is None:
        raise ManifestError(f"Kubernetes has no {document['kind']} of {document['apiVersion']}")
    # Roles and their like belong to a group; pods and Secrets to none.
    if (document["kind"] in ("Role", "RoleBinding", "ClusterRole")) != bool(group):
        raise ManifestError(f"{document['kind']} is not of {document['apiVersion']}")
    if not (document.get("metadata") or {}).get("name"):
        raise ManifestError(f"{document['kind']} has no metadata.name")
    api = client.ApiClient()
    # Only this method makes models of plain data; it leaves out what it does not know.
    model = api._ApiClient__deserialize(document, name)
    lost = _lost(document, api.sanitize_for_serialization(model), document["kind"])
    if lost:
        raise ManifestError(f"Kubernetes does not know {', '.join(lost)}")


def _class_name(version: str, kind: str) -> str | None:
    name = version.capitalize() + kind
    return name if hasattr(client, name) else None


def _lost(given: Any, known: Any, path: str) -> list[str]:
    """What is in a manifest and not in its model."""
    if isinstance(given, dict) and isinstance(known, dict):
        lost = [f"{path}.{key}" for key in given if given[key] is not None and key not in known]
        kept = given.keys() & known.keys()
        return lost + [p for key in kept for p in _lost(given[key], known[key], f"{path}.{key}")]
    if isinstance(given, list) and isinstance(known, list):
        pairs = zip(given, known, strict=True)
        return [p for i, (a, b) in enumerate(pairs) for p in _lost(a, b, f"{path}[{i}]")]
    return []
