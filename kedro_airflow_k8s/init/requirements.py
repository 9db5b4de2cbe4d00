"""The line of `requirements.txt` that brings this plugin into the image."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from kedro_airflow_k8s import __version__

PLUGIN = "kedro-airflow-k8s"

# In what pip takes beside names: addresses, paths of wheels and folders, `#egg=`.
_IN_ADDRESS = re.compile(r"(?<![a-z0-9])kedro[-_.]+airflow[-_.]+k8s(?![a-z0-9])", re.IGNORECASE)
_COMMENT = re.compile(r"(^|\s)#.*")
_INCLUDE = re.compile(r"(?:-r|--requirement)[\s=]*(?P<file>\S+)")
_NAMED = re.compile(r"(?:-[rc]|--requirement|--constraint)[\s=]*(?P<file>\S+)")

_EDITABLE = r"(?:(?:-e|--editable)[\s=]*)?"
_VERSION_CONTROL = re.compile(rf"^{_EDITABLE}(?:[^#]*@\s*)?(?:git|hg|svn|bzr)\+", re.IGNORECASE)
# A folder, an archive or a wheel by its path, however it is written.
_LOCAL = re.compile(
    r"-e|--editable|[.~/]|[\w.-]+/[^:@]*$|[^@]*@\s*file:|file:|[^:]*[\w-]+\.(?:whl|zip|tar\.gz)(?:\s|;|\[|$)",
    re.IGNORECASE,
)


def plugin_line(extras: Iterable[str] = ()) -> str:
    """The requirement of this version of the plugin or a later one, with its extras."""
    major, minor = __version__.split(".")[:2]
    named = f"[{','.join(extras)}]" if extras else ""
    return f"{PLUGIN}{named}>={major}.{minor}"


def with_plugin(text: str, extras: Iterable[str] = ()) -> str:
    """The text of a requirements file with a line for the plugin and its extras at its end."""
    newline = "\r\n" if "\r\n" in text else "\n"
    end = "" if not text or text.endswith("\n") else newline
    return f"{text}{end}{plugin_line(extras)}{newline}"


def new_requirements(
    pyproject: dict[str, Any], kedro_version: str, extras: Iterable[str] = ()
) -> str:
    """A requirements file for a project that has none.

    Args:
        pyproject: What the project's pyproject.toml says.
        kedro_version: The version of Kedro that runs now.
        extras: What the project needs of the plugin besides, such as `gcp`.
    """
    project = pyproject.get("project")
    declared = project.get("dependencies") if isinstance(project, dict) else None
    lines = [line for line in declared or () if isinstance(line, str)]
    if not names_package(lines, "kedro"):
        lines.append(f"kedro~={kedro_version}")
    text = "".join(f"{line}\n" for line in lines)
    return text if names_package(lines, PLUGIN) else with_plugin(text, extras)


def installs_plugin(file: Path) -> bool:
    """Whether a requirements file names the plugin, itself or by a file that it includes.

    Raises:
        OSError: The file cannot be read.
        UnicodeDecodeError: It is not text.
    """
    return names_package(_all_lines(file, set()), PLUGIN)


def missing_extras(file: Path, extras: Iterable[str]) -> tuple[str, ...]:
    """Those of the plugin's extras that no line of a requirements file asks for.

    Raises:
        OSError: The file cannot be read.
        UnicodeDecodeError: It is not text.
    """
    asked = [line for line in _all_lines(file, set()) if names_package([line], PLUGIN)]
    return tuple(
        extra
        for extra in extras
        if not any(re.search(rf"\[[^\]]*\b{extra}\b[^\]]*\]", line) for line in asked)
    )


def is_hashed(file: Path) -> bool:
    """Whether pip will refuse lines without a hash: it does when any line has one.

    Raises:
        OSError: The file cannot be read.
        UnicodeDecodeError: It is not text.
    """
    return any(re.search(r"--(hash=|require-hashes)", line) for line in _all_lines(file, set()))


def needed_files(file: Path) -> list[str]:
    """The files that pip reads with a requirements file, relative to its folder, itself first.

    Raises:
        OSError: The file cannot be read.
        UnicodeDecodeError: It is not text.
    """
    found = {file.name: file}
    waiting = [file]
    while waiting:
        here = waiting.pop()
        for line in here.read_text(encoding="utf-8-sig").splitlines():
            named = _NAMED.match(_COMMENT.sub("", line).strip())
            if named is None:
                continue
            other = here.parent / named["file"]
            name = Path(os.path.relpath(other, file.parent)).as_posix()
            if other.is_file() and name not in found and not name.startswith("../"):
                found[name] = other
                waiting.append(other)
    return list(found)


def not_installable(file: Path) -> Iterator[str]:
    """What the image of the generated Dockerfile cannot install, and what to do about each.

    Only requirements files and the folder `wheels` are there when pip runs, and no git.

    Args:
        file: The requirements file.

    Raises:
        OSError: A file cannot be read.
        UnicodeDecodeError: It is not text.
    """
    copied = needed_files(file)
    for name in copied:
        here = file.parent / name
        for number, line in enumerate(here.read_text("utf-8-sig").splitlines(), start=1):
            text = _COMMENT.sub("", line).strip().removesuffix("\\").rstrip()
            shown = f"The image cannot install {name}, line {number}, {_without_password(text)!r}:"
            named = _NAMED.match(text)
            if named is not None:
                target = os.path.relpath(here.parent / named["file"], file.parent)
                if "://" not in named["file"] and Path(target).as_posix() not in copied:
                    yield (
                        f"{shown} it has no such file. Move it into the project, or write"
                        " its lines here."
                    )
            elif _VERSION_CONTROL.search(text):
                yield (
                    f"{shown} it has no git or the like. Build a wheel of it into the"
                    " folder wheels (pip wheel --no-deps --wheel-dir wheels ...) and write the"
                    " package's name here, or let the Dockerfile install git first."
                )
            elif _LOCAL.match(text):
                yield (
                    f"{shown} it has no such file or folder when pip runs."
                    " Delete the line if it is this project, which is copied as it is. Else put a"
                    " wheel of it into the folder wheels (pip wheel --no-deps --wheel-dir wheels"
                    " ...) and write the package's name here."
                )


def _without_password(text: str) -> str:
    """A line without what an address has before its `@`, which may be a token by itself."""
    return re.sub(r"//(?!git@)[^/@\s]*@", "//", text)


def names_package(lines: Iterable[str], package: str) -> bool:
    """Whether one of the lines is a requirement of a package, however it is spelled."""
    for line in lines:
        requirement = re.split(r"\s--|\s*\\$", _COMMENT.sub("", line))[0].strip()
        try:
            if canonicalize_name(Requirement(requirement).name) == package:
                return True
        except InvalidRequirement:
            if package == PLUGIN and _IN_ADDRESS.search(requirement):
                return True
    return False


def _all_lines(file: Path, seen: set[Path]) -> Iterator[str]:
    seen.add(file.resolve())
    for line in file.read_text(encoding="utf-8-sig").splitlines():
        included = _INCLUDE.match(_COMMENT.sub("", line).strip())
        if included is None:
            yield line
            continue
        other = file.parent / included["file"]
        if other.is_file() and other.resolve() not in seen:
            yield from _all_lines(other, seen)
