"""Usual mistakes in YAML files, in place of the words of the parser.

The parser stops where it no longer understands the file, often a line below the mistake. Values are
not shown: the file may contain passwords.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from yaml import MarkedYAMLError
from yaml.error import Mark

_NO_COLON = "has no colon after its key. Write `key: value`, or `key:` above the lines of a section"
_NO_SPACE = "has no space after its colon. Write `key: value`"
_IN_QUOTES = "Put the value in quotes"
_OTHER_TOKEN = ("did not find expected key", "did not find expected '-'")
# A quote at the beginning of a key or a value, unlike that in `it's`.
_OPENED = re.compile(r"(?:^|[:\[{,-]\s)\s*(['\"])")
# In front of a key: spaces, and the dashes of lists.
_KEY = re.compile(r"\s*(?:- +)*")


def yaml_mistake(text: str, error: MarkedYAMLError) -> str | None:
    """Return what is wrong in which line, and what to do; None if that is unknown.

    Args:
        text: The file.
        error: What the parser says of it.
    """
    # The parser may stop behind the last line.
    lines = [*text.splitlines(), ""]
    problem, context = str(error.problem), str(error.context)
    at, begin = error.problem_mark, error.context_mark
    if at is None:
        return None
    number, found = _mistake(lines, problem, context, at, begin or at) or (0, "")
    return f"line {number + 1} {found}." if found else None


def _mistake(
    lines: Sequence[str], problem: str, context: str, at: Mark, begin: Mark
) -> tuple[int, str] | None:
    """Return the line of a mistake, counted from 0, and the mistake."""
    if problem.startswith("mapping values are not allowed") or "<document start>" in problem:
        return _unexpected_colon(lines, at)
    if problem.startswith("could not find expected ':'"):
        return begin.line, _NO_SPACE if _has_no_space(lines[begin.line]) else _NO_COLON
    if "quoted scalar" in context and "unexpected end" in problem:
        return begin.line, "opens a quote that is not closed. Close it"
    if "flow sequence" in context or "flow mapping" in context:
        bracket = "[" if "sequence" in context else "{"
        return begin.line, f"opens the bracket {bracket}, which is not closed. Close it"
    if "<block end>" in problem or problem.startswith(_OTHER_TOKEN):
        return _unexpected_token(lines, at, begin)
    if problem.startswith("found duplicate key"):
        return at.line, "repeats a key. Keep one of the two"
    if "another document" in problem:
        return at.line, "begins a second document. Remove the line ---"
    return at.line, _bad_beginning(lines, problem, context, at)


def _unexpected_colon(lines: Sequence[str], at: Mark) -> tuple[int, str]:
    """Find why a colon cannot be where it is: in a value, or in a line that belongs elsewhere."""
    if re.search(r":\s", lines[at.line][: at.column]):
        return at.line, f"has a colon in its value. {_IN_QUOTES}"
    above = next((n for n in range(at.line - 1, -1, -1) if _has_content(lines[n])), at.line)
    if _has_no_space(lines[above]):
        return above, _NO_SPACE
    if ":" not in lines[above]:
        return above, _NO_COLON
    return (
        at.line,
        f"is indented deeper than line {above + 1}, which has a value. Indent both equally",
    )


def _unexpected_token(lines: Sequence[str], at: Mark, begin: Mark) -> tuple[int, str]:
    """Find what ends a section too early."""
    before, rest = lines[at.line][: at.column], lines[at.line][at.column :]
    if before.strip():
        for number in range(at.line - 1, begin.line - 1, -1):
            quote = _OPENED.search(lines[number])
            if quote and lines[number].count(quote[1]) % 2:
                return number, "opens a quote that is not closed. Close it"
        if rest[:1] in ("]", "}"):
            return at.line, "has a bracket that closes nothing. Remove it, or use quotes"
        return at.line, "has text after the end of its value. Put the whole value in quotes"
    for number in range(begin.line, at.line):
        if re.match(r"\s*-[^\s-]", lines[number]):
            return number, "has no space after its dash. Write `- value`"
    return (
        at.line,
        "is not indented like the lines of its section. Give all of them the same indentation",
    )


def _bad_beginning(lines: Sequence[str], problem: str, context: str, at: Mark) -> str:
    """Return what is wrong with the beginning of a value, or with a backslash in it."""
    rest = lines[at.line][at.column :]
    if rest.startswith("\t"):
        return "is indented with a tab. Use spaces"
    if "cannot start any token" in problem:
        return f"has a value that begins with {rest[:1]}. {_IN_QUOTES}"
    if "alias" in context or "undefined alias" in problem:
        return f"has a value that begins with *. {_IN_QUOTES}"
    if "unhashable key" in problem:
        return f"has a value that begins with {{{{. {_IN_QUOTES}"
    if "escape character" in problem:
        return "has a backslash in double quotes, where it is special. Use single quotes"
    return ""


def _has_content(line: str) -> bool:
    return bool(line.strip()) and not line.lstrip().startswith("#")


def _has_no_space(line: str) -> bool:
    """Return whether a line is `key:value`, which is a single text."""
    rest = line[_KEY.match(line).end() :]  # type: ignore[union-attr]  # it matches everything
    return re.match(r"[\w.-]+:[^\s:/]", rest) is not None and not re.search(r":(\s|$)", rest)
