"""What to say of a `${name}` or `${name|default}` that cannot be resolved."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from kedro import __version__ as kedro_version
from kedro.config import OmegaConfigLoader
from omegaconf.errors import GrammarParseError, InterpolationKeyError

from kedro_airflow_k8s.dynamic_config.files import config_files
from kedro_airflow_k8s.dynamic_config.interpolations import supported
from kedro_airflow_k8s.dynamic_config.variables import variable_name

_NOT_FOUND = re.compile(r"Interpolation key '([^']*)' not found")
_WITH_DEFAULT = re.compile(r"\$\{\s*(\w+)\|((?:[^{}\n]|\{[^{}\n]*\})*)\}")
# What OmegaConf cannot have in a key.
_IMPOSSIBLE = re.compile(r"[\s{}()\[\]:.\\'\"]")

# To the resolver these are something else, and to the old form texts like any other.
_NOT_TEXT = ("true", "false", "null", "nan", "inf")


def explanation(
    error: InterpolationKeyError | GrammarParseError, loader: OmegaConfigLoader, kind: str
) -> str | None:
    """An error's text with the way out; None if it can hardly be about a name of ours.

    Args:
        error: What OmegaConf raised.
        loader: The loader that was reading.
        kind: What it was reading, such as `catalog`.
    """
    if isinstance(error, InterpolationKeyError):
        return _of_key(error, kind)
    return _of_grammar(error, loader, kind)


def _of_key(error: InterpolationKeyError, kind: str) -> str | None:
    said, _, place = str(error).partition("\n")
    found = _NOT_FOUND.search(said)
    if found is None:
        return None
    name, bar, default = found[1].partition("|")
    # Dots lead to keys of keys, and what begins with an underscore is of the file's own.
    if not name or "." in name or name.startswith("_"):
        return None
    unserved = _unserved(kind)
    variable = variable_name(name)
    if bar:
        why = unserved or _unfit(default)
        text = f"{said}: {why}. Write {_resolver(name, default)} instead of ${{{found[1]}}}."
    elif unserved:
        text = (
            f"{said}. If it is to be the environment variable {variable}: {unserved}. Write"
            f" ${{kedro_config:{name}}}, or ${{kedro_config:{name},default}} with a default."
        )
    else:
        text = (
            f"{said} in these files, nor is the environment variable {variable} set. Correct the"
            f" name, set the variable, or write ${{kedro_config:{name},default}}."
        )
    return "\n".join(part for part in (text, place) if part)


def _of_grammar(error: GrammarParseError, loader: OmegaConfigLoader, kind: str) -> str | None:
    for file, name, default in _impossible_defaults(loader, kind):
        place = "\n".join(str(error).splitlines()[1:])
        text = (
            f"{file}: ${{{name}|{default}}} cannot be read: a default after | cannot hold blanks,"
            f" quotes, brackets or any of . : \\. Write {_resolver(name, default)} instead."
        )
        return "\n".join(part for part in (text, place) if part)
    return None


def _impossible_defaults(loader: OmegaConfigLoader, kind: str) -> Iterator[tuple[Path, str, str]]:
    for file in config_files(loader, loader.config_patterns.get(kind, ())):
        for line in file.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.lstrip().startswith("#"):
                continue
            for name, default in _WITH_DEFAULT.findall(line):
                if _IMPOSSIBLE.search(default):
                    yield file, name, default


def _unserved(kind: str) -> str:
    """Why names are not resolved in files of a kind, empty if they are."""
    if kind == "globals":
        return "Kedro reads globals.yml before a plugin can add names to it"
    if not supported():
        return f"that needs Kedro 1.7 or newer, and this is {kedro_version}"
    return ""


def _unfit(default: str) -> str:
    if _IMPOSSIBLE.search(default):
        return "a default after | cannot hold any of . [ ]"
    return "it is only known where a session of Kedro reads the files"


def _resolver(name: str, default: str) -> str:
    """The same in the form that any file can have."""
    quoted = len(default) > 1 and default[0] == default[-1] and default[0] in "'\""
    bare = re.fullmatch(r"[A-Za-z_][\w-]*", default) and default.lower() not in _NOT_TEXT
    if not (quoted or bare or "${" in default):
        # In quotes, backslashes only mean something in front of one.
        inner = re.sub(r"(\\*)('|\Z)", lambda m: m[1] * 2 + ("\\'" if m[2] else ""), default)
        default = f"'{inner}'"
    return f"${{kedro_config:{name},{default}}}"
