"""The label and field selectors of list and watch requests."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from kedro_airflow_k8s.sandbox.cluster.status import Object, bad_request

Matcher = Callable[[Object], bool]

_LABEL = re.compile(
    r"(?P<absent>!?)\s*(?P<key>[A-Za-z0-9][-A-Za-z0-9_./]*)"
    r"(\s*(?P<operator>==|=|!=)\s*(?P<value>[-A-Za-z0-9_.]*))?"
)
_FIELD = re.compile(r"(?P<path>[A-Za-z.]+)\s*(?P<operator>==|=|!=)(?P<value>.*)")
_FIELDS = ("metadata.name", "status.phase", "involvedObject.name", "type")


def label_selector(text: str) -> Matcher:
    """Return a test for the objects that a `labelSelector` selects.

    Raises:
        StatusError: 400, the text is not a label selector, or one of sets (`in`, `notin`).
    """
    requirements = []
    for part in _split(text):
        found = _LABEL.fullmatch(part)
        if not found or (found["absent"] and found["operator"]):
            raise bad_request(f"the sandbox cannot read the label selector at {part!r}")
        requirements.append(found)

    def matches(item: Object) -> bool:
        labels = item["metadata"].get("labels") or {}
        return all(_has_label(labels, requirement) for requirement in requirements)

    return matches


def _has_label(labels: Object, requirement: re.Match[str]) -> bool:
    key = requirement["key"]
    if requirement["operator"] is None:
        return (key in labels) is not bool(requirement["absent"])
    return (labels.get(key) == requirement["value"]) is (requirement["operator"] != "!=")


def field_selector(text: str) -> Matcher:
    """Return a test for the objects that a `fieldSelector` selects.

    Raises:
        StatusError: 400, the text is not a field selector, or the sandbox does not select by the
            field.
    """
    requirements: list[tuple[str, str, bool]] = []
    for part in _split(text):
        found = _FIELD.fullmatch(part)
        if not found or found["path"] not in _FIELDS:
            raise bad_request(f"the sandbox cannot read the field selector at {part!r}")
        requirements.append((found["path"], found["value"].strip(), found["operator"] != "!="))
    return lambda item: all(
        (field_text(item, path) == value) is same for path, value, same in requirements
    )


def field_text(item: Any, path: str) -> str:
    """Return the text of a field by its dotted path, empty when it is absent."""
    for name in path.split("."):
        item = item.get(name) if isinstance(item, dict) else None
    return "" if item is None else str(item)


def _split(text: str) -> list[str]:
    return [part.strip() for part in text.split(",")] if text.strip() else []
