"""The import statements of a DAG file, and the text of the modules in `operators/`."""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterable, Sequence
from importlib.resources import files

from kedro_airflow_k8s.dag.literals import INDENT, WIDTH

_OWN = "kedro_airflow_k8s"
_THIRD_PARTY = ("airflow", "jinja2", "kubernetes", "pendulum", "requests", "urllib3")


def embedded(
    operators: Sequence[str], imports: Iterable[str], moved: Collection[str]
) -> tuple[str, list[str]]:
    """Return the import statements of a file, and the text of operator modules without imports.

    Args:
        operators: Names of modules in `operators/`.
        imports: The import statements that the rest of the file needs.
        moved: Names from `compat.py` and `partitions.py` in `operators/` that the file needs.
    """
    trees = [ast.parse("\n".join(imports))]
    bodies = []
    for module in operators:
        source = _source(module)
        tree = ast.parse(source)
        trees.append(tree)
        header = [n for n in tree.body if isinstance(n, ast.Import | ast.ImportFrom | ast.Expr)]
        last_line = max(node.end_lineno or 0 for node in header)
        bodies.append("".join(source.splitlines(keepends=True)[last_line:]).strip())
    if moved:
        bodies.append(_compat(moved))
    return _merged(trees), bodies


def _source(module: str) -> str:
    return files(f"{_OWN}.dag.operators").joinpath(f"{module}.py").read_text("utf-8")


def _compat(names: Collection[str]) -> str:
    """Return the statements of `compat.py` and `partitions.py` that define names."""
    texts = []
    for source in map(_source, ("compat", "partitions")):
        body = ast.parse(source).body
        statements = [node for node in body if isinstance(node, ast.Try | ast.Assign)]
        texts += [ast.get_source_segment(source, node) or "" for node in statements]
    return "\n".join(text for text in texts if names_in("", [text]) & {*names})


def names_in(imports: str, bodies: Iterable[str]) -> set[str]:
    """Return the names that imports and operator modules define in a file."""
    tree = ast.parse("\n".join((imports, *bodies)))
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.alias):
            found.add(node.asname or node.name.partition(".")[0])
    for statement in tree.body:
        if isinstance(statement, ast.FunctionDef | ast.ClassDef):
            found.add(statement.name)
        for target in statement.targets if isinstance(statement, ast.Assign) else []:
            found.update(n.id for n in ast.walk(target) if isinstance(n, ast.Name))
    return found


def _merged(trees: list[ast.Module]) -> str:
    """Return one import statement for each module, the standard library first."""
    plain: set[str] = set()
    members: dict[str, set[str]] = {}
    for node in (node for tree in trees for node in tree.body):
        if isinstance(node, ast.Import):
            plain.update(alias.name for alias in node.names)
        # Operator modules that import each other are all in the file.
        elif isinstance(node, ast.ImportFrom) and not str(node.module).startswith(_OWN):
            aliases = {f"{a.name} as {a.asname}" if a.asname else a.name for a in node.names}
            members.setdefault(node.module or "", set()).update(aliases)
    future = members.pop("__future__", set())
    lines = [(name, f"import {name}") for name in sorted(plain)]
    for module in sorted(members):
        ordered = sorted((name for name in members[module] if " as " not in name), key=_order)
        line = f"from {module} import {', '.join(ordered)}"
        if len(line) > WIDTH:
            inside = "".join(f"{INDENT}{name},\n" for name in ordered)
            line = f"from {module} import (\n{inside})"
        if ordered:
            lines.append((module, line))
        # Like isort, keep `import a as b` as a separate statement.
        renamed = sorted(name for name in members[module] if " as " in name)
        lines += [(module, f"from {module} import {name}") for name in renamed]
    own = [line for module, line in lines if module.split(".")[0] not in _THIRD_PARTY]
    third = [line for module, line in lines if module.split(".")[0] in _THIRD_PARTY]
    blocks = [[f"from __future__ import {', '.join(sorted(future))}"] if future else [], own, third]
    return "\n\n".join("\n".join(block) for block in blocks if block)


def _order(name: str) -> tuple[int, str]:
    """Return a sort key: constants, then classes, then functions, as in ruff and isort."""
    return (0 if name.isupper() else 1 if name[0].isupper() else 2, name)
