"""Label and field selectors, as list and watch requests carry them."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from kedro_airflow_k8s.sandbox.cluster.status import Object, bad_request

Matcher = Callable[[Object], bool]

_KEY = r"(?P<key>[A-Za-z0-9][-A-Za-z0-9_./]*)"
_VALUE = r"[-A-Za-z0-9_.]*"
_SET = re.compile(rf"{_KEY}\s+(?P<operator>in|notin)\s*\((?P<values>[^()]*)\)")
_EQUAL = re.compile(rf"{_KEY}\s*(?P<operator>==|=|!=)\s*(?P<value>{_VALUE})")
_EXISTS = re.compile(rf"(?P<absent>!?)\s*{_KEY}")

_ANY_OBJECT = ("metadata.name", "metadata.namespace")
FIELDS = {
    "pods": (
        "spec.nodeName",
        "spec.restartPolicy",
        "spec.schedulerName",
        "spec.serviceAccountName",
        "status.phase",
        "status.podIP",
    ),
    "events": (
        "involvedObject.kind",
        "involvedObject.namespace",
        "involvedObject.name",
        "involvedObject.uid",
        "involvedObject.apiVersion",
        "involvedObject.fieldPath",
        "reason",
        "type",
    ),
    "namespaces": ("status.phase",),
    "secrets": ("type",),
}
"""The fields that a real API server selects by, beside name and namespace."""


def _split(text: str) -> list[str]:
    """The requirements of a selector: commas within parentheses do not separate."""
    return [part.strip() for part in re.split(r",(?![^()]*\))", text)]


def _label_requirement(text: str) -> Callable[[dict[str, str]], bool]:
    if found := _SET.fullmatch(text):
        values = {value.strip() for value in found["values"].split(",")}
        key = found["key"]
        if found["operator"] == "in":
            return lambda labels: labels.get(key) in values
        return lambda labels: labels.get(key) not in values
    if found := _EQUAL.fullmatch(text):
        key, value = found["key"], found["value"]
        if found["operator"] == "!=":
            return lambda labels: labels.get(key) != value
        return lambda labels: labels.get(key) == value
    if found := _EXISTS.fullmatch(text):
        key, wanted = found["key"], not found["absent"]
        return lambda labels: (key in labels) is wanted
    raise bad_request(f"unable to parse the label selector at {text!r}")


def label_selector(text: str) -> Matcher:
    """What `labelSelector=` asks for.

    Raises:
        StatusError: 400, the text is not a label selector.
    """
    if not text.strip():
        return lambda _: True
    requirements = [_label_requirement(part) for part in _split(text)]

    def matches(item: Object) -> bool:
        labels = item["metadata"].get("labels") or {}
        return all(requirement(labels) for requirement in requirements)

    return matches


def field_text(item: Any, path: str) -> str:
    """The text of a field given by its dotted path, empty when it is absent."""
    for name in path.split("."):
        item = item.get(name) if isinstance(item, dict) else None
    return "" if item is None else str(item)


def field_selector(text: str, plural: str) -> Matcher:
    """What `fieldSelector=` asks for.

    Raises:
        StatusError: 400, the text is not a field selector, or names a field that the API server
            does not select by.
    """
    requirements: list[tuple[str, str, bool]] = []
    for part in _split(text) if text.strip() else []:
        found = re.fullmatch(r"(?P<path>[A-Za-z.]+)\s*(?P<operator>==|=|!=)(?P<value>.*)", part)
        if not found:
            raise bad_request(f"unable to parse the field selector at {part!r}")
        if found["path"] not in (*_ANY_OBJECT, *FIELDS.get(plural, ())):
            raise bad_request(f'field label not supported: "{found["path"]}"')
        requirements.append((found["path"], found["value"].strip(), found["operator"] != "!="))
    return lambda item: all(
        (field_text(item, p) == value) is same for p, value, same in requirements
    )
