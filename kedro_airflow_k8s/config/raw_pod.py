"""What `pod`, Kubernetes' own YAML for a pod, may not touch: what the DAG says itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from kedro_airflow_k8s.config.errors import Steps
from kedro_airflow_k8s.config.kubernetes_yaml import kubernetes_problems
from kedro_airflow_k8s.config.own_names import BASE_CONTAINER, OWN_VOLUMES, own_volume_reason
from kedro_airflow_k8s.pod.environment import OWN_VARIABLES

_BASE_FIELDS = {
    "command": "the DAG sets it: the pod runs the nodes of its task",
    "args": "the DAG sets it: the pod runs the nodes of its task",
    "image": "set `image` instead",
    "imagePullPolicy": "set `image_pull_policy` instead",
}
_SPEC_FIELDS = {
    "restartPolicy": "the DAG sets it: Airflow repeats tasks, not Kubernetes",
    "nodeName": "it would bypass the scheduler; use `node_selectors`",
}


def raw_pod_problems(pod: Mapping[str, Any]) -> Iterator[tuple[Steps, str]]:
    """Yield what is wrong with `pod`: path below it, and reason."""
    for key in pod:
        if key not in ("metadata", "spec"):
            yield (key,), "must be omitted: only `metadata` and `spec` are allowed"
    metadata = pod.get("metadata", {})
    if not isinstance(metadata, Mapping):
        yield ("metadata",), "must be keys with values, indented below it"
        metadata = {}
    for key, value in metadata.items():
        if key in ("labels", "annotations"):
            yield from kubernetes_problems(value, "dict[str, str]", ("metadata", key))
        else:
            yield ("metadata", key), "must be omitted: only labels and annotations are allowed"
    spec = pod.get("spec", {})
    found = [
        (path, reason)
        for path, reason in kubernetes_problems(spec, "V1PodSpec", ("spec",))
        if path != ("spec", "containers")
    ]
    yield from found
    if not found:
        yield from _spec_problems(spec)


def _spec_problems(spec: Mapping[str, Any]) -> Iterator[tuple[Steps, str]]:
    for key, why in _SPEC_FIELDS.items():
        if key in spec:
            yield ("spec", key), f"must be omitted: {why}"
    for index, volume in enumerate(spec.get("volumes", ())):
        if reason := own_volume_reason(volume["name"]):
            yield ("spec", "volumes", index, "name"), reason
    yield from _container_problems(spec)


def _container_problems(spec: Mapping[str, Any]) -> Iterator[tuple[Steps, str]]:
    for index, container in enumerate(spec.get("initContainers", ())):
        if container["name"] == BASE_CONTAINER:
            reason = f"must not be {BASE_CONTAINER}, the container that runs the nodes"
            yield ("spec", "initContainers", index, "name"), reason
    for index, container in enumerate(spec.get("containers", ())):
        path = ("spec", "containers", index)
        if container["name"] != BASE_CONTAINER:
            reason = f"must be {BASE_CONTAINER}: other containers belong under `sidecars`"
            yield (*path, "name"), reason
        for key, reason in _BASE_FIELDS.items():
            if key in container:
                yield (*path, key), f"must be omitted: {reason}"
        yield from _base_problems(container, path)


def _base_problems(container: Mapping[str, Any], path: Steps) -> Iterator[tuple[Steps, str]]:
    variables: Sequence[Mapping[str, Any]] = container.get("env", ())
    for index, variable in enumerate(variables):
        if variable["name"].startswith(OWN_VARIABLES):
            reason = f"must not begin with {OWN_VARIABLES}: the DAG sets these variables itself"
            yield (*path, "env", index, "name"), reason
    for index, mount in enumerate(container.get("volumeMounts", ())):
        if mount["name"] in OWN_VOLUMES:
            reason = "is a volume that the DAG mounts itself"
            yield (*path, "volumeMounts", index, "name"), reason
