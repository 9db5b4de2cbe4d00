"""Converts the logs of tasks from the formats of Airflow 2.11 and 3 to lines of text."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

_SOURCES = "::group::Log message source details"
_GROUP = re.compile(r"::(group::.*|endgroup::)\s*$")


def page_lines(content: Any) -> list[str]:
    """Return the lines of one page.

    Args:
        content: On Airflow 3, a list of events or lines. On Airflow 2, the source of a Python list
            of pairs of host and text.
    """
    if isinstance(content, str):
        return [line for text in _texts(content) for line in text.splitlines()]
    lines: list[str] = []
    for event in content if isinstance(content, list) else ():
        lines += _event(event) if isinstance(event, Mapping) else str(event).splitlines()
    return lines


def clean_lines(lines: Iterable[str]) -> Iterator[str]:
    """Yield the lines without the markers of groups and the sources of the log."""
    in_sources = False
    for line in lines:
        if line.rstrip().endswith(_SOURCES):
            in_sources = True
        elif _GROUP.search(line):
            in_sources = False
        elif not in_sources:
            yield line


def _texts(content: str) -> list[str]:
    try:
        pairs = ast.literal_eval(content)
        return [text for _, text in pairs if isinstance(text, str)]
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return [content]


def _event(event: Mapping[str, Any]) -> list[str]:
    """Return the lines of a structured message: time, level, text, and the errors it holds."""
    first, *more = str(event.get("event", "")).splitlines() or [""]
    time, level = event.get("timestamp"), event.get("level")
    head = f"[{time}] " if time else ""
    if level:
        head += f"{str(level).upper()} - "
    errors = event.get("error_detail")
    return [head + first, *more, *(_traceback(errors) if isinstance(errors, list) else ())]


def _traceback(errors: list[Any]) -> Iterator[str]:
    """Yield errors as Python prints them: the first cause, last in the list, comes first."""
    chain = [error for error in errors if isinstance(error, Mapping)]
    for error in reversed(chain):
        yield "Traceback (most recent call last):"
        for frame in error.get("frames") or ():
            file, line = frame.get("filename"), frame.get("lineno")
            yield f'  File "{file}", line {line}, in {frame.get("name")}'
        value = str(error.get("exc_value") or "")
        yield from f"{error.get('exc_type')}{': ' if value else ''}{value}".splitlines()
        yield from (str(note) for note in error.get("exc_notes") or ())
        if error is not chain[0]:
            caused = "The above exception was the direct cause of the following exception:"
            handled = "During handling of the above exception, another exception occurred:"
            yield from ("", caused if error.get("is_cause") else handled, "")
