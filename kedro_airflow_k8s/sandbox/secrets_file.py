"""The file of Kubernetes Secrets for the sandbox's pods."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import yaml

from kedro_airflow_k8s.errors import SandboxError

Secrets = dict[tuple[str, str], dict[str, str | bytes]]
"""(namespace, name) -> key -> value."""


def read_secrets(file: Path, namespace: str) -> Secrets:
    """Return the Secrets of a file of Kubernetes manifests; other kinds are refused.

    Args:
        file: YAML, one or more documents.
        namespace: For those that name none.

    Raises:
        SandboxError: If it is not YAML or holds something else. Values are never shown.
    """
    try:
        documents = [d for d in yaml.safe_load_all(file.read_text()) if d is not None]
        named = [(_secret_name(d, namespace), _secret_values(d)) for d in documents]
    except (OSError, yaml.YAMLError, TypeError, KeyError, ValueError, AttributeError):
        # Their texts could show a value.
        raise SandboxError(
            f"{file} is not a file of Kubernetes Secrets. Each document needs kind: Secret,"
            " metadata.name, and its values as text under stringData, or in base64 under data."
        ) from None
    secrets = dict(named)
    if len(secrets) < len(named):
        raise SandboxError(f"{file} has two Secrets with the same name. Keep one of them.")
    return secrets


def _secret_name(document: Any, namespace: str) -> tuple[str, str]:
    if document["kind"] != "Secret":
        raise ValueError
    metadata = document["metadata"]
    return str(metadata.get("namespace") or namespace), str(metadata["name"])


def _secret_values(document: Any) -> dict[str, str | bytes]:
    encoded, plain = document.get("data") or {}, document.get("stringData") or {}
    values = {key: base64.b64decode(value, validate=True) for key, value in encoded.items()}
    if not all(isinstance(text, str) for pair in (*plain.items(), *encoded) for text in pair):
        raise ValueError
    return {**values, **plain}
