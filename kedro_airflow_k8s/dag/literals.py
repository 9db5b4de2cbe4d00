"""Python values as Python source: exact, through `repr`, and formatted."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

WIDTH = 99
"""Line length of the generated file, where the values allow it."""

INDENT = "    "

_SHORT = 60
"""Longest entry of a list or mapping of texts that shares its line with others."""


@dataclass(frozen=True)
class Expression:
    """Code in the generated file, such as a name, which is not quoted."""

    code: str


@dataclass(frozen=True)
class Call:
    """A call in the generated file.

    Attributes:
        name: The name of the function or class.
        keywords: The keyword arguments.
        positional: The positional arguments.
    """

    name: str
    keywords: Mapping[str, Any] = field(default_factory=dict)
    positional: tuple[Any, ...] = ()


def timedelta_call(seconds: int) -> Call:
    """Return a time as a call of `timedelta`, in the units in which people say it."""
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    units = {"days": days, "hours": hours, "minutes": minutes, "seconds": rest}
    return Call("timedelta", {unit: n for unit, n in units.items() if n} or {"seconds": 0})


def literal(value: Any, depth: int = 0, before: int = 0) -> str:
    """Return the source of a value, on as few lines as possible.

    Args:
        value: None, bool, int, finite float, str, list, tuple, dict with str keys, `Expression` or
            `Call`.
        depth: The indentation of its first line, in levels.
        before: The number of characters before it on that line.

    Raises:
        TypeError: If the value is of another type.
    """
    if type(value) in _SCALARS:
        line = _one_line(value)
        fits = len(line) + before <= WIDTH or type(value) is not str
        return line if fits else _long_string(value, line, depth)
    items, opening, closing = _items(value)
    texts = [prefix + _one_line(item) for prefix, item in items]
    inside = ", ".join(texts)
    comma = "," if len(items) == 1 and type(value) is tuple else ""
    line = f"{opening}{inside}{comma}{closing}"
    if len(line) + before <= WIDTH or not items:
        return line
    if len(items) == 1 and type(items[0][1]) in (dict, list, Call) and not comma:
        # Brackets of one entry share their lines with those inside it.
        prefix, item = items[0]
        inner = literal(item, depth, before + len(opening + prefix))
        whole = f"{opening}{prefix}{inner}{closing}"
        if before + len(whole.partition("\n")[0]) <= WIDTH:
            return whole
    indent = INDENT * (depth + 1)
    if len(indent) + len(inside) <= WIDTH and not comma:
        return f"{opening}\n{indent}{inside}\n{INDENT * depth}{closing}"
    # The arguments of a call share lines, so that a DAG of many tasks is not too long, and so do
    # short texts such as labels.
    compact = type(value) is Call or all(
        type(item) in (str, Expression) and len(text) <= _SHORT
        for text, (_, item) in zip(texts, items, strict=True)
    )
    lines: list[str] = []
    for text, (prefix, item) in zip(texts, items, strict=True):
        room = WIDTH - len(indent) - len(",")
        long = len(text) > room
        entry = prefix + literal(item, depth + 1, len(indent + prefix) + 1) if long else text
        if type(value) is Call and type(item) is str and long:
            # An argument needs no brackets around a string of several lines.
            entry = prefix + _string_lines(item, indent, len(prefix))
        shared = f"{lines[-1]}, {entry}" if lines else ""
        if compact and shared and len(shared) <= room and "\n" not in shared:
            lines[-1] = shared
        else:
            lines.append(entry)
    body = "".join(f"{indent}{line},\n" for line in lines)
    return f"{opening}\n{body}{INDENT * depth}{closing}"


def _one_line(value: Any) -> str:
    if type(value) is str:
        return _string(value)
    if type(value) is Expression:
        return value.code
    if type(value) in _SCALARS:
        return repr(value)
    items, opening, closing = _items(value)
    inside = ", ".join([prefix + _one_line(item) for prefix, item in items])
    comma = "," if len(items) == 1 and type(value) is tuple else ""
    return f"{opening}{inside}{comma}{closing}"


_SCALARS = frozenset({str, int, float, bool, type(None), Expression})


def _items(value: Any) -> tuple[list[tuple[str, Any]], str, str]:
    """Return the items of a value, each with its prefix, and the brackets around them."""
    if type(value) is list:
        return [("", item) for item in value], "[", "]"
    if type(value) is tuple:
        return [("", item) for item in value], "(", ")"
    if type(value) is Call:
        keywords = [(f"{name}=", item) for name, item in value.keywords.items()]
        return [*[("", item) for item in value.positional], *keywords], f"{value.name}(", ")"
    if type(value) is dict and all(type(key) is str for key in value):
        return [(f"{_string(key)}: ", item) for key, item in value.items()], "{", "}"
    raise TypeError(f"No literal for {type(value).__name__}.")


def _string(text: str) -> str:
    """Return `repr` of a text, with double quotes if possible, and in ASCII if necessary."""
    if text.isascii() and text.isprintable() and '"' not in text and "\\" not in text:
        return f'"{text}"'
    source = repr(text)
    try:
        source.encode()
    except UnicodeEncodeError:  # A lone surrogate cannot be written to a file.
        source = ascii(text)
    if source[0] == "'" and '"' not in source and "\\'" not in source:
        return f'"{source[1:-1]}"'
    return source


def _long_string(text: str, line: str, depth: int) -> str:
    """Return a long string as several literals in parentheses, which Python joins."""
    indent = INDENT * (depth + 1)
    lines = _string_lines(text, indent, 0)
    fits = max(map(len, lines.splitlines()), default=0) + len(indent) <= WIDTH
    return f"(\n{indent}{lines}\n{INDENT * depth})" if fits or "\n" in lines else line


def _string_lines(text: str, indent: str, before: int) -> str:
    """Return a string as literals, one on each line, split at spaces and ends of lines.

    Args:
        text: The string.
        indent: The indentation of the lines after the first.
        before: The number of characters before the first literal, without the indentation.
    """
    parts: list[str] = [] if text else [""]
    for whole in text.splitlines(keepends=True):
        part = ""
        for word in re.findall(r"\s*\S+\s*$|\s*\S+|\s+", whole):
            room = WIDTH - len(indent) - 1 - (0 if parts else before)
            if part and len(_string(part + word)) > room:
                parts.append(part)
                part = ""
            part += word
        parts.append(part)
    return f"\n{indent}".join(map(_string, parts))


def with_names(value: Any, constants: Mapping[str, str]) -> Any:
    """Return a value with the constants of names in place of these names.

    Args:
        value: A text, or a list or mapping with texts.
        constants: The constants, by the texts that they replace.
    """
    if isinstance(value, Mapping):
        return {key: with_names(item, constants) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [with_names(item, constants) for item in value]
    if not isinstance(value, str):
        return value
    parts: list[str | Expression] = [value]
    for text, constant in constants.items():
        parts = [part for each in parts for part in _split(each, text, Expression(constant))]
    if all(isinstance(part, str) for part in parts):
        return value
    found = [part for part in parts if part != ""]
    return Expression(" + ".join(literal(part, 0, -(10**6)) for part in found))


def _split(part: str | Expression, text: str, constant: Expression) -> list[str | Expression]:
    if isinstance(part, Expression):
        return [part]
    found: list[str | Expression] = []
    for index, each in enumerate(part.split(text)):
        found += [constant, each] if index else [each]
    return found
