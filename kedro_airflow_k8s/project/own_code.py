"""What code of the project may add to a run that none of its files has."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import click
from kedro import __version__
from kedro.config import OmegaConfigLoader
from kedro.framework.project import settings as kedro_settings

# The hooks that run before a node's inputs are loaded, and can reach the catalog.
_WITH_CATALOG = (
    "after_catalog_created",
    "before_pipeline_run",
    "before_node_run",
    "before_dataset_loaded",
)
# The hook that can reach the config loader before Kedro reads parameters.
_WITH_CONTEXT = "after_context_created"
# Classes that make the catalog, or read the parameters.
_CLASSES = ("CONTEXT_CLASS", "DATA_CATALOG_CLASS")


@dataclass(frozen=True)
class RunCommand:
    """A `run` command that a project has in place of Kedro's.

    Attributes:
        options: The options that it takes, such as `--env`; None if it takes any.
        required: Options and arguments without which it does not start.
        pipelines: The name of the option for pipelines in this version of Kedro.
    """

    options: frozenset[str] | None
    required: tuple[str, ...]
    pipelines: str


def own_run_command(package: str) -> RunCommand | None:
    """Return the `run` command in a package's `cli.py`, which Kedro has imported, if any."""
    group = getattr(sys.modules.get(f"{package}.cli"), "cli", None)
    command = group.commands.get("run") if isinstance(group, click.Group) else None
    if command is None or getattr(command.callback, "__module__", "").startswith("kedro."):
        return None
    options = {option for parameter in command.params for option in parameter.opts}
    required = (
        (parameter.opts[0] if isinstance(parameter, click.Option) else str(parameter.name))
        for parameter in command.params
        if parameter.required
    )
    return RunCommand(
        options=None if command.ignore_unknown_options else frozenset(options),
        required=tuple(required),
        pipelines="--pipelines" if kedro_version() >= (1, 2) else "--pipeline",
    )


def kedro_version() -> tuple[int, int]:
    """Return the version of Kedro here, which the image is expected to have as well."""
    major, minor = (int(part) for part in __version__.split(".")[:2])
    return major, minor


def own_config_loader() -> str | None:
    """Return the name of the project's config loader; None if it is, or derives from, Kedro's."""
    loader = kedro_settings.CONFIG_LOADER_CLASS
    if issubclass(loader, OmegaConfigLoader):
        return None
    return f"{loader.__module__}.{loader.__qualname__}"


def declares_datasets(settings: Any) -> bool:
    """Return whether the project's hooks or classes may declare datasets in a run.

    Args:
        settings: Kedro's settings of the project.
    """
    return _has_hook(settings, _WITH_CATALOG) or any(
        not str(getattr(settings, name).__module__).startswith("kedro.") for name in _CLASSES
    )


def sets_parameters(settings: Any) -> bool:
    """Return whether they may give nodes parameters in a run.

    Args:
        settings: Kedro's settings of the project.
    """
    return declares_datasets(settings) or _has_hook(settings, [_WITH_CONTEXT])


def _has_hook(settings: Any, names: Iterable[str]) -> bool:
    return any(hasattr(hook, name) for hook in settings.HOOKS for name in names)
