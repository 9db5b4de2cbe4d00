"""Kedro parameters as the fields of the trigger form on Airflow's page."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from kedro_airflow_k8s.config.dag import TriggerParam
from kedro_airflow_k8s.config.wording import Nearest, did_you_mean
from kedro_airflow_k8s.errors import PlanError
from kedro_airflow_k8s.project.parameters import has_stand_in, parameter, parameter_names

LARGEST_INTEGER = 2**53 - 1
"""JavaScript's `Number.MAX_SAFE_INTEGER`."""


@dataclass(frozen=True)
class FormField:
    """A parameter of the DAG.

    Attributes:
        name: The name of the Kedro parameter, with dots if it is nested.
        default: Its value in the project.
        schema: The other arguments of Airflow's `Param`: the JSON Schema of the values, and a
            description.
    """

    name: str
    default: Any
    schema: dict[str, Any] = field(default_factory=dict)


def form_fields(
    wanted: Sequence[TriggerParam], parameters: Mapping[str, Any]
) -> tuple[FormField, ...]:
    """Return the fields for some parameters of a Kedro project.

    Raises:
        PlanError: If a parameter does not exist, or its value is not valid in JSON.
    """
    found = []
    for entry in wanted:
        value = _value(entry.name, parameters)
        schema = _schema(value)
        if entry.description:
            schema["description"] = entry.description
        found.append(FormField(entry.name, value, schema))
    return tuple(found)


def _value(name: str, parameters: Mapping[str, Any]) -> Any:
    try:
        value = parameter(parameters, name)
    except KeyError:
        names = list(parameter_names(parameters))
        near = [other for other in names if other.endswith(f".{name}")]
        hint = did_you_mean(near[0]) if near else Nearest(names).hint(name)
        raise PlanError(
            f"run_config.trigger_params: the project has no parameter {name!r}.{hint} The form"
            " shows the value from this environment's parameters, so the parameter must be there."
        ) from None
    reason = _refusal(value)
    if reason:
        raise PlanError(
            f"run_config.trigger_params: the form cannot show the parameter {name!r}. Its"
            f" value holds {reason}. Remove the entry, or name parameters below it, such as"
            f" {name}.<key>."
        )
    return value


def _refusal(value: Any) -> str | None:
    """Return why a value does not survive JSON and a browser, or None if it does."""
    if isinstance(value, Mapping):
        if not all(isinstance(key, str) for key in value):
            return "a key that is not a string"
        return next(filter(None, map(_refusal, value.values())), None)
    if isinstance(value, list):
        return next(filter(None, map(_refusal, value)), None)
    if isinstance(value, float) and not math.isfinite(value):
        return f"{value}, which JSON does not have"
    if isinstance(value, int) and abs(value) > LARGEST_INTEGER:
        return "an integer so large that a browser would round it"
    if has_stand_in(value):
        return "the value of a runtime parameter, which only a run has"
    if value is None or isinstance(value, str | int | float):
        return None
    return f"a {type(value).__name__}, which JSON does not have"


def _schema(value: Any) -> dict[str, Any]:
    """Return the JSON Schema for values like this one, by which Airflow chooses the form field.

    For lists, Airflow 2 and 3 look at the type of the items. Strings get one line each, which drops
    leading and trailing spaces. All other items must be edited as JSON. Airflow 2 shows a JSON
    field for items of no type or another type, Airflow 3 for items of another type or where the
    schema allows an object, too.
    """
    if isinstance(value, list):
        kinds = {_kind(item) for item in value}
        if kinds == {"string"} and all(_is_line(item) for item in value):
            return {"type": "array", "items": {"type": "string"}}
        if len(kinds) == 1 and not kinds & {"string", "null"}:
            return {"type": "array", "items": {"type": kinds.pop()}}
        return {"type": ["object", "array"], "items": {"description": "Anything."}}
    if value is None or value == "":
        # An empty field is null. In a run, null means the project's own value.
        return {"type": ["null", "string"]}
    if isinstance(value, str) and not _is_line(value):
        return {"type": "string", "format": "multiline"}
    if isinstance(value, int) and not isinstance(value, bool):
        return {"type": "integer"}
    return {"type": _kind(value)}


def _kind(value: Any) -> str:
    """Return the JSON type of a value; integers and floats are both `number`."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int | float):
        return "number"
    if isinstance(value, str):
        return "string"
    return "array" if isinstance(value, list) else "object"


def _is_line(text: str) -> bool:
    return text.strip() == text != "" and len(text.splitlines()) == 1
