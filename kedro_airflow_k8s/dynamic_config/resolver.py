"""OmegaConf's resolver `kedro_config`: `${kedro_config:name}`, `${kedro_config:name,default}`."""

from __future__ import annotations

from typing import Any

from omegaconf import OmegaConf, __version__
from omegaconf.errors import InterpolationResolutionError

from kedro_airflow_k8s.dynamic_config.variables import advice, value_of

NAME = "kedro_config"


def register() -> None:
    """Make the resolver known to OmegaConf, in this process; again does no harm."""
    major, minor = (int(part) for part in __version__.split(".")[:2])
    # In older versions `register_resolver` is something else; newer ones warn of the other name.
    if (major, minor) >= (2, 4):
        OmegaConf.register_resolver(NAME, kedro_config, replace=True)
    else:
        OmegaConf.register_new_resolver(NAME, kedro_config, replace=True)


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
