"""The packages that a project names elsewhere than in `requirements.txt`."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kedro_airflow_k8s.init.files import read_text

_VERSION = re.compile(r"\d+(\.\d+)*")
# Files of other tools that name packages, which are not read.
_OTHERS = ("environment.yml", "environment.yaml", "Pipfile", "setup.py", "setup.cfg", "conda.yml")


@dataclass(frozen=True)
class ProjectPackages:
    """What a project depends on.

    Attributes:
        lines: Lines for a requirements file; `-r FILE` for a file that has some.
        all_lines: The same, with the lines of those files.
        unread: What names packages as well and has no such lines, such as `environment.yml`.
        source: The file with the lines; empty if there are none.
    """

    lines: tuple[str, ...] = ()
    all_lines: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()
    source: str = ""


def project_packages(project: Path) -> ProjectPackages:
    """Return the packages that pyproject.toml, or a file that it or Kedro's template has, names.

    Args:
        project: The project's folder.
    """
    settings = _toml(project / "pyproject.toml")
    lines: list[str] = [str(line) for line in _list(_table(settings, "project"), "dependencies")]
    unread: list[str] = []
    included: list[str] = []
    if not lines:
        for name, requirement in _table(settings, "tool", "poetry", "dependencies").items():
            found = _of_poetry(name, requirement)
            lines += [found] if found else []
            if found is None:
                unread.append(f"{name} in [tool.poetry.dependencies]")
    if not lines:
        included = [name for name in _files(settings) if (project / name).is_file()]
        included = included or [n for n in ("src/requirements.txt",) if (project / n).is_file()]
        lines = [f"-r {name}" for name in included]
    if not lines:
        unread += [name for name in _OTHERS if (project / name).is_file()]
    texts = [read_text(project / name) or "" for name in included]
    return ProjectPackages(
        tuple(lines),
        (*lines, *(line for text in texts for line in text.splitlines())),
        tuple(unread),
        source=", ".join(included) if included else "pyproject.toml" if lines else "",
    )


def _files(settings: Mapping[str, Any]) -> Iterator[str]:
    """Yield the files from which the build of the package takes its dependencies."""
    dynamic = _table(settings, "tool", "setuptools", "dynamic", "dependencies").get("file", ())
    yield from [dynamic] if isinstance(dynamic, str) else map(str, dynamic)
    hatch = _table(settings, "tool", "hatch", "metadata", "hooks", "requirements_txt")
    yield from map(str, _list(hatch, "files"))


def _of_poetry(name: str, requirement: Any) -> str | None:
    """Return a line for a dependency of Poetry's; empty if it needs none, None if there is none."""
    if isinstance(requirement, list):
        found = [_of_poetry(name, each) for each in requirement]
        return None if None in found else "\n".join(each for each in found if each)
    options = requirement if isinstance(requirement, Mapping) else {"version": requirement}
    if name == "python" or options.get("optional"):
        return ""
    extras = _list(options, "extras")
    text = f"{name}[{','.join(map(str, extras))}]" if extras else name
    if "git" in options:
        revision = next((options[k] for k in ("rev", "tag", "branch") if k in options), "")
        text += f" @ git+{options['git']}" + (f"@{revision}" if revision else "")
    elif "url" in options:
        text += f" @ {options['url']}"
    elif "path" in options:
        return None
    else:
        specifier = _specifier(str(options.get("version", "*")))
        if specifier is None:
            return None
        text += specifier
    markers = [str(options["markers"])] if "markers" in options else []
    if "python" in options:
        python = _specifier(str(options["python"]))
        if python is None:
            return None
        markers += [f"python_version {_quoted(each)}" for each in python.split(",") if each]
    return f"{text} ; {' and '.join(markers)}" if markers else text


def _quoted(specifier: str) -> str:
    sign = re.match(r"[<>=!~]+", specifier)
    end = sign.end() if sign else 0
    return f"{specifier[:end]} '{specifier[end:]}'"


def _specifier(version: str) -> str | None:
    """Return a constraint of Poetry's as pip writes it; None if pip has no such."""
    parts: list[str] = []
    if "|" in version:
        return None
    for part in re.split(r"\s*,\s*", version.strip()):
        sign, number = part[:1], part[1:].strip()
        if part in ("*", ""):
            continue
        if sign == "^" and _VERSION.fullmatch(number):
            parts += [f">={number}", f"<{_next(number, caret=True)}"]
        elif sign == "~" and not part.startswith("~=") and _VERSION.fullmatch(number):
            parts += [f">={number}", f"<{_next(number, caret=False)}"]
        elif _VERSION.match(part):
            parts.append(f"=={part}")
        elif re.match(r"[<>=!~]=?\s*\d", part):
            parts.append("==" + number if sign == "=" and part[1:2] != "=" else part)
        else:
            return None
    return ",".join(parts)


def _next(version: str, *, caret: bool) -> str:
    """Return the version before which `^` or `~` ends."""
    numbers = [int(number) for number in version.split(".")]
    last = next((i for i, n in enumerate(numbers) if n), len(numbers) - 1) if caret else 1
    last = min(last, len(numbers) - 1)
    return ".".join(map(str, [*numbers[:last], numbers[last] + 1]))


def _toml(file: Path) -> Mapping[str, Any]:
    for name in ("tomllib", "tomli", "toml"):  # Python 3.11 has the first, Kedro brings the others.
        with suppress(ModuleNotFoundError):
            toml = importlib.import_module(name)
            found: Mapping[str, Any] = toml.loads(read_text(file) or "")
            return found
    return {}


def _table(settings: Mapping[str, Any], *names: str) -> Mapping[str, Any]:
    for name in names:
        found = settings.get(name)
        settings = found if isinstance(found, Mapping) else {}
    return settings


def _list(settings: Mapping[str, Any], name: str) -> Iterable[Any]:
    found = settings.get(name)
    return found if isinstance(found, list) else ()
