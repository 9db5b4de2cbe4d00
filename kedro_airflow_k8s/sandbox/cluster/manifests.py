"""The objects that the sandbox accepts: any field that it does not know is refused with its path.

A pod that ran without such a field here could fail on a cluster.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any

from kedro_airflow_k8s.config import kubernetes as k8s
from kedro_airflow_k8s.sandbox.cluster.discovery import CLAIMS, KINDS, PODS, SERVICES
from kedro_airflow_k8s.sandbox.cluster.downward import is_field, is_resource
from kedro_airflow_k8s.sandbox.cluster.shapes import SHAPES
from kedro_airflow_k8s.sandbox.cluster.status import Object, invalid
from kedro_airflow_k8s.sandbox.cluster.volume_checks import path_problems, volume_problems

_PROBES = ("exec", "httpGet", "tcpSocket")
_XCOM_SIDECAR = "airflow-xcom-sidecar"


def check(plural: str, body: Object, home: PurePosixPath) -> None:
    """Check an object that a client creates or changes.

    Args:
        plural: Its kind, as in paths.
        body: The object, without null fields.
        home: The image's working directory, which no mount may hide.

    Raises:
        StatusError: 422, the sandbox does not accept the object.
    """
    problems = list(_shape_problems("", body, SHAPES[plural]))
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
    name_reason = k8s.service_name_reason if plural == SERVICES else k8s.dns_subdomain_reason
    for field, reason, texts in (
        ("name", name_reason, [metadata["name"]]),
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
    volumes = [volume["name"] for volume in spec.get("volumes", [])]
    if not spec["containers"]:
        yield "spec.containers: Required value: must have a container"
    yield from _name_problems("spec.containers", [container["name"] for container in containers])
    yield from _name_problems("spec.volumes", volumes)
    for volume in spec.get("volumes", []):
        yield from volume_problems(volume)
    for container in containers:
        field = f"spec.containers[{container['name']}]"
        if container["name"] == _XCOM_SIDECAR:
            yield f"{field}: Unsupported value: the sandbox has no XCom of pods (do_xcom_push)"
        image_of_pod = spec["containers"][0]["image"] if spec["containers"] else ""
        left_out = container.get("restartPolicy") and container["image"] != image_of_pod
        if not container.get("command") and not container.get("args") and not left_out:
            image = container["image"]
            yield f"{field}: Required value: command or args, the sandbox does not read {image}"
        if container.get("restartPolicy", "Always") != "Always":
            yield f"{field}.restartPolicy: Unsupported value: must be Always, for a sidecar"
        yield from _variable_problems(field, container)
        yield from _probe_problems(field, container)
        yield from _resource_problems(field, container)
        mounts = container.get("volumeMounts", [])
        for name in {mount["name"] for mount in mounts}.difference(volumes):
            yield f'{field}.volumeMounts: Not found: "{name}"'
        yield from path_problems(f"{field}.volumeMounts", [m.get("subPath", "") for m in mounts])
        yield from _mount_problems(f"{field}.volumeMounts", mounts, home)


def _probe_problems(field: str, container: Object) -> Iterator[str]:
    probe = container.get("startupProbe")
    if probe is None:
        return
    sources = [source for kind in _PROBES if (source := probe.get(kind)) is not None]
    if len(sources) != 1:
        yield f"{field}.startupProbe: Required value: must have one of {', '.join(_PROBES)}"
    named = [port.get("name") for port in container.get("ports", [])]
    for port in (source["port"] for source in sources if "port" in source):
        if port not in named and not str(port).isdecimal():
            yield f"{field}.startupProbe: Invalid value: {port!r}: must be a port"


def _resource_problems(field: str, container: Object) -> Iterator[str]:
    resources = container.get("resources", {})
    for kind in ("limits", "requests"):
        for name, amount in resources.get(kind, {}).items():
            if problem := k8s.quantity_reason(str(amount)):
                yield f"{field}.resources.{kind}.{name}: Invalid value: {amount!r}: {problem}"
    for variable in container.get("env", []):
        source = variable.get("valueFrom", {}).get("resourceFieldRef", {})
        if problem := k8s.quantity_reason(str(source.get("divisor", "1"))):
            yield f"{field}.env: Invalid value: {source['divisor']!r}: {problem}"


def _name_problems(field: str, names: list[str]) -> Iterator[str]:
    for name in names:
        if problem := k8s.dns_label_reason(name):
            yield f"{field}: Invalid value: {name!r}: {problem}"
        elif names.count(name) > 1:
            yield f'{field}: Duplicate value: "{name}"'


def _variable_problems(field: str, container: Object) -> Iterator[str]:
    values = [variable.get("valueFrom", {"value": ""}) for variable in container.get("env", [])]
    whole = [{k: v for k, v in s.items() if k != "prefix"} for s in container.get("envFrom", [])]
    for source in [*values, *whole]:
        if len(source) != 1:
            yield f"{field}.env: Required value: must have one source"
        path = source.get("fieldRef", {}).get("fieldPath", "metadata.name")
        if not is_field(path):
            yield f"{field}.env: Unsupported value: no variable can have the field {path}"
        resource = source.get("resourceFieldRef", {}).get("resource", "limits.cpu")
        if not is_resource(resource):
            yield f"{field}.env: Unsupported value: no variable can have the resource {resource}"


def _mount_problems(field: str, mounts: list[Object], home: PurePosixPath) -> Iterator[str]:
    seen: list[PurePosixPath] = []
    for mount in mounts:
        path = PurePosixPath(mount["mountPath"])
        if not path.is_absolute() or ".." in path.parts:
            yield f"{field}: Invalid value: {path}: must be an absolute path without `..`"
        elif path in home.parents:
            yield f"{field}: Unsupported value: {path}: a mount cannot hide {home}"
        elif path in seen:
            yield f"{field}: Invalid value: {path}: must be unique"
        if mount.get("subPath") and mount.get("subPathExpr"):
            yield f"{field}: Invalid value: {path}: subPath and subPathExpr are mutually exclusive"
        seen.append(path)
