"""Which names the files of a project's configuration use, found in their text."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from kedro.config import AbstractConfigLoader, OmegaConfigLoader

from kedro_airflow_k8s.dynamic_config.files import config_files
from kedro_airflow_k8s.dynamic_config.variables import variable_name

MLFLOW_PATTERNS = ("mlflow*", "mlflow*/**", "**/mlflow*")
"""The files that kedro-mlflow has the loader read in a run, and nobody before it."""

# With an even number of backslashes in front; with an odd one the text is not resolved.
_UNESCAPED = r"(?<!\\)(?:\\\\)*"
_RESOLVER = re.compile(
    _UNESCAPED + r"\$\{\s*kedro_config\s*:\s*['\"]?([^\s,'\"{}]+)['\"]?\s*([,}])"
)
_PLAIN = re.compile(_UNESCAPED + r"\$\{\s*([^\s${}()\[\]:.,|\\'\"]+)(\|[^}\n]*)?\s*\}")
# A key at the top of a YAML file, and any key of a JSON file.
_YAML_KEY = re.compile(r"^(['\"]?)([^\s#'\":{}\[\]-][^:'\"\n]*?)\1\s*:(?=\s|$)", re.MULTILINE)
_JSON_KEY = re.compile(r"\"([^\"\n]+)\"\s*:")
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

    Comments do not count, nor do names that are keys at the top of any file. Values that Python
    code puts together, and files that the loader has no pattern for, are not seen.

    Args:
        loader: The project's loader.
        without: Kinds of file to leave out, such as `catalog`.
    """
    if not isinstance(loader, OmegaConfigLoader):
        return ()
    patterns = {"mlflow": MLFLOW_PATTERNS, **loader.config_patterns}
    kinds = patterns.keys() - set(without)
    files = {file for kind in kinds for file in config_files(loader, patterns[kind])}
    texts = {file: _text(file) for file in sorted(files)}
    own = {name for file, text in texts.items() for name in _keys(file, text)}
    conf_path = Path(str(loader.conf_source))
    found: dict[Use, None] = {}
    for file, text in texts.items():
        place = file.relative_to(conf_path).as_posix()
        found.update(dict.fromkeys(Use(*use) for use in _uses(text, place, own)))
    return tuple(found)


def _uses(text: str, place: str, own: set[str]) -> Iterator[tuple[str, str, bool]]:
    for name, end in _RESOLVER.findall(text):
        yield name.lower(), place, end == ","
    for name, default in _PLAIN.findall(text):
        if name not in own and not name.startswith("_"):
            yield name.lower(), place, bool(default)


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


def _keys(file: Path, text: str) -> Iterator[str]:
    if file.suffix == ".json":
        yield from _JSON_KEY.findall(text)
    else:
        yield from (name for _, name in _YAML_KEY.findall(text))
