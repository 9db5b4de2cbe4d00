"""OmegaConf's resolver `kedro_config`: `${kedro_config:name}`, `${kedro_config:name,default}`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kedro.config import AbstractConfigLoader
from omegaconf import OmegaConf, __version__
from omegaconf.errors import InterpolationResolutionError

from kedro_airflow_k8s.dynamic_config.variables import advice, value_of

NAME = "kedro_config"

INNER_NAME = "kedro_airflow_k8s.value"
"""The same resolver, for what the plugin writes itself: a project may have its own of the other."""

# Whose resolver of the name OmegaConf has: a project's settings.py may have been first.
_OURS, _OF_LOADER = "ours", "of a loader"
_known: dict[str, str] = {}


def register() -> None:
    """Make the resolver known to OmegaConf, in this process; one that is there stays."""
    if not OmegaConf.has_resolver(INNER_NAME):
        _make_known(INNER_NAME, kedro_config)
    if not OmegaConf.has_resolver(NAME):
        _make_known(NAME, kedro_config)
        _known[NAME] = _OURS


def serve(loader: AbstractConfigLoader) -> None:
    """Make the resolver known that a loader's files mean: its own of that name, or else ours.

    Kedro registers a loader's `custom_resolvers` only where there is none of the name, and ours is
    there before its loader.
    """
    register()
    theirs = _of_loader(loader)
    if theirs is not None:
        _make_known(NAME, theirs)
        _known[NAME] = _OF_LOADER
    elif _known.get(NAME) == _OF_LOADER:
        _make_known(NAME, kedro_config)
        _known[NAME] = _OURS


def is_ours(loader: AbstractConfigLoader) -> bool:
    """Whether `${kedro_config:...}` in a loader's files is ours, and not the project's own."""
    serve(loader)
    return _known.get(NAME) == _OURS


def _of_loader(loader: AbstractConfigLoader) -> Callable[..., Any] | None:
    resolvers: dict[str, Callable[..., Any]] = getattr(loader, "_custom_resolvers", None) or {}
    return resolvers.get(NAME)


def _make_known(name: str, resolver: Callable[..., Any]) -> None:
    major, minor = (int(part) for part in __version__.split(".")[:2])
    # In older versions `register_resolver` is something else; newer ones warn of the other name.
    if (major, minor) >= (2, 4):
        OmegaConf.register_resolver(name, resolver, replace=True)
    else:
        OmegaConf.register_new_resolver(name, resolver, replace=True)


def kedro_config(*arguments: Any) -> Any:
    """The value of a name as a string, or the default as OmegaConf has read it.

    Args:
        arguments: The name, and the default if there is one.

    Raises:
        InterpolationResolutionError: If there is no value and no default, or no usable name.
    """
    if not 1 <= len(arguments) <= 2:
        raise InterpolationResolutionError(
            f"${{{NAME}:...}} takes a name and a default, and got {len(arguments)} values. Put a"
            f" default with a comma in quotes: ${{{NAME}:name,'a, b'}}."
        )
    name = arguments[0]
    # OmegaConf makes a number of 2021, and something else than its text of 1e5, true or null.
    if isinstance(name, bool) or not isinstance(name, str | int) or name == "":
        raise InterpolationResolutionError(
            f"{name!r} is no name for ${{{NAME}:...}}, which takes letters, digits and underscores."
            " Put a name that reads as something else in quotes."
        )
    value = value_of(str(name))
    if value is not None:
        return value
    if len(arguments) > 1:
        return arguments[1]
    raise InterpolationResolutionError(f"There is no value for {name!r}: {advice(str(name))}")
