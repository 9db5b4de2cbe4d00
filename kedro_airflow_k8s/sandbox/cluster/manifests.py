"""The objects that the sandbox accepts: any field that it does not know is refused with its path.

A pod that ran without such a field here could fail on a cluster. Fields that say where and with
which rights a pod runs are known and have no effect: the sandbox has one machine and one user.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any

from kedro_airflow_k8s.config import kubernetes as k8s
from kedro_airflow_k8s.sandbox.cluster.discovery import CLAIMS, CONFIG_MAPS, KINDS, PODS
from kedro_airflow_k8s.sandbox.cluster.status import Object, invalid

# What a field holds: a type, [what each item holds] or {name: what that field holds}. `!` marks a
# required field, `*` matches any name.
_ANYTHING = object
_REFERENCE = {"name!": str}
_KEY = {"name!": str, "key!": str}
_FILES = {"items": [{"key!": str, "path!": str, "mode": int}], "defaultMode": int}
_CONTAINERS = [
    {
        "name!": str,
        "image!": str,
        "command": [str],
        "args": [str],
        "env": [
            {
                "name!": str,
                "value": str,
                "valueFrom": {
                    "secretKeyRef": _KEY,
                    "configMapKeyRef": _KEY,
                    "fieldRef": {"fieldPath!": str, "apiVersion": str},
                },
            }
        ],
        "envFrom": [{"secretRef": _REFERENCE, "configMapRef": _REFERENCE}],
        "volumeMounts": [{"name!": str, "mountPath!": str, "subPath": str, "readOnly": bool}],
        **dict.fromkeys(("imagePullPolicy", "ports", "resources", "securityContext"), _ANYTHING),
        **dict.fromkeys(("terminationMessagePath", "terminationMessagePolicy"), _ANYTHING),
    }
]
_POD_SPEC = {
    "restartPolicy!": str,
    "containers!": _CONTAINERS,
    "initContainers": _CONTAINERS,
    "volumes": [
        {
            "name!": str,
            "persistentVolumeClaim": {"claimName!": str, "readOnly": bool},
            "secret": {"secretName!": str, **_FILES},
            "configMap": {"name!": str, **_FILES},
            "emptyDir": {"medium": str, "sizeLimit": _ANYTHING},
        }
    ],
    "imagePullSecrets": [_REFERENCE],
    "serviceAccountName": str,
    "activeDeadlineSeconds": int,
    "terminationGracePeriodSeconds": int,
    **dict.fromkeys(("affinity", "nodeName", "nodeSelector", "tolerations"), _ANYTHING),
    **dict.fromkeys(("priorityClassName", "schedulerName", "runtimeClassName"), _ANYTHING),
    **dict.fromkeys(("topologySpreadConstraints", "securityContext", "hostAliases"), _ANYTHING),
    **dict.fromkeys(("serviceAccount", "automountServiceAccountToken"), _ANYTHING),
    **dict.fromkeys(("hostNetwork", "dnsConfig", "dnsPolicy", "enableServiceLinks"), _ANYTHING),
}
_CLAIM_SPEC = {
    "accessModes!": [str],
    "resources!": {"requests!": {"storage!": str}},
    "storageClassName": str,
    **dict.fromkeys(("volumeMode", "volumeName"), str),
}
_SERVERS = ("uid", "resourceVersion", "creationTimestamp", "deletionTimestamp")
_ANY_KIND = {
    "apiVersion!": str,
    "kind!": str,
    "metadata!": {
        "name!": str,
        "namespace!": str,
        "labels": {"*": str},
        "annotations": {"*": str},
        "finalizers": [str],
        **dict.fromkeys((*_SERVERS, "deletionGracePeriodSeconds", "managedFields"), _ANYTHING),
    },
    "status": _ANYTHING,
}
_SHAPES: dict[str, Any] = {
    PODS: {**_ANY_KIND, "spec!": _POD_SPEC},
    CLAIMS: {**_ANY_KIND, "spec!": _CLAIM_SPEC},
    CONFIG_MAPS: {**_ANY_KIND, "data": {"*": str}, "immutable": bool},
}
_FIELD_PATHS = (
    *("metadata.name", "metadata.namespace", "metadata.uid", "spec.nodeName"),
    *("spec.serviceAccountName", "status.podIP", "status.hostIP"),
)


def check(plural: str, body: Object, home: PurePosixPath) -> None:
    """Check an object that a client creates or changes.

    Args:
        plural: Its kind, as in paths.
        body: The object, without null fields.
        home: The image's working directory, which no mount may hide.

    Raises:
        StatusError: 422, the sandbox does not accept the object.
    """
    problems = list(_shape_problems("", body, _SHAPES[plural]))
    if not problems:
        problems = list(_metadata_problems(plural, body["metadata"]))
        problems += list(_pod_problems(body["spec"], home)) if plural == PODS else []
        problems += list(_claim_problems(body["spec"])) if plural == CLAIMS else []
    if problems:
        raise invalid(KINDS[plural], str(body["metadata"].get("name", "")), problems)


def _shape_problems(field: str, value: Any, shape: Any) -> Iterator[str]:
    if isinstance(shape, type):
        # In Python, but not in JSON, true is a number.
        if not isinstance(value, shape) or (shape is int and isinstance(value, bool)):
            yield f"{field}: Invalid value: must be of the type {shape.__name__}"
    elif not isinstance(value, type(shape)):
        yield f"{field}: Invalid value: must be of the type {type(shape).__name__}"
    elif isinstance(shape, list):
        for index, item in enumerate(value):
            yield from _shape_problems(f"{field}[{index}]", item, shape[0])
    else:
        fields = {name.rstrip("!"): inner for name, inner in shape.items()}
        for name in [name[:-1] for name in shape if name.endswith("!")]:
            if name not in value:
                yield f"{field}.{name}: Required value".lstrip(".")
        for name, item in value.items():
            place = f"{field}.{name}".lstrip(".")
            if name in fields or "*" in fields:
                yield from _shape_problems(place, item, fields.get(name) or fields["*"])
            else:
                yield f"{place}: Unsupported value: the sandbox does not support this field"


def _metadata_problems(plural: str, metadata: Object) -> Iterator[str]:
    if metadata.get("finalizers") and plural != CLAIMS:
        yield "metadata.finalizers: Unsupported value: only claims have finalizers in the sandbox"
    labels, annotations = metadata.get("labels", {}), metadata.get("annotations", {})
    for field, reason, texts in (
        ("name", k8s.dns_subdomain_reason, [metadata["name"]]),
        ("namespace", k8s.dns_label_reason, [metadata["namespace"]]),
        ("labels", k8s.label_key_reason, labels),
        ("labels", k8s.label_value_reason, labels.values()),
        ("annotations", k8s.label_key_reason, annotations),
    ):
        for text in texts:
            if problem := reason(text):
                yield f"metadata.{field}: Invalid value: {text!r}: {problem}"


def _claim_problems(spec: Object) -> Iterator[str]:
    size = spec["resources"]["requests"]["storage"]
    if problem := k8s.quantity_reason(size):
        yield f"spec.resources.requests.storage: Invalid value: {size!r}: {problem}"


def _pod_problems(spec: Object, home: PurePosixPath) -> Iterator[str]:
    """Yield what is wrong with a pod whose fields are all of the right types."""
    if spec["restartPolicy"] != "Never":
        yield "spec.restartPolicy: Unsupported value: must be Never, the sandbox runs a pod once"
    containers = [*spec.get("initContainers", []), *spec["containers"]]
    names = ", ".join(container["name"] for container in spec["containers"])
    if len(spec["containers"]) != 1:
        # do_xcom_push adds airflow-xcom-sidecar.
        yield f"spec.containers: Unsupported value: the sandbox runs one container, found {names}"
    volumes = [volume["name"] for volume in spec.get("volumes", [])]
    yield from _name_problems("spec.containers", [container["name"] for container in containers])
    yield from _name_problems("spec.volumes", volumes)
    for volume in spec.get("volumes", []):
        if len(volume) != 2:
            yield f"spec.volumes[{volume['name']}]: Required value: must have one source"
        for source in (volume.get("secret", {}), volume.get("configMap", {})):
            paths = [item["path"] for item in source.get("items", [])]
            yield from _path_problems(f"spec.volumes[{volume['name']}].items", paths)
    for container in containers:
        field = f"spec.containers[{container['name']}]"
        if not container.get("command") and not container.get("args"):
            yield f"{field}: Required value: command or args, the sandbox does not read the image"
        yield from _variable_problems(field, container)
        mounts = container.get("volumeMounts", [])
        for name in {mount["name"] for mount in mounts}.difference(volumes):
            yield f'{field}.volumeMounts: Not found: "{name}"'
        yield from _path_problems(f"{field}.volumeMounts", [m.get("subPath", "") for m in mounts])
        yield from _mount_problems(f"{field}.volumeMounts", mounts, home)


def _name_problems(field: str, names: list[str]) -> Iterator[str]:
    for name in names:
        if problem := k8s.dns_label_reason(name):
            yield f"{field}: Invalid value: {name!r}: {problem}"
        elif names.count(name) > 1:
            yield f'{field}: Duplicate value: "{name}"'


def _path_problems(field: str, paths: list[str]) -> Iterator[str]:
    for path in paths:
        if path.startswith("/") or ".." in path.split("/"):
            yield f"{field}: Invalid value: {path!r}: must be a relative path without `..`"


def _variable_problems(field: str, container: Object) -> Iterator[str]:
    values = [variable.get("valueFrom", {"value": ""}) for variable in container.get("env", [])]
    for source in [*values, *container.get("envFrom", [])]:
        if len(source) != 1:
            yield f"{field}.env: Required value: must have one source"
        path = source.get("fieldRef", {}).get("fieldPath", _FIELD_PATHS[0])
        if path not in _FIELD_PATHS:
            yield f"{field}.env: Unsupported value: the sandbox does not know the field {path}"


def _mount_problems(field: str, mounts: list[Object], home: PurePosixPath) -> Iterator[str]:
    seen: list[PurePosixPath] = []
    for path in [PurePosixPath(mount["mountPath"]) for mount in mounts]:
        if not path.is_absolute() or ".." in path.parts:
            yield f"{field}: Invalid value: {path}: must be an absolute path without `..`"
        elif path in home.parents:
            yield f"{field}: Unsupported value: {path}: a mount cannot hide {home}"
        elif any(path == p or path in p.parents or p in path.parents for p in seen):
            yield f"{field}: Unsupported value: {path}: a mount cannot be inside another one"
        seen.append(path)
