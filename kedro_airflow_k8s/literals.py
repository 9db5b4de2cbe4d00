"""Python values as Python source: exact, through `repr`, and laid out for a reader."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

WIDTH = 99
"""Columns of the generated file, where the values allow it."""

INDENT = "    "


@dataclass(frozen=True)
class Expression:
    """A name of the generated file, to stand for itself and not as a string."""

    code: str


@dataclass(frozen=True)
class Call:
    """A call in the generated file.

    Attributes:
        name: What is called.
        keywords: The keyword arguments.
        positional: The positional arguments.
    """

    name: str
    keywords: Mapping[str, Any] = field(default_factory=dict)
    positional: tuple[Any, ...] = ()


def literal(value: Any, depth: int = 0, before: int = 0) -> str:
    """The source of a value.

    Args:
        value: None, bool, int, str, list, tuple, dict with str keys, `Expression` or `Call`.
        depth: The indentation of the line it begins on, in levels.
        before: How many characters stand before it on that line.

    Raises:
        TypeError: If the value is of another type.
    """
    line = _one_line(value)
    if len(line) + before <= WIDTH and "\n" not in line:
        return line
    if isinstance(value, str):
        return _long_string(value, line, depth)
    items, opening, closing = _items(value)
    if not items:
        return line
    indent = INDENT * (depth + 1)
    lines = [
        f"{indent}{prefix}{literal(item, depth + 1, len(indent) + len(prefix) + 1)},\n"
        for prefix, item in items
    ]
    return f"{opening}\n{''.join(lines)}{INDENT * depth}{closing}"


def _one_line(value: Any) -> str:
    if isinstance(value, str):
        return _string(value)
    if value is None or isinstance(value, bool | int):
        return repr(value)
    if isinstance(value, Expression):
        return value.code
    items, opening, closing = _items(value)
    inside = ", ".join(prefix + _one_line(item) for prefix, item in items)
    if isinstance(value, tuple) and len(items) == 1:
        inside += ","
    return f"{opening}{inside}{closing}"


def _items(value: Any) -> tuple[list[tuple[str, Any]], str, str]:
    """What stands between the brackets, each with what stands before it, and the brackets."""
    if isinstance(value, Call):
        keywords = [(f"{name}=", item) for name, item in value.keywords.items()]
        return [*(("", item) for item in value.positional), *keywords], f"{value.name}(", ")"
    if isinstance(value, Mapping) and all(isinstance(key, str) for key in value):
        return [(f"{_string(key)}: ", item) for key, item in value.items()], "{", "}"
    if isinstance(value, list | tuple):
        brackets = "()" if isinstance(value, tuple) else "[]"
        return [("", item) for item in value], brackets[0], brackets[1]
    if isinstance(value, str) or value is None or isinstance(value, int | Expression):
        return [], "", ""
    raise TypeError(f"No literal for {type(value).__name__}.")


def _string(text: str) -> str:
    """`repr`, with double quotes where that changes nothing else, and ASCII where it must be."""
    source = repr(text)
    try:
        source.encode()
    except UnicodeEncodeError:  # A lone surrogate cannot be written to a file.
        source = ascii(text)
    if source[0] == "'" and '"' not in source and "\\'" not in source:
        return f'"{source[1:-1]}"'
    return source


def _long_string(text: str, line: str, depth: int) -> str:
    """A string of several lines as one literal a line; Python joins them."""
    parts = text.splitlines(keepends=True)
    if len(parts) < 2:
        return line
    indent = INDENT * (depth + 1)
    return "(\n" + "".join(f"{indent}{_string(part)}\n" for part in parts) + f"{INDENT * depth})"
