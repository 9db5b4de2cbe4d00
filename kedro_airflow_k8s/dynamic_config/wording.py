"""What to say of a `${name}` or `${name|default}` that cannot be resolved."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from kedro import __version__ as kedro_version
from kedro.config import OmegaConfigLoader
from omegaconf.errors import (
    GrammarParseError,
    InterpolationKeyError,
    InterpolationResolutionError,
)

from kedro_airflow_k8s.dynamic_config.files import config_files
from kedro_airflow_k8s.dynamic_config.interpolations import supported
from kedro_airflow_k8s.dynamic_config.usage import parts_of
from kedro_airflow_k8s.dynamic_config.variables import advice, settable, value_of, variable_name

_NOT_FOUND = re.compile(r"Interpolation key '([^']*)' not found")
_WITH_DEFAULT = re.compile(r"\$\{\s*([\w-]+)(\s*)\|((?:[^{}\n]|\{[^{}\n]*\})*)\}")
# What OmegaConf says of a key that leads to itself, and of one that leads to a key above it.
_ROUND = re.compile(r"Recursive interpolation|Interpolation to parent node")
# What OmegaConf cannot have in a key.
_IMPOSSIBLE = re.compile(r"[\s{}()\[\]:.\\'\"]")

_ONLY_IN_A_SESSION = "it is only known where a session of Kedro reads the files"

# To the resolver these are something else, and to the old form texts like any other.
_NOT_TEXT = ("true", "false", "null", "nan", "inf")


def explanation(
    error: InterpolationKeyError | InterpolationResolutionError | GrammarParseError,
    loader: OmegaConfigLoader,
    kind: str,
) -> str | None:
    """An error's text with the way out; None if it can hardly be about a name of ours.

    Args:
        error: What OmegaConf raised.
        loader: The loader that was reading.
        kind: What it was reading, such as `catalog`.
    """
    if isinstance(error, InterpolationKeyError):
        return _of_key(error, kind)
    if isinstance(error, GrammarParseError):
        return _of_grammar(error, loader, kind)
    return _of_round(error, loader, kind)


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
    near = settable(name)
    variable = variable_name(near)
    if bar:
        why = unserved or _unfit(default)
        text = f"{said}: {why}. Write {_resolver(name, default)} instead of ${{{found[1]}}}."
    elif unserved:
        text = (
            f"{said}. If it is to be the environment variable {variable}: {unserved}. Write"
            f" ${{kedro_config:{near}}}, or ${{kedro_config:{near},default}} with a default."
        )
    elif near != name:
        text = f"{said} in these files. If it is to be an environment variable: {advice(name)}"
    else:
        text = (
            f"{said} in these files, nor is the environment variable {variable} set. Correct the"
            f" name, set the variable, or write ${{kedro_config:{name},default}}."
        )
    return "\n".join(part for part in (text, place) if part)


def _of_grammar(error: GrammarParseError, loader: OmegaConfigLoader, kind: str) -> str | None:
    for file, written, name, default in _unreadable(loader, kind):
        place = "\n".join(str(error).splitlines()[1:])
        why = (
            "a default after | cannot hold blanks, quotes, brackets or any of . : \\"
            if _IMPOSSIBLE.search(default)
            else "there can be no blanks around the |"
        )
        text = f"{file}: {written} cannot be read: {why}. Write {_resolver(name, default)} instead."
        return "\n".join(part for part in (text, place) if part)
    return None


def _unreadable(loader: OmegaConfigLoader, kind: str) -> Iterator[tuple[Path, str, str, str]]:
    """Where a file has what OmegaConf cannot read: the file, the text, its name and default."""
    for file in config_files(loader, loader.config_patterns.get(kind, ())):
        for line in file.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.lstrip().startswith("#"):
                continue
            for found in _WITH_DEFAULT.finditer(line):
                name, blanks, default = found.groups()
                if blanks or default != default.lstrip() or _IMPOSSIBLE.search(default.strip()):
                    yield file, found[0], name, default.strip()


def _of_round(
    error: InterpolationResolutionError, loader: OmegaConfigLoader, kind: str
) -> str | None:
    """Of a key like `region: ${region}` that leads to nothing else than itself."""
    said, _, place = str(error).partition("\n")
    name = re.split(r"[.\[|]", str(getattr(error, "full_key", None) or ""))[0]
    if not _ROUND.match(said) or not name or name.startswith("_"):
        return None
    itself = re.compile(rf"\$\{{\s*{re.escape(name)}\s*\}}")
    for file in config_files(loader, loader.config_patterns.get(kind, ())):
        if any(key == name and itself.search(text) for key, text in parts_of(file)):
            near = settable(name)
            text = (
                f"{said}: in {file}, the key {name} refers to itself, which can only be the"
                f" environment variable {variable_name(near)}"
            )
            unserved = _unserved(kind)
            if not unserved and value_of(name) is not None:
                unserved = _ONLY_IN_A_SESSION
            if unserved:
                text += f": {unserved}. Write ${{kedro_config:{near}}} instead of ${{{name}}}."
            else:
                text += f", and that is not set. Set it, or write ${{kedro_config:{near},default}}."
            return "\n".join(part for part in (text, place) if part)
    return None


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
    return _ONLY_IN_A_SESSION


def _resolver(name: str, default: str) -> str:
    """The same in the form that any file can have."""
    quoted = len(default) > 1 and default[0] == default[-1] and default[0] in "'\""
    bare = re.fullmatch(r"[A-Za-z_][\w-]*", default) and default.lower() not in _NOT_TEXT
    if not (quoted or bare or "${" in default):
        # In quotes, backslashes only mean something in front of one.
        inner = re.sub(r"(\\*)('|\Z)", lambda m: m[1] * 2 + ("\\'" if m[2] else ""), default)
        default = f"'{inner}'"
    return f"${{kedro_config:{name},{default}}}"
