"""Which names the files of a project's configuration use, found in their text."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kedro.config import AbstractConfigLoader, OmegaConfigLoader

from kedro_airflow_k8s.dynamic_config.files import config_files
from kedro_airflow_k8s.dynamic_config.interpolations import NAME_IN_BRACES, UNESCAPED
from kedro_airflow_k8s.dynamic_config.resolver import is_ours
from kedro_airflow_k8s.dynamic_config.variables import variable_name

MLFLOW_PATTERNS = ("mlflow*", "mlflow*/**", "**/mlflow*")
"""The files that kedro-mlflow has the loader read in a run, and nobody before it."""

_RESOLVER = re.compile(UNESCAPED + r"\$\{\s*kedro_config\s*:\s*['\"]?([^\s,'\"{}]+)['\"]?\s*([,}])")
_PLAIN = re.compile(UNESCAPED + NAME_IN_BRACES + r"(\|[^}\n]*)?\s*\}")
# A key at the top of a YAML file.
_YAML_KEY = re.compile(r"^(['\"]?)([^\s#'\":{}\[\]-][^:'\"\n]*?)\1\s*:(?=\s|$)", re.MULTILINE)
_COMMENT = re.compile(r"(?:^|\s)#")


@dataclass(frozen=True)
class Use:
    """A name that a file takes from the environment.

    Attributes:
        name: The name, in lower case.
        file: The file, in the folder of the configuration.
        has_default: Whether the file says what to take where there is no value.
    """

    name: str
    file: str
    has_default: bool

    @property
    def variable(self) -> str:
        """The environment variable."""
        return variable_name(self.name)


def used_names(loader: AbstractConfigLoader, without: Iterable[str] = ()) -> tuple[Use, ...]:
    """The names that the files of a project's loader use, each once per file.

    Comments do not count, nor do names that are keys at the top of any file, unless such a key
    refers to itself. Values that Python code puts together, and files that the loader has no
    pattern for, are not seen.

    Args:
        loader: The project's loader.
        without: Kinds of file to leave out, such as `catalog`.
    """
    if not isinstance(loader, OmegaConfigLoader):
        return ()
    patterns = {"mlflow": MLFLOW_PATTERNS, **loader.config_patterns}
    kinds = patterns.keys() - set(without)
    files = {file for kind in kinds for file in config_files(loader, patterns[kind])}
    parts = {file: tuple(parts_of(file)) for file in sorted(files)}
    own = {key for found in parts.values() for key, _ in found if key}
    conf_path = Path(str(loader.conf_source))
    ours = is_ours(loader)
    uses: dict[Use, None] = {}
    for file, found in parts.items():
        place = file.relative_to(conf_path).as_posix()
        for name, end in (use for _, text in found if ours for use in _RESOLVER.findall(text)):
            uses[Use(name.lower(), place, end == ",")] = None
        for key, text in found:
            for name, default in _PLAIN.findall(text):
                if (name not in own or name == key) and not name.startswith("_"):
                    uses[Use(name.lower(), place, bool(default))] = None
    return tuple(uses)


def parts_of(file: Path) -> Iterator[tuple[str, str]]:
    """The keys at the top of a file, each with the text of its value, without comments.

    What is no value of such a key has an empty one.
    """
    text = _text(file)
    if file.suffix == ".json":
        try:
            data = json.loads(text)
        except ValueError:  # Whoever reads the file will say so.
            data = text
        items = data.items() if isinstance(data, dict) else [("", data)]
        yield from ((key, "\n".join(_texts(value))) for key, value in items)
        return
    key, begin = "", 0
    for found in _YAML_KEY.finditer(text):
        yield key, text[begin : found.start()]
        key, begin = found[2], found.end()
    yield key, text[begin:]


def _texts(value: Any) -> Iterator[str]:
    """The texts within a value, and its keys."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for part in value:
            yield from _texts(part)
    elif isinstance(value, dict):
        for key, part in value.items():
            yield key
            yield from _texts(part)


def _text(file: Path) -> str:
    """A file without its comments, empty where nothing in it could be a name."""
    text = file.read_text(encoding="utf-8", errors="replace")
    if file.suffix == ".json" or "#" not in text:
        return text
    return "\n".join(_without_comment(line) for line in text.splitlines())


def _without_comment(line: str) -> str:
    for mark in _COMMENT.finditer(line):
        before = line[: mark.start()]
        # In quotes it is no comment.
        if before.count("'") % 2 == 0 and before.count('"') % 2 == 0:
            return before
    return line
