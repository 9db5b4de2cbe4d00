"""Kedro's rules for the names of datasets and parameters."""

from __future__ import annotations

_PARAMETER = "params:"


def is_parameter(dataset: str) -> bool:
    """Return whether a node's input is one of the project's parameters, or all of them."""
    return dataset == "parameters" or dataset.startswith(_PARAMETER)


def parameter_name(dataset: str) -> str | None:
    """Return the name of the parameter that a node's input is, or None if it is not just one."""
    return dataset.removeprefix(_PARAMETER) if dataset.startswith(_PARAMETER) else None


def stored_name(dataset: str) -> str:
    """Return the name without `@...`: to Kedro, `table@pandas` and `table@spark` are one."""
    return dataset.partition("@")[0]
