"""Values as a DAG file writes them, what differs between two, and how to say it."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

SHOWN = 100
"""Characters of a value that are shown."""


@dataclass(frozen=True)
class Code:
    """An expression that only a run could evaluate, as its source."""

    text: str


@dataclass(frozen=True)
class Named:
    """A value that is too long to show, and what is shown of it."""

    text: str
    value: Any


@dataclass(frozen=True)
class CallValue:
    """A call that nobody made.

    Attributes:
        name: What is called.
        arguments: Its arguments by name; those without by their number.
        methods: What is called on its result, in the order of the calls.
    """

    name: str
    arguments: dict[str, Any] = field(default_factory=dict)
    methods: tuple[str, ...] = ()


class _Missing:
    """The type of what is not there."""


MISSING: Final = _Missing()
"""In place of a value: there is none."""


def evaluate(node: ast.expr, names: Mapping[str, Any]) -> Any:
    """The value of an expression, as far as it can be had without running anything.

    Args:
        node: The expression.
        names: The values of names.
    """
    if isinstance(node, ast.Constant) and isinstance(node.value, str | int | float | None):
        return node.value
    if isinstance(node, ast.Name) and node.id in names:
        return names[node.id]
    if isinstance(node, ast.List | ast.Tuple):
        return [evaluate(item, names) for item in node.elts]
    if isinstance(node, ast.Dict):
        keys = [key.value if isinstance(key, ast.Constant) else None for key in node.keys]
        if all(isinstance(key, str) for key in keys):
            values = [evaluate(value, names) for value in node.values]
            return dict(zip(keys, values, strict=True))
    if isinstance(node, ast.Call):
        return _call(node, names)
    if isinstance(node, ast.UnaryOp) and isinstance(node.operand, ast.Constant):
        number = node.operand.value
        if isinstance(node.op, ast.USub) and isinstance(number, int | float):
            return -number
    return Code(ast.unparse(node))


def _call(node: ast.Call, names: Mapping[str, Any]) -> CallValue | Code:
    methods: list[str] = []
    while isinstance(node.func, ast.Attribute) and isinstance(node.func.value, ast.Call):
        arguments = [*node.args, *node.keywords]
        methods.append(f"{node.func.attr}({', '.join(ast.unparse(part) for part in arguments)})")
        node = node.func.value
    if any(isinstance(part, ast.Starred) for part in node.args):
        return Code(ast.unparse(node))
    values = {str(index): evaluate(part, names) for index, part in enumerate(node.args)}
    values |= {keyword.arg or "**": evaluate(keyword.value, names) for keyword in node.keywords}
    return CallValue(ast.unparse(node.func), values, tuple(reversed(methods)))


Path = tuple[str, ...]


def differences(old: Any, new: Any, path: Path = ()) -> Iterator[tuple[Path, Any, Any]]:
    """Each place where two values differ, and what is there; MISSING where nothing is.

    Mappings are compared key by key, calls of one function argument by argument, and lists of
    mappings that have names by these names. The order of keys and of names is no difference.
    """
    old_parts, new_parts = _parts(old), _parts(new)
    if old_parts is None or new_parts is None or old_parts[0] != new_parts[0]:
        if not same(old, new):
            yield path, old, new
        return
    for key in (*old_parts[1], *(key for key in new_parts[1] if key not in old_parts[1])):
        yield from differences(
            old_parts[1].get(key, MISSING), new_parts[1].get(key, MISSING), (*path, key)
        )


def same(old: Any, new: Any) -> bool:
    """Whether two values are equal and of one type."""
    return type(old) is type(new) and repr(old) == repr(new)


def _parts(value: Any) -> tuple[str, dict[str, Any]] | None:
    """The parts of a value by their names, and what holds them."""
    if isinstance(value, dict):
        return "mapping", value
    if isinstance(value, CallValue) and not _is_time(value):
        return f"{value.name}{value.methods}", value.arguments
    if isinstance(value, list) and value:
        names = [item.get("name") if isinstance(item, dict) else None for item in value]
        if all(isinstance(name, str) for name in names) and len(set(names)) == len(names):
            return "named", {str(item["name"]): item for item in value}
    return None


def in_words(label: str, old: Any, new: Any) -> str:
    """What happens to a value, in one line with `+`, `-` or `~` before it."""
    if old is MISSING:
        return f"+ {label}: {show(new)}"
    if new is MISSING:
        return f"- {label}: {show(old)}"
    if _is_plain_list(old) and _is_plain_list(new):
        added = [item for item in new if not any(same(item, other) for other in old)]
        gone = [item for item in old if not any(same(item, other) for other in new)]
        if old and new and len(added) + len(gone) < max(len(old), len(new)):
            changes = [f"added {show(added)}"] if added else []
            changes += [f"removed {show(gone)}"] if gone else []
            return f"~ {label}: {'; '.join(changes) or 'in another order'}"
    before, after = show(old), show(new)
    if before == after:
        before, after = _cut(repr(old)), _cut(repr(new))
    if before == after:
        return f"~ {label}: changed behind {before}"
    return f"~ {label}: {before} -> {after}"


def show(value: Any) -> str:
    """A value for a person to read, on one line and not too long."""
    return _cut(_show(value))


def _cut(text: str) -> str:
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 3]}..."


def _is_plain_list(value: Any) -> bool:
    return isinstance(value, list) and not any(
        isinstance(item, list | dict | CallValue) for item in value
    )


def _show(value: Any) -> str:
    if value is None or value == [] or value == {}:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        plain = value.isprintable() and value == value.strip() and value
        return value if plain and '"' not in value else repr(value)
    if isinstance(value, list):
        return ", ".join(_in_brackets(item) for item in value)
    if isinstance(value, dict):
        return ", ".join(f"{key}={_in_brackets(item)}" for key, item in _flat(value))
    if isinstance(value, Code | Named):
        return value.text
    if isinstance(value, CallValue):
        return _show_call(value)
    return str(value)


def _flat(value: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """The values of mappings in mappings, with dots between the keys."""
    for key, item in value.items():
        if isinstance(item, dict) and item:
            yield from _flat(item, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", item


def _in_brackets(value: Any) -> str:
    text = _show(value)
    return f"({text})" if isinstance(value, list | dict) and len(value) > 1 else text


def _is_time(call: CallValue) -> bool:
    return call.name in ("datetime", "pendulum.datetime", "timedelta")


def _show_call(call: CallValue) -> str:
    numbers = [call.arguments.get(key) for key in ("0", "1", "2")]
    if _is_time(call) and all(isinstance(number, int) for number in numbers):
        year, month, day = numbers
        rest = {key: value for key, value in call.arguments.items() if key not in ("0", "1", "2")}
        zone = _show(rest.get("tz") or rest.get("tzinfo") or "").replace("timezone.utc", "UTC")
        return f"{year:04}-{month:02}-{day:02} {zone}"
    if call.name == "timedelta":
        return _show(call.arguments).replace("=", " ")
    return f"{call.name.rpartition('.')[2]}({_show(call.arguments)})"
