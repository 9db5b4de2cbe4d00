"""What a Python file says, without running it."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator


def called(nodes: Iterable[ast.AST]) -> set[str]:
    """What is called, as written; of a call on a call, the method."""
    found = set()
    for node in nodes:
        if isinstance(node, ast.Call):
            chained = isinstance(node.func, ast.Attribute) and isinstance(node.func.value, ast.Call)
            found.add(
                f".{node.func.attr}"
                if chained and isinstance(node.func, ast.Attribute)
                else ast.unparse(node.func)
            )
    return found


def bound(tree: ast.Module) -> Iterator[str]:
    """Each name that the module binds, as often as it does."""
    yield from imported(ast.walk(tree))
    for statement in statements(tree.body):
        if isinstance(statement, ast.FunctionDef | ast.ClassDef):
            yield statement.name
        targets = statement.targets if isinstance(statement, ast.Assign) else []
        targets += [statement.target] if isinstance(statement, ast.AnnAssign) else []
        for target in targets:
            for part in target.elts if isinstance(target, ast.Tuple) else [target]:
                assert isinstance(part, ast.Name)
                yield part.id
        if isinstance(statement, ast.With):
            found = [item.optional_vars for item in statement.items]
            yield from (name.id for name in found if isinstance(name, ast.Name))


def statements(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """The statements of a module, and those inside its `with`, without those of functions."""
    for statement in body:
        yield statement
        if isinstance(statement, ast.With):
            yield from statements(statement.body)


def imported(nodes: Iterable[ast.AST]) -> Iterator[str]:
    """Each name that an import binds."""
    for node in nodes:
        if isinstance(node, ast.alias):
            yield node.asname or node.name.partition(".")[0]
