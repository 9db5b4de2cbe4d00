"""OmegaConf's resolver `kedro_config`: `${kedro_config:name}`, `${kedro_config:name,default}`."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any

from omegaconf import OmegaConf, __version__
from omegaconf.errors import InterpolationResolutionError
from omegaconf.resolvers import oc

from kedro_airflow_k8s.dynamic_config.variables import advice, value_of

NAME = "kedro_config"

_USAGE = f"${{{NAME}:...}} takes a name and a default"

SHORT_FORM_NAME = "kedro_airflow_k8s.name"
"""The same resolver for `${name}`: a project may have its own `kedro_config`."""


def register(loader_args: Mapping[str, Any] | None = None) -> None:
    """Register the resolvers in this process, unless the project has its own `kedro_config`.

    Args:
        loader_args: CONFIG_LOADER_ARGS of the project. Kedro registers the resolvers in there only
            under names that are free.
    """
    own = ((loader_args or {}).get("custom_resolvers") or {}).get(NAME)
    if own is not None:
        register_resolver(NAME, own)
    elif not OmegaConf.has_resolver(NAME):
        register_resolver(NAME, kedro_config)
    register_resolver(SHORT_FORM_NAME, kedro_config)


def environment_resolvers(loader_args: Mapping[str, Any]) -> frozenset[str]:
    """Return the names of those resolvers of a project that give environment variables.

    Args:
        loader_args: CONFIG_LOADER_ARGS of the project.
    """
    functions = (oc.env, os.getenv, os.environ.get)
    own = loader_args.get("custom_resolvers") or {}
    return frozenset(name for name, function in own.items() if function in functions)


def is_ours() -> bool:
    """Return whether `${kedro_config:...}` is the resolver of this file, in this process."""
    try:
        # Without a name, so that the project's own resolver does nothing.
        OmegaConf.to_container(OmegaConf.create({"x": f"${{{NAME}:}}"}), resolve=True)
    except InterpolationResolutionError as error:
        return _USAGE in str(error)
    return False


def register_resolver(name: str, resolver: Callable[..., Any]) -> None:
    """Register a resolver in place of the one that has the name, with any version of OmegaConf."""
    major, minor = (int(part) for part in __version__.split(".")[:2])
    # In older versions, `register_resolver` does something else. Newer ones warn of the other name.
    if (major, minor) >= (2, 4):
        OmegaConf.register_resolver(name, resolver, replace=True)
    else:
        OmegaConf.register_new_resolver(name, resolver, replace=True)


def kedro_config(*arguments: Any) -> Any:
    """Return the value of a name as a string, or the default as OmegaConf has read it.

    Args:
        arguments: The name, and the default if there is one.

    Raises:
        InterpolationResolutionError: If there is no value and no default, or no usable name.
    """
    if not 1 <= len(arguments) <= 2:
        raise InterpolationResolutionError(
            f"{_USAGE}, but got {len(arguments)} values. Put a default with a comma in quotes:"
            f" ${{{NAME}:name,'a, b'}}."
        )
    name = arguments[0]
    # OmegaConf converts 2021 to a number, and 1e5, true or null to other values.
    if isinstance(name, bool) or not isinstance(name, str | int) or name == "":
        raise InterpolationResolutionError(
            f"{name!r} is not a name for ${{{NAME}:...}}, which takes letters, digits and"
            " underscores. Put names such as 1e5, true or null in quotes."
        )
    value = value_of(str(name))
    if value is not None:
        return value
    if len(arguments) > 1:
        return arguments[1]
    raise InterpolationResolutionError(f"There is no value for {name!r}: {advice(str(name))}")
