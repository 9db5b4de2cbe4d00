"""The environment of a container, and `$(VAR)` in commands, as a kubelet resolves them."""

from __future__ import annotations

import base64
import os
import re
from collections.abc import Callable, Mapping

from kedro_airflow_k8s.sandbox.cluster.discovery import CONFIG_MAPS
from kedro_airflow_k8s.sandbox.cluster.downward import field_value, resource_value
from kedro_airflow_k8s.sandbox.cluster.status import Object
from kedro_airflow_k8s.sandbox.cluster.store import Store

SECRETS = "secrets"
"""The kind of Secrets in the store; no client can read them."""

_REFERENCE = re.compile(r"\$(?:\$|\((?P<name>[^()]*)\))")


class ConfigMissing(Exception):
    """The pod needs a Secret or ConfigMap, or a key in one, that does not exist."""


def expand(text: str, variables: Mapping[str, str]) -> str:
    """Replace `$(NAME)` of known variables; `$$` is a dollar sign.

    See https://kubernetes.io/docs/tasks/inject-data-application/define-interdependent-environment-variables/
    """

    def replaced(found: re.Match[str]) -> str:
        if found["name"] is None:
            return "$"
        return variables.get(found["name"], found[0])

    return _REFERENCE.sub(replaced, text)


def data_of(store: Store, namespace: str, kind: str, reference: Object) -> dict[str, bytes]:
    """Return the data of a Secret or ConfigMap; nothing if it is missing and optional.

    Args:
        store: The objects of the cluster.
        namespace: Its namespace.
        kind: `secrets` or `configmaps`.
        reference: Its `name`, and whether it is `optional`.

    Raises:
        ConfigMissing: It does not exist.
    """
    item = store.find(kind, namespace, reference["name"])
    if item is None:
        if reference.get("optional"):
            return {}
        raise ConfigMissing(f'{kind[:-1]} "{reference["name"]}" not found')
    data, binary = item.get("data", {}), item.get("binaryData", {})
    if kind == SECRETS:
        return {key: base64.b64decode(value) for key, value in data.items()}
    return {
        **{key: str(value).encode() for key, value in data.items()},
        **{key: base64.b64decode(value) for key, value in binary.items()},
    }


def variables_of(
    container: Object, pod: Object, store: Store, local: Callable[[str], str]
) -> dict[str, str]:
    """Return the variables that the container's `envFrom` and `env` define.

    Args:
        container: The container.
        pod: Its pod, for `fieldRef`.
        store: The objects of the cluster.
        local: Translates the container's paths in values to this machine's.

    Raises:
        ConfigMissing: A Secret, a ConfigMap or a key in one is missing.
    """
    namespace = pod["metadata"]["namespace"]
    found: dict[str, str] = {}
    for source in container.get("envFrom", []):
        kind = SECRETS if "secretRef" in source else CONFIG_MAPS
        reference = source.get("secretRef") or source["configMapRef"]
        data = data_of(store, namespace, kind, reference)
        prefix = source.get("prefix", "")
        found |= {prefix + key: local(os.fsdecode(value)) for key, value in data.items()}
    for variable in container.get("env", []):
        if source := variable.get("valueFrom"):
            text = _referenced(source, container, pod, store)
        else:
            text = expand(variable.get("value", ""), found)
        if text is not None:
            found[variable["name"]] = local(text)
    return found


def _referenced(source: Object, container: Object, pod: Object, store: Store) -> str | None:
    """Return the value of a `valueFrom`; None if it is optional and missing."""
    if "fieldRef" in source:
        return field_value(pod, source["fieldRef"]["fieldPath"])
    if "resourceFieldRef" in source:
        return resource_value(pod, container, source["resourceFieldRef"])
    kind = SECRETS if "secretKeyRef" in source else CONFIG_MAPS
    (reference,) = source.values()
    data = data_of(store, pod["metadata"]["namespace"], kind, reference)
    if reference["key"] in data:
        return os.fsdecode(data[reference["key"]])
    if reference.get("optional"):
        return None
    raise ConfigMissing(f"couldn't find key {reference['key']} in {kind[:-1]} {reference['name']}")
