"""A project's parameters by their names, with dots where they are nested."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

_MARK = "<runtime_params:"


def parameter(parameters: Mapping[str, Any], name: str) -> Any:
    """Return the value of a parameter.

    Raises:
        KeyError: If there is no such parameter.
    """
    value: Any = parameters
    for step in name.split("."):
        if not isinstance(value, Mapping):
            raise KeyError(name)
        value = value[step]
    return value


def parameter_names(parameters: Mapping[str, Any], above: str = "") -> Iterator[str]:
    """Yield the names of all parameters, those of mappings before those in them.

    Args:
        parameters: The parameters, or a mapping in them.
        above: What the names begin with.
    """
    for key, value in parameters.items():
        yield f"{above}{key}"
        if isinstance(value, Mapping):
            yield from parameter_names(value, f"{above}{key}.")


def leaf_names(parameters: Mapping[str, Any], above: str = "") -> Iterator[str]:
    """Yield the names of the parameters that are not mappings, or empty ones."""
    for key, value in parameters.items():
        if isinstance(value, Mapping) and value:
            yield from leaf_names(value, f"{above}{key}.")
        else:
            yield f"{above}{key}"


def stand_in(name: str) -> str:
    """Return the text that takes the place of a runtime parameter."""
    return f"{_MARK}{name}>"


def has_stand_in(value: Any) -> bool:
    """Return whether a value, or one in it, depends on a runtime parameter."""
    return _MARK in str(value)


def begins_with_stand_in(text: str) -> bool:
    """Return whether all of a text, such as the kind of a path, depends on a runtime parameter."""
    return text.startswith(_MARK)
