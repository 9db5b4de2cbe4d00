"""What the API server refuses of metadata and claims; pods have a file of their own.

The rules are those of the Kubernetes API reference, so that a name, a label or a claim which a
cluster would refuse is refused here. Values of a wrong JSON type are a 400, broken rules a 422.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Any, TypeVar

from kedro_airflow_k8s.sandbox.cluster.status import Cause, Object, bad_request

T = TypeVar("T", str, int, bool, list[Any], Object)

_LABEL_NAME = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?")
_DNS_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_DNS_SUBDOMAIN = re.compile(rf"{_DNS_LABEL.pattern}(\.{_DNS_LABEL.pattern})*")
_QUANTITY = re.compile(
    r"(?P<number>[+-]?(\d+(\.\d*)?|\.\d+))(?P<suffix>[KMGTPE]i|[numkMGTPE]|[eE][+-]?\d+)?"
)
_BINARY, _DECIMAL = "KMGTPE", {"n": -9, "u": -6, "m": -3, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15}
ACCESS_MODES = ("ReadWriteOnce", "ReadOnlyMany", "ReadWriteMany", "ReadWriteOncePod")


def value_of(parent: Object, path: str, name: str, kind: type[T]) -> T | None:
    """A field of an object, or None when it is absent.

    Raises:
        StatusError: 400, the field is of another JSON type.
    """
    value = parent.get(name)
    if value is None:
        return None
    # In Python, but not in JSON, true is a number.
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        found, wanted = type(value).__name__, kind.__name__
        raise bad_request(f"{path}.{name}: expected {wanted}, found {found}".lstrip("."))
    return value


def objects_of(parent: Object, path: str, name: str) -> Iterator[tuple[str, Object]]:
    """The objects in a list field, each with its path."""
    for index, item in enumerate(value_of(parent, path, name, list) or []):
        place = f"{path}.{name}[{index}]".lstrip(".")
        if not isinstance(item, dict):
            raise bad_request(f"{place}: expected an object, found {type(item).__name__}")
        yield place, item


def strings_of(parent: Object, path: str, name: str) -> list[str]:
    """The texts in a list field."""
    values = value_of(parent, path, name, list) or []
    for index, item in enumerate(values):
        if not isinstance(item, str):
            kind = type(item).__name__
            raise bad_request(f"{path}.{name}[{index}]: expected str, found {kind}".lstrip("."))
    return list(values)


def string_map_of(parent: Object, path: str, name: str) -> dict[str, str]:
    """A field that maps texts to texts."""
    values = value_of(parent, path, name, dict) or {}
    for key, value in values.items():
        if not isinstance(value, str):
            kind = type(value).__name__
            raise bad_request(f"{path}.{name}[{key}]: expected str, found {kind}".lstrip("."))
    return values


def dns_label(field: str, value: str) -> Iterator[Cause]:
    """A DNS-1123 label: at most 63 of a-z, 0-9 and '-'."""
    if not _DNS_LABEL.fullmatch(value) or len(value) > 63:
        yield Cause(
            field,
            f'Invalid value: "{value}": must be a lowercase RFC 1123 label: at most 63 characters'
            " of a-z, 0-9 and '-', beginning and ending with a letter or digit",
        )


def dns_subdomain(field: str, value: str) -> Iterator[Cause]:
    """A DNS-1123 subdomain: labels joined with dots, at most 253 characters."""
    if not _DNS_SUBDOMAIN.fullmatch(value) or len(value) > 253:
        yield Cause(
            field,
            f'Invalid value: "{value}": must be a lowercase RFC 1123 subdomain: at most 253'
            " characters of a-z, 0-9, '-' and '.', each part beginning and ending with a letter"
            " or digit",
        )


def qualified_name(field: str, value: str) -> Iterator[Cause]:
    """A key of a label or annotation: a name, optionally after a DNS subdomain and a slash."""
    prefix, slash, name = value.rpartition("/")
    fits = _LABEL_NAME.fullmatch(name) and len(name) <= 63
    if not fits or (slash and any(dns_subdomain(field, prefix))):
        yield Cause(
            field,
            f"Invalid value: \"{value}\": must be at most 63 letters, digits, '-', '_' and '.',"
            " beginning and ending with a letter or digit; a DNS subdomain and '/' may precede",
        )


def label_value(field: str, value: str) -> Iterator[Cause]:
    """The value of a label: empty, or at most 63 letters, digits, '-', '_' and '.'."""
    if value and (not _LABEL_NAME.fullmatch(value) or len(value) > 63):
        yield Cause(
            field,
            f"Invalid value: \"{value}\": must be empty or at most 63 letters, digits, '-', '_'"
            " and '.', beginning and ending with a letter or digit",
        )


def labels(field: str, values: dict[str, str]) -> Iterator[Cause]:
    """Every key and value of a mapping of labels."""
    for key, value in values.items():
        yield from qualified_name(field, key)
        yield from label_value(field, value)


def quantity(value: object) -> Decimal | None:
    """The number that a quantity such as 500m, 1Gi or 2e3 stands for, or None if it is none."""
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        return None
    found = _QUANTITY.fullmatch(str(value))
    if not found:
        return None
    number, suffix = Decimal(found["number"]), found["suffix"] or ""
    if suffix.endswith("i"):
        return number * (1 << 10 * (_BINARY.index(suffix[0]) + 1))
    if suffix[:1] in ("e", "E") and len(suffix) > 1:
        return number.scaleb(int(suffix[1:]))
    return number.scaleb(18 if suffix == "E" else _DECIMAL.get(suffix, 0))


def metadata(body: Object) -> Iterator[Cause]:
    """The rules for the metadata of an object in a namespace."""
    meta = value_of(body, "", "metadata", dict) or {}
    name = value_of(meta, "metadata", "name", str)
    if not name:
        text = "Required value: name or generateName is required"
        yield Cause("metadata.name", text, "FieldValueRequired")
    else:
        yield from dns_subdomain("metadata.name", name)
    yield from dns_label("metadata.namespace", value_of(meta, "metadata", "namespace", str) or "")
    yield from labels("metadata.labels", string_map_of(meta, "metadata", "labels"))
    for key in string_map_of(meta, "metadata", "annotations"):
        yield from qualified_name("metadata.annotations", key.lower())
    strings_of(meta, "metadata", "finalizers")


def claim(body: Object) -> Iterator[Cause]:
    """The rules for a PersistentVolumeClaim."""
    yield from metadata(body)
    spec = value_of(body, "", "spec", dict) or {}
    modes = strings_of(spec, "spec", "accessModes")
    if not modes:
        text = "Required value: at least 1 access mode is required"
        yield Cause("spec.accessModes", text, "FieldValueRequired")
    for mode in modes:
        if mode not in ACCESS_MODES:
            text = f'Unsupported value: "{mode}": supported values: {", ".join(ACCESS_MODES)}'
            yield Cause("spec.accessModes", text, "FieldValueNotSupported")
    resources = value_of(spec, "spec", "resources", dict) or {}
    requests = value_of(resources, "spec.resources", "requests", dict) or {}
    if "storage" not in requests:
        text = "Required value: a claim says how much storage it needs"
        yield Cause("spec.resources[storage]", text, "FieldValueRequired")
    else:
        size = quantity(requests["storage"])
        if size is None or size <= 0:
            text = f"Invalid value: {requests['storage']!r}: must be a quantity above zero"
            yield Cause("spec.resources[storage]", text)
    storage_class = value_of(spec, "spec", "storageClassName", str)
    if storage_class:
        yield from dns_subdomain("spec.storageClassName", storage_class)
    if (value_of(spec, "spec", "volumeMode", str) or "Filesystem") != "Filesystem":
        text = "Unsupported value: the sandbox has volumes of mode Filesystem only"
        yield Cause("spec.volumeMode", text, "FieldValueNotSupported")
