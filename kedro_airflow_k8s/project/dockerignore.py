"""The files of a project that `docker build` leaves out of an image, by `.dockerignore`.

Source of the rules: "Build context", section ".dockerignore files", of Docker's documentation, and
the package `patternmatcher` of BuildKit.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

# BuildKit takes the first that exists.
_NAMES = ("Dockerfile.dockerignore", ".dockerignore")


@dataclass(frozen=True)
class Rule:
    """A line of the file: what it matches, and whether it includes files again."""

    pattern: re.Pattern[str]
    includes: bool
    line: str


class DockerIgnore:
    """The rules of a `.dockerignore` file.

    Args:
        lines: Its lines.
        name: The name of the file; empty if there is none.
    """

    def __init__(self, lines: Iterable[str], name: str = "") -> None:
        self.name = name
        self.rules: Sequence[Rule] = tuple(rule for line in lines if (rule := _rule(line)))

    @classmethod
    def of(cls, project: Path) -> DockerIgnore:
        """Return the rules for a project's folder; none if it has no such file.

        Raises:
            OSError: If the file cannot be read.
        """
        for name in _NAMES:
            if (project / name).is_file():
                text = (project / name).read_text(encoding="utf-8-sig", errors="replace")
                return cls(text.splitlines(), name)
        return cls(())

    def ignores(self, path: str) -> bool:
        """Return whether the image lacks a file: the last rule for it or its folder decides.

        Args:
            path: Relative to the project, with slashes.
        """
        return self.reason(path) is not None

    def reason(self, path: str) -> str | None:
        """Return the line that leaves a file out; None if the file stays in."""
        last = next((rule for rule in reversed(self.rules) if rule.pattern.match(path)), None)
        return None if last is None or last.includes else last.line

    @property
    def takes_back(self) -> bool:
        """Whether an ignored folder may hold files that are not ignored."""
        return any(rule.includes for rule in self.rules)


def _rule(line: str) -> Rule | None:
    line = line.strip() if not line.startswith("#") else ""
    includes = line.startswith("!")
    path = line.removeprefix("!").strip()
    path = posixpath.normpath(path).lstrip("/") if path else ""
    # A path out of the project matches nothing in it.
    if path in ("", ".", "..") or path.startswith("../"):
        return None
    return Rule(re.compile(_regex(path), re.DOTALL), includes, line)


def _regex(pattern: str) -> str:
    """Translate Go's `filepath.Match` with `**`; a match of a folder includes its content."""
    result, position = "", 0
    while position < len(pattern):
        letter = pattern[position]
        bracket = re.compile(r"\[\^?(?:\\.|[^\]\\])+\]").match(pattern, position)
        if pattern.startswith("**", position):
            position += 2
            if pattern.startswith("/", position):
                position += 1
            result += ".*" if position >= len(pattern) else "(?:.*/)?"
            continue
        if letter == "*":
            result += "[^/]*"
        elif letter == "?":
            result += "[^/]"
        elif bracket:
            result += bracket[0]
            position = bracket.end()
            continue
        elif letter == "\\" and position + 1 < len(pattern):
            position += 1
            result += re.escape(pattern[position])
        else:
            result += re.escape(letter)
        position += 1
    return f"{result}(?:/.*)?$"
