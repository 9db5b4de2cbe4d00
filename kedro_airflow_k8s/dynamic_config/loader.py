"""The short form `${name}` and `${name|default}`, as kedro-airflow-k8s 0.8 had it.

OmegaConf reads these as top-level keys of the configuration, named `name` and `name|default`. If
the files have no such key, it is read as `${kedro_config:name,default}`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

from kedro.config import AbstractConfigLoader, OmegaConfigLoader
from omegaconf import OmegaConf
from omegaconf.errors import InterpolationResolutionError
from omegaconf.resolvers import oc

from kedro_airflow_k8s.dynamic_config import resolver
from kedro_airflow_k8s.dynamic_config.files import config_files

UNESCAPED = r"(?<!\\)((?:\\\\)*)"
"""An even number of backslashes before a dollar sign. With an odd number, nothing is resolved."""

SHORT_FORM = re.compile(
    # No dots, which select nested keys; no colon, which calls a resolver; no leading underscore,
    # which is for the file's internal use.
    UNESCAPED + r"\$\{\s*((?!_)[^\s${}()\[\]:.,|\\'\"]+)(\|[^\s{}()\[\]:.\\'\"]*)?\s*\}"
)
"""What OmegaConf reads as a top-level key: backslashes, the name, and `|` with the default."""

_OC_ENV = "oc.env"


class DynamicConfigLoader(OmegaConfigLoader):
    """Kedro's OmegaConfigLoader, with `${name|default}` for `KEDRO_CONFIG_<NAME>` in all files.

    One line of settings.py sets it:

    `from kedro_airflow_k8s.dynamic_config import DynamicConfigLoader as CONFIG_LOADER_CLASS`

    Keys of the files and runtime parameters take precedence over variables.
    """

    def __getitem__(self, key: str) -> dict[str, Any]:
        """Return the merged content of the files of a kind, as Kedro's loader does.

        Args:
            key: The kind of file, such as `catalog`.

        Raises:
            InterpolationResolutionError: If a name has no value and no default.
        """
        return read(self, key, super().__getitem__)


def read(
    loader: AbstractConfigLoader, kind: str, as_kedro: Callable[[str], dict[str, Any]]
) -> dict[str, Any]:
    """Return the merged content of the files of a kind, with the short form resolved.

    Args:
        loader: The loader. Archives, and loaders that are not Kedro's, have no short form.
        kind: The kind of file, a key of the loader's `config_patterns`.
        as_kedro: Reads them without the short form. They are read here only if that fails.

    Raises:
        InterpolationResolutionError: If a name has no value and no default.
    """
    had_oc_env = OmegaConf.has_resolver(_OC_ENV)
    try:
        return as_kedro(kind)
    except InterpolationResolutionError:
        if not isinstance(loader, OmegaConfigLoader) or not _is_readable(loader, kind):
            raise
        resolver.register()
        return _read(loader, kind)
    finally:
        # Only credentials may use it, and Kedro does not remove it after an error.
        if kind == "credentials" and not had_oc_env:
            OmegaConf.clear_resolver(_OC_ENV)


def long_form(value: Any, own: Collection[str]) -> Any:
    """Return the content of a file with the resolver in place of the short form.

    Args:
        value: A value of the file, or all of it.
        own: The top-level keys of the files, which are not replaced.
    """
    if isinstance(value, dict):
        return {key: long_form(part, own) for key, part in value.items()}
    if isinstance(value, list):
        return [long_form(part, own) for part in value]
    if not isinstance(value, str) or "${" not in value:
        return value

    def replaced(found: re.Match[str]) -> str:
        backslashes, name, default = found.groups()
        if name in own:
            return f"{backslashes}${{{name}}}"
        rest = f",'{default[1:]}'" if default else ""
        return f"{backslashes}${{{resolver.SHORT_FORM_NAME}:'{name}'{rest}}}"

    return SHORT_FORM.sub(replaced, value)


def _is_readable(loader: OmegaConfigLoader, kind: str) -> bool:
    # Kedro alone checks that parameters of a run do not choose the classes of datasets.
    guarded = getattr(loader, "restrict_runtime_params_type_selection", False)
    return Path(loader.conf_source).is_dir() and not (guarded and kind == "catalog")


def _read(loader: OmegaConfigLoader, kind: str) -> dict[str, Any]:
    base = _read_env(loader, kind, loader.base_env)
    env = loader.env or loader.default_run_env
    if env == loader.base_env:
        return base
    patterns = loader.config_patterns[kind]
    try:
        # Kedro has not read these files yet, and its own method checks more.
        above = loader.load_and_merge_dir_config(
            str(Path(loader.conf_source) / env), patterns, kind, set(), kind == "credentials"
        )
    except InterpolationResolutionError:
        above = _read_env(loader, kind, env)
    if loader.merge_strategy.get(kind, "").lower() == "soft":
        return _plain(OmegaConf.merge(base, above), resolve=False)
    return {**base, **above}


def _read_env(loader: OmegaConfigLoader, kind: str, env: str) -> dict[str, Any]:
    files = config_files(loader, loader.config_patterns[kind], [env])
    contents = [_plain(OmegaConf.load(file), resolve=False) for file in files]
    if kind == "credentials":
        # In files of other kinds, Kedro has checked this before it failed.
        counted = Counter(key for content in contents for key in content)
        twice = [key for key, count in counted.items() if count > 1]
        if twice:
            raise ValueError(f"Duplicate keys found in {', '.join(map(str, files))}: {twice}")
        if not OmegaConf.has_resolver(_OC_ENV):
            resolver.register_resolver(_OC_ENV, oc.env)
    if kind == "parameters":
        contents.append(loader.runtime_params)
    own = {key for content in contents for key in content}
    # A key that refers to itself, as in `commit_id: ${commit_id}`, refers to the variable.
    translated = (
        {key: long_form(value, own - {key}) for key, value in content.items()}
        for content in contents
    )
    values = _plain(OmegaConf.merge(*translated), resolve=True)
    if kind == "parameters":
        return values
    return {key: value for key, value in values.items() if not key.startswith("_")}


def _plain(config: Any, *, resolve: bool) -> dict[str, Any]:
    values: Any = OmegaConf.to_container(config, resolve=resolve)
    return dict(values)
