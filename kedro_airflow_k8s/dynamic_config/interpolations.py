"""`${name}` and `${name|default}`, as configuration templates of older projects have them.

To OmegaConf these name keys at the top of the configuration, the second one a key that is called
`name|default`. So the loader is given such keys beside those of the files while it resolves, and
they are taken out of the result.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from copy import deepcopy
from functools import partial
from inspect import getattr_static
from pathlib import Path
from typing import Any

from kedro.config import AbstractConfigLoader, OmegaConfigLoader
from omegaconf import DictConfig, ListConfig, OmegaConf

from kedro_airflow_k8s.dynamic_config import resolver
from kedro_airflow_k8s.dynamic_config.variables import value_of

# Whatever OmegaConf can take for one key at the top: no dots, which lead further down, and no
# colon, which makes it a resolver.
_DEFAULT = r"(\|[^\s{}()\[\]:.\\'\"]*)?\s*\}"
NAME_IN_BRACES = r"\$\{\s*([^\s${}()\[\]:.,|\\'\"]+)"
_KEY = re.compile(NAME_IN_BRACES + _DEFAULT)

UNESCAPED = r"(?<!\\)(?:\\\\)*"
"""In front of a dollar sign: an even number of backslashes. With an odd one nothing is resolved."""

_MERGE, _RESOLVE = "_merge_and_resolve", "_resolve_environment_variables"
_PLACE = Path("environment variables")
_KNOWS = "_kedro_airflow_k8s_names"


def supported(loader_class: type[OmegaConfigLoader] = OmegaConfigLoader) -> bool:
    """Whether Kedro's loader merges files in a step of its own: it does from Kedro 1.7 on."""
    return callable(getattr(loader_class, _MERGE, None))


def support_names(loader: AbstractConfigLoader) -> None:
    """Let a loader resolve `${name}` and `${name|default}` in all files that it reads from now on.

    A loader that is not Kedro's or derived from it is left alone, as is that of an older Kedro.
    Copies of the loader can do what it can, also those that have been pickled.

    Args:
        loader: The loader; other ones of its class stay as they are.
    """
    if isinstance(loader, OmegaConfigLoader) and supported(type(loader)):
        setattr(loader, _KNOWS, _Names(type(loader)))


class _Names:
    """The mark of a loader that knows names: wherever it is, the loader's class heeds it."""

    def __init__(self, kind: type[OmegaConfigLoader]) -> None:
        self._kind = kind
        # Where a loader is unpickled, nothing else may have done so.
        resolver.register()
        for name, served in ((_MERGE, _merge_with_names), (_RESOLVE, _resolve_with_names)):
            plain = getattr_static(kind, name, None)
            if plain is not None and not isinstance(plain, _Step):
                setattr(kind, name, _Step(plain, served))

    def __reduce__(self) -> tuple[type[_Names], tuple[type[OmegaConfigLoader]]]:
        return _Names, (self._kind,)


class _Step:
    """A method of a loader's class, which does something else in the loaders that know names."""

    def __init__(self, plain: Any, served: Callable[..., Any]) -> None:
        self._plain = plain
        self._served = served

    def __get__(self, loader: OmegaConfigLoader | None, kind: type | None = None) -> Any:
        # Whatever kind of method it is.
        plain = self._plain.__get__(loader, kind)
        if loader is None or _KNOWS not in vars(loader):
            return plain
        return partial(self._served, loader, plain)


def _merge_with_names(
    loader: OmegaConfigLoader,
    merge: Callable[..., Any],
    key: str,
    config_per_file: dict[Path, DictConfig],
) -> Any:
    own = {name for config in config_per_file.values() for name in config}
    if key == "parameters":
        own.update(loader.runtime_params or ())
    added: dict[str, str] = {}
    served: dict[Path, DictConfig] = {}
    for file, config in config_per_file.items():
        served[file] = config
        changed = names_for(config, own, added)
        if changed:
            # In a copy: who called may keep what the files say.
            served[file] = deepcopy(config)
            served[file].update(changed)
    if not added:
        return merge(key, config_per_file)
    # First, so that all that the files say goes above it.
    merged = merge(key, {_PLACE: OmegaConf.create(added), **served})
    return {name: value for name, value in merged.items() if name not in added}


def _resolve_with_names(
    _loader: OmegaConfigLoader,
    resolve: Callable[[Any], None],
    config: DictConfig | ListConfig,
) -> None:
    """Kedro resolves each file of credentials by itself, before they are merged."""
    if not isinstance(config, DictConfig):  # A list, which Kedro itself refuses.
        resolve(config)
        return
    added: dict[str, str] = {}
    for name, value in names_for(config, set(config), added).items():
        config[name] = value
    for name, value in added.items():
        config[name] = value
    try:
        resolve(config)
    finally:
        for name in added:
            del config[name]


def names_for(config: DictConfig, own: set[Any], added: dict[str, str]) -> dict[str, Any]:
    """The keys to put beside those of the files, with what they are to resolve to.

    Args:
        config: What a file says, unresolved.
        own: The keys at the top of all files, and runtime parameters: nothing takes their place.
        added: Takes the keys.

    Returns:
        What to put in place of the file's own values that refer to themselves: to them, the name
        is that of the environment, as in `commit_id: ${commit_id|dirty}`.
    """
    to_itself: dict[str, None] = {}
    keys = config.keys()  # `in config` would follow interpolations.
    # As text it is quicker to search than as a container: large catalogs take notice.
    for name, default in _KEY.findall(str(config)):
        key = name + default
        # Keys that begin so are for the file's own use.
        if name.startswith("_"):
            continue
        if name in keys:
            to_itself[name] = None
        if key in own or key in added:
            continue
        value = f"${{{name}}}" if name in own else _outside(name, default)
        if value is not None:
            added[key] = value
    if not to_itself:
        return {}
    values: Any = OmegaConf.to_container(config, resolve=False)
    changed = {name: _without_itself(name, values[name], added) for name in to_itself}
    return {name: value for name, value in changed.items() if value != values[name]}


def _outside(name: str, default: str) -> str | None:
    """What a name is to resolve to where it is no key, None if there is nothing."""
    if value_of(name) is not None:
        # Not the value itself, in which OmegaConf might find something to resolve.
        return f"${{{resolver.INNER_NAME}:'{name}'}}"
    return default[1:] if default else None


def _without_itself(name: str, value: Any, added: dict[str, str]) -> Any:
    """A key's value, in which the key's own name leads to a key that is added."""
    if isinstance(value, dict):
        return {key: _without_itself(name, part, added) for key, part in value.items()}
    if isinstance(value, list):
        return [_without_itself(name, part, added) for part in value]
    if not isinstance(value, str):
        return value

    def other(found: re.Match[str]) -> str:
        slashes, default = found[1], found[2] or ""
        outside = _outside(name, default)
        if outside is None:
            return found[0]
        key = f"{name}{default}|outside"
        added[key] = outside
        return f"{slashes}${{{key}}}"

    return re.sub(rf"({UNESCAPED})\$\{{\s*{re.escape(name)}{_DEFAULT}", other, value)
