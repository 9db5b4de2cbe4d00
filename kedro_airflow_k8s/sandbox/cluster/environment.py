"""The environment of a container, and `$(VAR)` in commands, as a kubelet resolves them."""

from __future__ import annotations

import base64
import os
import re
from collections.abc import Callable, Mapping

from kedro_airflow_k8s.sandbox.cluster.pod_rules import FIELD_PATH_OF_MAP
from kedro_airflow_k8s.sandbox.cluster.selectors import field_text
from kedro_airflow_k8s.sandbox.cluster.status import Object
from kedro_airflow_k8s.sandbox.cluster.store import Store

_REFERENCE = re.compile(r"\$(?:\$|\((?P<name>[^()]*)\))")


class ConfigMissing(Exception):
    """A Secret or ConfigMap that the pod needs is not there: the container cannot be created."""


def expand(text: str, variables: Mapping[str, str]) -> str:
    """Replace `$(NAME)` of known variables; `$$` stands for a dollar sign.

    See https://kubernetes.io/docs/tasks/inject-data-application/define-interdependent-environment-variables/
    """

    def replaced(found: re.Match[str]) -> str:
        if found["name"] is None:
            return "$"
        return variables.get(found["name"], found[0])

    return _REFERENCE.sub(replaced, text)


def data_of(store: Store, namespace: str, kind: str, reference: Object) -> dict[str, bytes] | None:
    """What a Secret or ConfigMap holds; None if it is missing and the reference is optional.

    Args:
        store: Where the objects are.
        namespace: The pod's namespace.
        kind: `secrets` or `configmaps`.
        reference: Names it (`name` or `secretName`), and may say `optional`.

    Raises:
        ConfigMissing: It is missing and needed.
    """
    name = reference.get("name") or reference["secretName"]
    item = store.find(kind, namespace, name)
    if item is not None:
        data = item.get("data") or {}
        if kind == "secrets":
            return {key: base64.b64decode(value) for key, value in data.items()}
        return {key: value.encode() for key, value in data.items()}
    if reference.get("optional"):
        return None
    raise ConfigMissing(f'{kind[:-1]} "{name}" not found')


def variables_of(
    container: Object, pod: Object, store: Store, local: Callable[[str], str]
) -> dict[str, str]:
    """The variables that the container's `envFrom` and `env` define.

    Args:
        container: The container.
        pod: Its pod, for `fieldRef`.
        store: Where Secrets and ConfigMaps are.
        local: Translates paths in values from the container's to this machine's.

    Raises:
        ConfigMissing: A Secret, a ConfigMap or a key in one is missing, and not optional.
    """
    namespace = pod["metadata"]["namespace"]
    found: dict[str, str] = {}
    for source in container.get("envFrom") or []:
        kind = "secrets" if source.get("secretRef") else "configmaps"
        reference = source.get("secretRef") or source["configMapRef"]
        for key, value in (data_of(store, namespace, kind, reference) or {}).items():
            found[(source.get("prefix") or "") + key] = local(os.fsdecode(value))
    for variable in container.get("env") or []:
        source = variable.get("valueFrom")
        if source is None:
            found[variable["name"]] = local(expand(variable.get("value") or "", found))
        elif (text := _referenced(source, pod, store)) is not None:
            found[variable["name"]] = local(text)
    return found


def _referenced(source: Object, pod: Object, store: Store) -> str | None:
    if "fieldRef" in source:
        path = source["fieldRef"]["fieldPath"]
        if entry := FIELD_PATH_OF_MAP.fullmatch(path):
            values = pod["metadata"].get(entry["field"]) or {}
            return str(values.get(entry["key"], ""))
        return field_text(pod, path)
    kind = "secrets" if "secretKeyRef" in source else "configmaps"
    reference = source.get("secretKeyRef") or source["configMapKeyRef"]
    data = data_of(store, pod["metadata"]["namespace"], kind, reference)
    if data is None:
        return None
    if reference["key"] in data:
        return os.fsdecode(data[reference["key"]])
    if reference.get("optional"):
        return None
    raise ConfigMissing(f"couldn't find key {reference['key']} in {kind[:-1]} {reference['name']}")
