"""The environment of a container, and `$(VAR)` in commands, as a kubelet resolves them."""

from __future__ import annotations

import base64
import os
import re
from collections.abc import Callable, Mapping

from kedro_airflow_k8s.sandbox.cluster.discovery import CONFIG_MAPS
from kedro_airflow_k8s.sandbox.cluster.selectors import field_text
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


def data_of(store: Store, namespace: str, kind: str, name: str) -> dict[str, bytes]:
    """Return the data of a Secret or ConfigMap (by `kind`: `secrets` or `configmaps`).

    Raises:
        ConfigMissing: It does not exist.
    """
    item = store.find(kind, namespace, name)
    if item is None:
        raise ConfigMissing(f'{kind[:-1]} "{name}" not found')
    data = item.get("data", {})
    if kind == SECRETS:
        return {key: base64.b64decode(value) for key, value in data.items()}
    return {key: value.encode() for key, value in data.items()}


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
    found: dict[str, str] = {}
    for source in container.get("envFrom", []):
        kind = SECRETS if "secretRef" in source else CONFIG_MAPS
        (reference,) = source.values()
        data = data_of(store, pod["metadata"]["namespace"], kind, reference["name"])
        found |= {key: local(os.fsdecode(value)) for key, value in data.items()}
    for variable in container.get("env", []):
        if source := variable.get("valueFrom"):
            text = _referenced(source, pod, store)
        else:
            text = expand(variable.get("value", ""), found)
        found[variable["name"]] = local(text)
    return found


def _referenced(source: Object, pod: Object, store: Store) -> str:
    if "fieldRef" in source:
        return field_text(pod, source["fieldRef"]["fieldPath"])
    kind = SECRETS if "secretKeyRef" in source else CONFIG_MAPS
    (reference,) = source.values()
    data = data_of(store, pod["metadata"]["namespace"], kind, reference["name"])
    if reference["key"] in data:
        return os.fsdecode(data[reference["key"]])
    raise ConfigMissing(f"couldn't find key {reference['key']} in {kind[:-1]} {reference['name']}")
