"""The files of a project that an image would hold, by Docker's `.dockerignore`.

Source of the rules: "Build context", section ".dockerignore files", of Docker's documentation.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Rule:
    """A line of the file: what it matches, and whether it includes files again."""

    pattern: re.Pattern[str]
    includes: bool


class DockerIgnore:
    """The rules of a `.dockerignore` file.

    Args:
        lines: Its lines.
    """

    def __init__(self, lines: Iterable[str]) -> None:
        self.rules: Sequence[Rule] = tuple(rule for line in lines if (rule := _rule(line)))

    def ignores(self, path: str) -> bool:
        """Return whether the image lacks a file: the last rule for it or its folder decides.

        Args:
            path: Relative to the project, with slashes.
        """
        return not next(
            (rule.includes for rule in reversed(self.rules) if rule.pattern.match(path)), True
        )

    @property
    def takes_back(self) -> bool:
        """Whether an ignored folder may hold files that are not ignored."""
        return any(rule.includes for rule in self.rules)


def _rule(line: str) -> Rule | None:
    line = line.strip() if not line.startswith("#") else ""
    includes = line.startswith("!")
    path = posixpath.normpath("/" + line.removeprefix("!").strip()).lstrip("/") if line else ""
    return Rule(re.compile(_regex(path), re.DOTALL), includes) if path else None


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
