"""The file of Kubernetes Secrets and ConfigMaps for the sandbox's pods."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from kedro_airflow_k8s.errors import SandboxError

Objects = dict[tuple[str, str], dict[str, str | bytes]]
"""(namespace, name) -> key -> value."""

# Of each kind: the field with texts, and the one with base64.
_FIELDS = {"Secret": ("stringData", "data"), "ConfigMap": ("data", "binaryData")}


@dataclass(frozen=True)
class PodData:
    """The Secrets and ConfigMaps that pods can refer to."""

    secrets: Objects = field(default_factory=dict, repr=False)
    config_maps: Objects = field(default_factory=dict)


def read_objects(file: Path, namespace: str) -> PodData:
    """Return the Secrets and ConfigMaps of a file of Kubernetes manifests.

    Args:
        file: YAML, one or more documents; other kinds are refused.
        namespace: For those that name none.

    Raises:
        SandboxError: If it is not YAML or holds something else. Values are never shown.
    """
    try:
        documents = [d for d in yaml.safe_load_all(file.read_text()) if d is not None]
        named = [(d["kind"], _name(d, namespace), _values(d)) for d in documents]
    except (OSError, yaml.YAMLError, TypeError, KeyError, ValueError, AttributeError):
        # Their texts could show a value.
        raise SandboxError(
            f"{file} is not a file of Kubernetes Secrets and ConfigMaps. Each document needs kind:"
            " Secret or ConfigMap, metadata.name, and its values as text (stringData of a Secret,"
            " data of a ConfigMap) or in base64 (data of a Secret, binaryData of a ConfigMap)."
        ) from None
    found: dict[str, Objects] = {kind: {} for kind in _FIELDS}
    for kind, name, values in named:
        if name in found[kind]:
            raise SandboxError(f"{file} has two {kind}s with the same name. Keep one of them.")
        found[kind][name] = values
    return PodData(found["Secret"], found["ConfigMap"])


def _name(document: Any, namespace: str) -> tuple[str, str]:
    metadata = document["metadata"]
    return str(metadata.get("namespace") or namespace), str(metadata["name"])


def _values(document: Any) -> dict[str, str | bytes]:
    texts, base64_texts = (document.get(name) or {} for name in _FIELDS[document["kind"]])
    raw = {key: base64.b64decode(value, validate=True) for key, value in base64_texts.items()}
    if not all(isinstance(text, str) for pair in (*texts.items(), *base64_texts) for text in pair):
        raise ValueError
    return {**raw, **texts}
