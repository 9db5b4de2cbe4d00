"""Kubernetes' own YAML in the configuration, checked by the fields of Kubernetes' API.

KubernetesPodOperator drops a field that the API does not have, without a message.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import core_schema

from kedro_airflow_k8s.config.errors import Steps, problems_error
from kedro_airflow_k8s.config.wording import Nearest

MARK = "x-kubernetes"
"""Key of a JSON Schema whose value is the type of a field in Kubernetes' API."""

_LIST = re.compile(r"list\[(.+)\]")
_SCALARS: Mapping[str, tuple[type | tuple[type, ...], str]] = {
    "str": (str, "must be a string"),
    "datetime": (str, "must be a time, as a string"),
    "int": (int, "must be a whole number"),
    "bool": (bool, "must be true or false"),
    "object": ((str, int), "must be a string or a whole number"),
}
# The values that Kubernetes allows, where it has a list of them.
_CHOICES: Mapping[tuple[str, str], tuple[str, ...]] = {
    ("V1NodeSelectorRequirement", "operator"): (
        *("In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt"),
    ),
    ("V1LabelSelectorRequirement", "operator"): ("In", "NotIn", "Exists", "DoesNotExist"),
    ("V1TopologySpreadConstraint", "whenUnsatisfiable"): ("DoNotSchedule", "ScheduleAnyway"),
    ("V1TopologySpreadConstraint", "nodeAffinityPolicy"): ("Honor", "Ignore"),
    ("V1TopologySpreadConstraint", "nodeTaintsPolicy"): ("Honor", "Ignore"),
    ("V1SeccompProfile", "type"): ("RuntimeDefault", "Unconfined", "Localhost"),
    ("V1AppArmorProfile", "type"): ("RuntimeDefault", "Unconfined", "Localhost"),
    ("V1SecurityContext", "procMount"): ("Default", "Unmasked"),
    ("V1PodSecurityContext", "fsGroupChangePolicy"): ("Always", "OnRootMismatch"),
    ("V1Container", "imagePullPolicy"): ("Always", "IfNotPresent", "Never"),
    ("V1Container", "terminationMessagePolicy"): ("File", "FallbackToLogsOnError"),
    ("V1ContainerPort", "protocol"): ("TCP", "UDP", "SCTP"),
    ("V1Toleration", "operator"): ("Exists", "Equal"),
    ("V1Toleration", "effect"): ("NoSchedule", "PreferNoSchedule", "NoExecute"),
    ("V1PodSpec", "dnsPolicy"): ("ClusterFirst", "ClusterFirstWithHostNet", "Default", "None"),
    ("V1PodSpec", "preemptionPolicy"): ("Never", "PreemptLowerPriority"),
}


@cache
def kubernetes_fields() -> Mapping[str, Mapping[str, str]]:
    """Return the fields of each type of Kubernetes' API, with their types; `!`: required.

    `scripts/write_kubernetes_fields.py` writes them.
    """
    text = files("kedro_airflow_k8s.config").joinpath("kubernetes_fields.json").read_text("utf-8")
    found: dict[str, dict[str, str]] = json.loads(text)
    return found


def kubernetes_problems(value: Any, kind: str, path: Steps = ()) -> Iterator[tuple[Steps, str]]:
    """Yield what is wrong with a value of a type of Kubernetes' API: path below it, and reason."""
    if kind in _SCALARS:
        wanted, reason = _SCALARS[kind]
        # In Python, but not in YAML, true is a number.
        if not isinstance(value, wanted) or (isinstance(value, bool) and kind != "bool"):
            quotes = kind == "str" and isinstance(value, bool | int | float)
            yield path, reason + (": put it in quotes" if quotes else "")
    elif inner := _LIST.fullmatch(kind):
        if not isinstance(value, Sequence) or isinstance(value, str):
            yield path, "must be a list"
            return
        for index, item in enumerate(value):
            yield from kubernetes_problems(item, inner[1], (*path, index))
    elif not isinstance(value, Mapping):
        yield path, "must be keys with values, indented below it"
    elif kind.startswith("dict["):
        for key, item in value.items():
            yield from _key_problems(key, path)
            yield from kubernetes_problems(item, kind[5:-1].partition(", ")[2], (*path, key))
    else:
        yield from _field_problems(value, kind, path)


def _field_problems(
    value: Mapping[Any, Any], kind: str, path: Steps
) -> Iterator[tuple[Steps, str]]:
    marked = kubernetes_fields()[kind]
    fields = {name.rstrip("!"): inner for name, inner in marked.items()}
    for name, item in value.items():
        if name not in fields:
            hint = Nearest(fields).hint(str(name))
            allowed = "" if hint else f" (allowed here: {', '.join(fields)})"
            yield (*path, name), f"Kubernetes does not know this field.{hint}{allowed}"
            continue
        found = list(kubernetes_problems(item, fields[name], (*path, name)))
        yield from found
        choices = _CHOICES.get((kind, name), ())
        if choices and not found and item not in choices:
            yield (*path, name), f"must be one of {', '.join(choices)}{Nearest(choices).hint(item)}"
    for name in marked:
        if name.endswith("!") and name[:-1] not in value:
            yield (*path, name[:-1]), "is missing: Kubernetes requires it"


def _key_problems(key: Any, path: Steps) -> Iterator[tuple[Steps, str]]:
    if not isinstance(key, str):
        yield path, f"the key {key!r} is not a string: put it in quotes"


@dataclass(frozen=True)
class OfKind:
    """The annotation of a setting that is a value of Kubernetes' API.

    Attributes:
        kind: The type, such as `V1Affinity` or `list[V1Container]`.
    """

    kind: str

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        """Check a value after pydantic has."""
        return core_schema.no_info_after_validator_function(self._checked, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        """Name the type, which `with_kubernetes_types` puts in its place."""
        return {MARK: self.kind}

    def _checked(self, value: Any) -> Any:
        problems = dict(kubernetes_problems(value, self.kind))
        if problems:
            raise problems_error(problems)
        return value


def with_kubernetes_types(schema: dict[str, Any]) -> dict[str, Any]:
    """Return a JSON Schema with the types of Kubernetes' API that it mentions, as definitions."""
    wanted: dict[str, None] = {}
    resolved = _resolved(schema, wanted)
    definitions = dict(resolved.get("$defs", {}))
    for name in (left := list(wanted)):
        fields = kubernetes_fields()[name]
        more: dict[str, None] = {}
        properties = {
            field.rstrip("!"): _schema_of(kind, name, field.rstrip("!"), more)
            for field, kind in fields.items()
        }
        definitions[name] = {
            "type": "object",
            "additionalProperties": False,
            "properties": properties,
            "required": [field[:-1] for field in fields if field.endswith("!")],
        }
        left += [found for found in more if found not in left]
    return {**resolved, "$defs": dict(sorted(definitions.items()))}


def _resolved(schema: Any, wanted: dict[str, None]) -> Any:
    if isinstance(schema, list):
        return [_resolved(part, wanted) for part in schema]
    if not isinstance(schema, dict):
        return schema
    if MARK in schema:
        rest = {key: part for key, part in schema.items() if key != MARK}
        return {**rest, **_schema_of(schema[MARK], "", "", wanted)}
    return {key: _resolved(part, wanted) for key, part in schema.items()}


def _schema_of(kind: str, owner: str, field: str, wanted: dict[str, None]) -> dict[str, Any]:
    names = {"str": "string", "datetime": "string", "int": "integer", "bool": "boolean"}
    if kind in names:
        choices = _CHOICES.get((owner, field))
        return {"type": names[kind], **({"enum": list(choices)} if choices else {})}
    if kind == "object":
        return {"type": ["string", "integer"]}
    if inner := _LIST.fullmatch(kind):
        return {"type": "array", "items": _schema_of(inner[1], "", "", wanted)}
    if kind.startswith("dict["):
        part = _schema_of(kind[5:-1].partition(", ")[2], "", "", wanted)
        return {"type": "object", "additionalProperties": part}
    wanted[kind] = None
    return {"$ref": f"#/$defs/{kind}"}
