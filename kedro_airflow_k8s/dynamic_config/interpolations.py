"""`${name}` and `${name|default}`, as configuration templates of older projects have them.

To OmegaConf these name keys at the top of the configuration, the second one a key that is called
`name|default`. So the loader is given such keys beside those of the files while it resolves, and
they are taken out of the result.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from kedro.config import AbstractConfigLoader, OmegaConfigLoader
from omegaconf import DictConfig, ListConfig, OmegaConf

from kedro_airflow_k8s.dynamic_config.variables import value_of

# Whatever OmegaConf can take for one key at the top: no dots, which lead further down, and no
# colon, which makes it a resolver.
_KEY = re.compile(r"\$\{\s*([^\s${}()\[\]:.,|\\'\"]+)(\|[^\s{}()\[\]:.\\'\"]*)?\s*\}")

_MERGE, _RESOLVE = "_merge_and_resolve", "_resolve_environment_variables"
_PLACE = Path("environment variables")


def supported(loader_class: type[OmegaConfigLoader] = OmegaConfigLoader) -> bool:
    """Whether Kedro's loader merges files in a step of its own: it does from Kedro 1.7 on."""
    return callable(getattr(loader_class, _MERGE, None))


def support_names(loader: AbstractConfigLoader) -> None:
    """Let a loader resolve `${name}` and `${name|default}` in all files that it reads from now on.

    A loader that is not Kedro's or derived from it is left alone, as is that of an older Kedro.

    Args:
        loader: The loader, of which the two methods that resolve are wrapped.
    """
    if (
        not isinstance(loader, OmegaConfigLoader)
        or not supported(type(loader))
        or _MERGE in vars(loader)
    ):
        return
    setattr(loader, _MERGE, _merging(loader, getattr(loader, _MERGE)))
    if callable(getattr(loader, _RESOLVE, None)):
        setattr(loader, _RESOLVE, _resolving(getattr(loader, _RESOLVE)))


def _merging(loader: OmegaConfigLoader, merge: Callable[..., Any]) -> Callable[..., Any]:
    def merge_and_resolve(key: str, config_per_file: dict[Path, DictConfig]) -> Any:
        own = {name for config in config_per_file.values() for name in config}
        if key == "parameters":
            own.update(loader.runtime_params or ())
        added = names_for(config_per_file.values(), own)
        if not added:
            return merge(key, config_per_file)
        # First, so that all that the files say goes above it.
        merged = merge(key, {_PLACE: OmegaConf.create(added), **config_per_file})
        return {name: value for name, value in merged.items() if name not in added}

    return merge_and_resolve


def _resolving(resolve: Callable[[Any], None]) -> Callable[[Any], None]:
    """Kedro resolves each file of credentials by itself, before they are merged."""

    def resolve_environment_variables(config: DictConfig | ListConfig) -> None:
        if not isinstance(config, DictConfig):  # A list, which Kedro itself refuses.
            resolve(config)
            return
        added = names_for([config], set(config))
        for name, value in added.items():
            config[name] = value
        try:
            resolve(config)
        finally:
            for name in added:
                del config[name]

    return resolve_environment_variables


def names_for(configs: Iterable[DictConfig], own: set[Any]) -> dict[str, str]:
    """The keys to put beside those of the files, with what they are to resolve to.

    Args:
        configs: What the files say, unresolved.
        own: The keys at the top of the files, and runtime parameters: nothing takes their place.
    """
    added: dict[str, str] = {}
    for config in configs:
        # As text it is quicker to search than as a container: large catalogs take notice.
        for name, default in _KEY.findall(str(config)):
            key = name + default
            # Keys that begin so are for the file's own use.
            if key in own or key in added or name.startswith("_"):
                continue
            if name in own:
                added[key] = f"${{{name}}}"
            elif value_of(name) is not None:
                # Not the value itself, in which OmegaConf might find something to resolve.
                added[key] = f"${{kedro_config:'{name}'}}"
            elif default:
                added[key] = default[1:]
    return added
