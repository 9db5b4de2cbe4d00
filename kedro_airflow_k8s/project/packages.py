"""The packages that the Dockerfile installs, as far as that is certain.

Nothing is downloaded: what a package brings is in the metadata of this environment.
"""

from __future__ import annotations

import importlib.metadata
import posixpath
import re
from collections.abc import Iterator, Sequence
from functools import cache

from kedro_airflow_k8s.project.image import ProjectImage

# It has no packages but pip.
_PYTHON_IMAGE = re.compile(r"(docker\.io/)?(library/)?python(:[\w.-]+)?(@sha256:\w+)?")
_WITHOUT_PACKAGES = frozenset(
    (
        *("addgroup", "adduser", "apk", "apt", "apt-get", "chgrp", "chmod", "chown", "echo"),
        *("export", "find", "groupadd", "mkdir", "printf", "rm", "set", "true", "useradd"),
        "usermod",
    )
)
_FLAGS = re.compile(
    r"(-q|-U|--quiet|--upgrade|--pre|--prefer-binary|--no-cache(-dir)?|--no-compile|--no-input"
    r"|--disable-pip-version-check|--root-user-action=\w+"
    r"|--(find-links|index-url|extra-index-url|trusted-host|constraint)=.*)"
)
_FLAGS_WITH_VALUE = re.compile(
    r"-f|-i|-c|--find-links|--index-url|--extra-index-url|--trusted-host|--constraint"
)
_FILE = re.compile(r"(?:-r|--requirement)(?:[\s=]*(?P<file>\S+))?")
# What Kedro's template for projects requires, often not installed on this machine.
_OF_TEMPLATE = frozenset(
    ("ipython", "jupyterlab", "notebook", "pytest", "pytest-cov", "pytest-mock", "ruff")
)


class _UnknownError(Exception):
    """What is installed is not certain."""


@cache
def lacks_package(image: ProjectImage, package: str) -> bool:
    """Return whether the image certainly lacks a package.

    That is certain of an image that begins with that of Python and gets all of its packages by
    `pip install`, if all of these are known here or from Kedro's template.

    Args:
        image: The image.
        package: The normalized name of the package.
    """
    dockerfile = image.dockerfile
    if dockerfile is None or dockerfile.opaque or dockerfile.borrows:
        return False
    if not _PYTHON_IMAGE.fullmatch(dockerfile.base):
        return False
    try:
        lines = [line for words in dockerfile.commands for line in _of_command(words, image)]
        if not lines or any(_named(line) == package for line in lines):
            return False
        return package not in _with_dependencies(lines)
    except (_UnknownError, OSError, UnicodeDecodeError):
        return False


def _named(line: str) -> str:
    """Return the normalized name at the beginning of a requirement; empty if there is none."""
    found = re.match(r"[\w.-]+", line)
    return re.sub(r"[-_.]+", "-", found[0]).lower() if found else ""


def _of_command(words: Sequence[str], image: ProjectImage) -> Iterator[str]:
    """Yield the requirements that a command installs.

    Raises:
        _UnknownError: If it may install others.
    """
    if words[0].startswith("python") and words[1:2] == ("-m",):
        words = words[2:]
    if words[0] in _WITHOUT_PACKAGES or words[0] == "compileall":
        if any(word in ("pip", "pip3") for word in words):
            raise _UnknownError
        return
    if words[0] not in ("pip", "pip3") or words[1:2] != ("install",):
        raise _UnknownError
    rest = iter(words[2:])
    for word in rest:
        if "$" in word:
            raise _UnknownError
        if found := _FILE.fullmatch(word):
            yield from _of_file(image, found["file"] or next(rest, ""))
        elif _FLAGS_WITH_VALUE.fullmatch(word):
            next(rest, None)
        elif not _FLAGS.fullmatch(word):
            yield word


def _of_file(image: ProjectImage, path: str) -> Iterator[str]:
    """Yield the requirements of a file in the image, and of those that it includes.

    Raises:
        _UnknownError: If it is not a file of the project, or has other lines.
    """
    dockerfile = image.dockerfile
    source = dockerfile.source_of(path, image.root) if dockerfile is not None else None
    if source is None:
        raise _UnknownError
    for line in (image.root / source).read_text("utf-8-sig").splitlines():
        text = re.sub(r"(^|\s)#.*", "", line).strip()
        if found := _FILE.fullmatch(text):
            yield from _of_file(image, posixpath.join(posixpath.dirname(path), found["file"] or ""))
        elif text and not text.startswith("-"):
            yield re.split(r"\s--", text)[0]
        elif text and not _FLAGS_WITH_VALUE.match(text):
            raise _UnknownError


def _with_dependencies(lines: Sequence[str]) -> frozenset[str]:
    """Return the packages of requirements, and all that these bring.

    Raises:
        _UnknownError: If one of them is not known here.
    """
    # Slow to import, and nearly all projects name the package.
    from packaging.requirements import InvalidRequirement, Requirement
    from packaging.utils import canonicalize_name

    seen: set[tuple[str, str]] = set()
    try:
        waiting = [Requirement(line) for line in lines]
    except InvalidRequirement:
        raise _UnknownError from None
    while waiting:
        requirement = waiting.pop()
        name = canonicalize_name(requirement.name)
        for extra in ("", *requirement.extras):
            if (name, extra) in seen:
                continue
            seen.add((name, extra))
            others = map(Requirement, _required_by(name))
            waiting += [o for o in others if not o.marker or o.marker.evaluate({"extra": extra})]
    return frozenset(name for name, _ in seen)


def _required_by(name: str) -> Sequence[str]:
    try:
        return importlib.metadata.requires(name) or ()
    except importlib.metadata.PackageNotFoundError:
        if name in _OF_TEMPLATE:
            return ()
        raise _UnknownError from None
