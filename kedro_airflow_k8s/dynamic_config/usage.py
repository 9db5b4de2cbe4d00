"""Finds the names that a project's configuration files take from the environment."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from kedro.config import AbstractConfigLoader, OmegaConfigLoader

from kedro_airflow_k8s.dynamic_config.files import config_files
from kedro_airflow_k8s.dynamic_config.loader import SHORT_FORM, UNESCAPED
from kedro_airflow_k8s.dynamic_config.resolver import NAME
from kedro_airflow_k8s.dynamic_config.variables import variable_name

MLFLOW_PATTERNS = ("mlflow*", "mlflow*/**", "**/mlflow*")
"""The patterns that kedro-mlflow adds to the loader in a run."""

_LONG_FORM = re.compile(UNESCAPED + rf"\$\{{\s*{NAME}\s*:\s*['\"]?([^\s,'\"{{}}]+)['\"]?\s*(,)?")


@dataclass(frozen=True)
class Use:
    """A name that a file takes from the environment.

    Attributes:
        name: The name, in lower case.
        file: The file, in the folder of the configuration.
        has_default: Whether the file has a default for it.
    """

    name: str
    file: str
    has_default: bool

    @property
    def variable(self) -> str:
        """The environment variable."""
        return variable_name(self.name)


def used_names(
    loader: AbstractConfigLoader,
    kinds: Iterable[str],
    *,
    long: Callable[[], bool] = lambda: True,
    short: bool = False,
) -> tuple[Use, ...]:
    """Return the names that kinds of file use, each once per file.

    Names in strings that Python code builds are not found, and none of loaders that are not
    Kedro's. A file that is not valid YAML has no names: Kedro reports it when it reads the file.

    Args:
        loader: The project's loader.
        kinds: Keys of its `config_patterns`, or `mlflow`.
        long: Whether `${kedro_config:name}` counts: a project may have its own such resolver. Asked
            only if there is such a name, because the first call of any resolver takes long.
        short: Whether `${name}` and `${name|default}` count.
    """
    if not isinstance(loader, OmegaConfigLoader):
        return ()
    patterns = {"mlflow": MLFLOW_PATTERNS, **loader.config_patterns}
    conf_path = Path(str(loader.conf_source))
    uses: dict[Use, None] = {}
    for kind in sorted(kinds):
        contents = _contents(config_files(loader, patterns.get(kind, ())), everything=short)
        own = {key for content in contents.values() for key in content}
        for file, content in contents.items():
            place = file.relative_to(conf_path).as_posix()
            for key, value in content.items():
                for text in _texts(value):
                    long_names = _LONG_FORM.findall(text)
                    if long_names and not long():
                        long_names = []
                    short_names = SHORT_FORM.findall(text) if short else []
                    for _, name, default in long_names:
                        uses[Use(name.lower(), place, bool(default))] = None
                    for _, name, default in short_names:
                        if name not in own - {key}:
                            uses[Use(name.lower(), place, bool(default))] = None
    return tuple(uses)


def _contents(files: Iterable[Path], *, everything: bool) -> dict[Path, dict[Any, Any]]:
    """Return the keys and values of files of one kind; nothing if none can contain a name."""
    texts = {file: file.read_text(encoding="utf-8", errors="replace") for file in files}
    if not any("${" in text for text in texts.values()):
        return {}
    return {
        file: _content(text) if everything or NAME in text else {} for file, text in texts.items()
    }


def _content(text: str) -> dict[Any, Any]:
    """Return the keys and values of a file; none if it is not valid."""
    try:
        content = yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506 - both are safe
    except yaml.YAMLError:
        return {}
    return content if isinstance(content, dict) else {}


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for part in value:
            yield from _texts(part)
    elif isinstance(value, dict):
        for part in value.values():
            yield from _texts(part)
