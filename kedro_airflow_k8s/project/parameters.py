"""A project's parameters by their names, with dots where they are nested."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any


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
