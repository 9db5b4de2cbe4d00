"""Whether a function of a module has other code than before."""

from __future__ import annotations

import ast
from collections.abc import Iterator


def has_changed(name: str, before: str, now: str) -> bool:
    """Return whether a function of a module has changed, or what it uses there.

    That is what the function and the functions that it calls say, and all that is outside of
    functions, which may change what they do. Comments do not count.

    Args:
        name: The function.
        before: The source of the module as it was.
        now: The source as it is.
    """
    try:
        old, new = _Module(before), _Module(now)
    except (SyntaxError, ValueError):
        return True
    if not {name} <= old.functions.keys() & new.functions.keys() or old.rest != new.rest:
        return True
    used = {*new.used_by(name)}
    return any(old.functions.get(each) != new.functions.get(each) for each in used)


class _Module:
    """The functions of a module, as texts by name, and the rest of it."""

    def __init__(self, source: str) -> None:
        self.functions: dict[str, str] = {}
        self._names: dict[str, set[str]] = {"": set()}
        self.rest = ""
        for statement in ast.parse(source).body:
            name = ""
            if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef):
                name = statement.name
                self.functions[name] = self.functions.get(name, "") + ast.dump(statement)
            else:
                self.rest += ast.dump(statement)
            names = {node.id for node in ast.walk(statement) if isinstance(node, ast.Name)}
            self._names.setdefault(name, set()).update(names)

    def used_by(self, name: str) -> Iterator[str]:
        """Yield the function, and those that it or the rest of the module names."""
        waiting, seen = ["", name], set()
        while waiting:
            each = waiting.pop()
            if each not in seen:
                seen.add(each)
                waiting += self._names.get(each, ())
                yield each
