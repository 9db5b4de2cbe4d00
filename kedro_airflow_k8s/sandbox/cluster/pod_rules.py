"""What the API server refuses of a pod, and what of a pod the sandbox cannot do.

The second kind is refused in the same way, so that nothing of a pod is dropped in silence. Accepted
without an effect are the fields that concern where and with which rights a pod runs (resources,
affinity, tolerations, node selector, security contexts, host and DNS settings): there is one
machine here and one user.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import PurePosixPath

from kedro_airflow_k8s.sandbox.cluster.rules import (
    dns_label,
    dns_subdomain,
    label_value,
    labels,
    metadata,
    objects_of,
    qualified_name,
    quantity,
    string_map_of,
    strings_of,
    value_of,
)
from kedro_airflow_k8s.sandbox.cluster.status import Cause, Object

VOLUME_SOURCES = ("persistentVolumeClaim", "emptyDir", "secret", "configMap")
FIELD_PATHS = (
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "spec.nodeName",
    "spec.serviceAccountName",
    "status.podIP",
    "status.hostIP",
)
FIELD_PATH_OF_MAP = re.compile(r"metadata\.(?P<field>labels|annotations)\['(?P<key>[^']+)'\]")
_ENV_NAME = re.compile(r"[-._A-Za-z][-._A-Za-z0-9]*")
_UNSUPPORTED_IN_CONTAINER = (
    "lifecycle",
    "livenessProbe",
    "readinessProbe",
    "startupProbe",
    "volumeDevices",
    "restartPolicy",
)


def _unsupported(field: str, message: str) -> Cause:
    return Cause(field, f"Unsupported value: {message}", "FieldValueNotSupported")


def _required(field: str, message: str = "must not be empty") -> Cause:
    return Cause(field, f"Required value: {message}", "FieldValueRequired")


def _duplicate(field: str, value: str) -> Cause:
    return Cause(field, f'Duplicate value: "{value}"', "FieldValueDuplicate")


def pod(body: Object, home: PurePosixPath) -> Iterator[Cause]:
    """The rules for a pod.

    Args:
        body: The pod.
        home: The image's working directory: nothing can be mounted over what is above it.
    """
    yield from metadata(body)
    if body["metadata"].get("finalizers"):
        yield _unsupported("metadata.finalizers", "pods of the sandbox have none")
    spec = value_of(body, "", "spec", dict) or {}
    policy = value_of(spec, "spec", "restartPolicy", str) or "Always"
    if policy != "Never":
        text = f'"{policy}": the sandbox runs a pod once, restartPolicy must be Never'
        yield _unsupported("spec.restartPolicy", text)
    if any(objects_of(spec, "spec", "ephemeralContainers")):
        yield _unsupported("spec.ephemeralContainers", "the sandbox has none")
    for name in ("activeDeadlineSeconds", "terminationGracePeriodSeconds"):
        seconds = value_of(spec, "spec", name, int)
        if seconds is not None and seconds < (name == "activeDeadlineSeconds"):
            yield Cause(f"spec.{name}", f"Invalid value: {seconds}: is too small")
    account = value_of(spec, "spec", "serviceAccountName", str)
    if account:
        yield from dns_subdomain("spec.serviceAccountName", account)
    for path, secret in objects_of(spec, "spec", "imagePullSecrets"):
        value_of(secret, path, "name", str)
    yield from labels("spec.nodeSelector", string_map_of(spec, "spec", "nodeSelector"))
    for path, toleration in objects_of(spec, "spec", "tolerations"):
        yield from _toleration(path, toleration)
    volumes: set[str] = set()
    for path, volume in objects_of(spec, "spec", "volumes"):
        yield from _volume(path, volume, volumes)
    yield from _containers(spec, volumes, home)


def _containers(spec: Object, volumes: set[str], home: PurePosixPath) -> Iterator[Cause]:
    main = [value.get("name") for _, value in objects_of(spec, "spec", "containers")]
    if not main:
        yield _required("spec.containers")
    if len(main) > 1:
        text = (
            f"the sandbox runs pods of one container, found {', '.join(map(str, main))}"
            " (do_xcom_push adds airflow-xcom-sidecar)"
        )
        yield _unsupported("spec.containers", text)
    names: set[str] = set()
    for field in ("initContainers", "containers"):
        for path, container in objects_of(spec, "spec", field):
            yield from _container(path, container, names, volumes, home)


def _container(
    path: str, container: Object, names: set[str], volumes: set[str], home: PurePosixPath
) -> Iterator[Cause]:
    name = value_of(container, path, "name", str) or ""
    yield from dns_label(f"{path}.name", name) if name else [_required(f"{path}.name")]
    if name in names:
        yield _duplicate(f"{path}.name", name)
    names.add(name)
    if not (value_of(container, path, "image", str) or "").strip():
        yield _required(f"{path}.image")
    strings_of(container, path, "command")
    strings_of(container, path, "args")
    value_of(container, path, "workingDir", str)
    for field in _UNSUPPORTED_IN_CONTAINER:
        if container.get(field):
            yield _unsupported(f"{path}.{field}", "the sandbox does not have it")
    for place, variable in objects_of(container, path, "env"):
        yield from _variable(place, variable)
    for place, source in objects_of(container, path, "envFrom"):
        yield from _variables(place, source)
    yield from _mounts(path, container, volumes, home)
    yield from _resources(f"{path}.resources", value_of(container, path, "resources", dict) or {})


def _variable(path: str, variable: Object) -> Iterator[Cause]:
    name = value_of(variable, path, "name", str)
    if not name:
        yield _required(f"{path}.name")
    elif not _ENV_NAME.fullmatch(name):
        yield Cause(
            f"{path}.name",
            f'Invalid value: "{name}": the name of an environment variable consists of letters,'
            " digits, '_', '-' and '.', and does not begin with a digit",
        )
    value = value_of(variable, path, "value", str)
    source = value_of(variable, path, "valueFrom", dict)
    if source is None:
        return
    if value:
        yield Cause(f"{path}.valueFrom", "Invalid value: may not be given beside value")
    if len(source) != 1:
        yield Cause(f"{path}.valueFrom", "Invalid value: must have exactly one source")
    for kind in source:
        yield from _reference(f"{path}.valueFrom", source, kind)


def _reference(path: str, source: Object, kind: str) -> Iterator[Cause]:
    field = f"{path}.{kind}"
    reference = value_of(source, path, kind, dict) or {}
    if kind in ("secretKeyRef", "configMapKeyRef"):
        yield from _name(field, reference)
        if not value_of(reference, field, "key", str):
            yield _required(f"{field}.key")
    elif kind == "fieldRef":
        chosen = value_of(reference, field, "fieldPath", str) or ""
        if chosen not in FIELD_PATHS and not FIELD_PATH_OF_MAP.fullmatch(chosen):
            yield _unsupported(f"{field}.fieldPath", f'"{chosen}"')
    else:
        yield _unsupported(field, "the sandbox does not have it")


def _variables(path: str, source: Object) -> Iterator[Cause]:
    value_of(source, path, "prefix", str)
    kinds = [kind for kind in ("secretRef", "configMapRef") if source.get(kind) is not None]
    if len(kinds) != 1:
        yield Cause(path, "Invalid value: must have exactly one of secretRef and configMapRef")
    for kind in kinds:
        yield from _name(f"{path}.{kind}", value_of(source, path, kind, dict) or {})


def _name(path: str, reference: Object, field: str = "name") -> Iterator[Cause]:
    name = value_of(reference, path, field, str)
    if not name:
        yield _required(f"{path}.{field}")
    else:
        yield from dns_subdomain(f"{path}.{field}", name)
    value_of(reference, path, "optional", bool)


def _volume(path: str, volume: Object, names: set[str]) -> Iterator[Cause]:
    name = value_of(volume, path, "name", str) or ""
    yield from dns_label(f"{path}.name", name) if name else [_required(f"{path}.name")]
    if name in names:
        yield _duplicate(f"{path}.name", name)
    names.add(name)
    kinds = [kind for kind, source in volume.items() if kind != "name" and source is not None]
    if len(kinds) != 1:
        yield _required(path, f"a volume has exactly one source, found {len(kinds)}")
    for kind in kinds:
        field = f"{path}.{kind}"
        if kind not in VOLUME_SOURCES:
            yield _unsupported(field, f"the sandbox has {', '.join(VOLUME_SOURCES)}")
            continue
        source = value_of(volume, path, kind, dict) or {}
        if kind == "persistentVolumeClaim":
            yield from _name(field, source, "claimName")
        elif kind != "emptyDir":
            yield from _name(field, source, "secretName" if kind == "secret" else "name")
            for place, item in objects_of(source, field, "items"):
                for key in ("key", "path"):
                    if not value_of(item, place, key, str):
                        yield _required(f"{place}.{key}")
                yield from _path_below(f"{place}.path", item.get("path") or "")


def _path_below(field: str, path: str) -> Iterator[Cause]:
    if path.startswith("/") or ".." in path.split("/"):
        yield Cause(field, f'Invalid value: "{path}": must be a relative path without ".."')


def _mounts(
    path: str, container: Object, volumes: set[str], home: PurePosixPath
) -> Iterator[Cause]:
    seen: list[PurePosixPath] = []
    for place, mount in objects_of(container, path, "volumeMounts"):
        name = value_of(mount, place, "name", str) or ""
        if name not in volumes:
            yield Cause(f"{place}.name", f'Not found: "{name}"', "FieldValueNotFound")
        yield from _path_below(f"{place}.subPath", value_of(mount, place, "subPath", str) or "")
        if mount.get("subPathExpr"):
            yield _unsupported(f"{place}.subPathExpr", "the sandbox does not have it")
        target = PurePosixPath(value_of(mount, place, "mountPath", str) or "")
        field = f"{place}.mountPath"
        if not target.is_absolute() or ".." in target.parts:
            yield Cause(field, f'Invalid value: "{target}": must be an absolute path')
        elif target in seen:
            yield _duplicate(field, str(target))
        elif target in home.parents:
            yield _unsupported(field, f'"{target}": in the sandbox nothing can hide {home}')
        elif any(target in other.parents or other in target.parents for other in seen):
            yield _unsupported(field, f'"{target}": the sandbox has no mount inside another mount')
        seen.append(target)


def _resources(path: str, resources: Object) -> Iterator[Cause]:
    limits = value_of(resources, path, "limits", dict) or {}
    requests = value_of(resources, path, "requests", dict) or {}
    for kind, values in (("limits", limits), ("requests", requests)):
        for name, value in values.items():
            number = quantity(value)
            if number is None or number < 0:
                text = f"Invalid value: {value!r}: must be a quantity such as 500m or 1Gi"
                yield Cause(f"{path}.{kind}[{name}]", text)
    for name in requests.keys() & limits.keys():
        wanted, limit = quantity(requests[name]), quantity(limits[name])
        if wanted is not None and limit is not None and wanted > limit:
            text = f'Invalid value: "{requests[name]}": must not be above the limit {limits[name]}'
            yield Cause(f"{path}.requests", text)


def _toleration(path: str, toleration: Object) -> Iterator[Cause]:
    key = value_of(toleration, path, "key", str) or ""
    operator = value_of(toleration, path, "operator", str) or "Equal"
    value = value_of(toleration, path, "value", str) or ""
    effect = value_of(toleration, path, "effect", str) or ""
    if key:
        yield from qualified_name(f"{path}.key", key)
    elif operator != "Exists":
        yield Cause(f"{path}.operator", "Invalid value: must be Exists when there is no key")
    if operator not in ("Equal", "Exists"):
        yield _unsupported(f"{path}.operator", f'"{operator}": supported values: Equal, Exists')
    if operator == "Exists" and value:
        yield Cause(f"{path}.value", "Invalid value: must be empty when the operator is Exists")
    yield from label_value(f"{path}.value", value)
    effects = ("", "NoSchedule", "PreferNoSchedule", "NoExecute")
    if effect not in effects:
        text = f'"{effect}": supported values: {", ".join(effects[1:])}'
        yield _unsupported(f"{path}.effect", text)
    if toleration.get("tolerationSeconds") is not None and effect != "NoExecute":
        yield Cause(f"{path}.effect", "Invalid value: tolerationSeconds needs NoExecute")
