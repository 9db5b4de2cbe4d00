"""Classes in the files of installed packages, found by their syntax: nothing is imported.

A name in a module is a class, an import, an assignment, or an entry of the table that lazy_loader
gets. What the syntax does not tell, such as a module's own `__getattr__`, is `UNKNOWN`.
"""

from __future__ import annotations

import ast
import builtins
import importlib.util
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

_ROOTS = ("AbstractDataset", "AbstractVersionedDataset")
_EMPTY_ROOT = ast.ClassDef(_ROOTS[0], bases=[], keywords=[], body=[], decorator_list=[])
# Longer chains of imports or base classes than any package has; they may be circular.
_DEEPEST = 30


@dataclass(frozen=True)
class Found:
    """A name that a module has.

    Attributes:
        module: The module that defines it.
        node: The class; None where the syntax does not tell what it is.
    """

    module: str
    node: ast.ClassDef | None = None


@dataclass(frozen=True)
class Constructor:
    """The arguments of a class.

    Attributes:
        names: All that it takes by name.
        required: Those that have no default.
        takes_all: Whether it takes any other name as well.
    """

    names: frozenset[str]
    required: frozenset[str]
    takes_all: bool


@dataclass
class _Names:
    """What a module's file says of its names."""

    classes: dict[str, ast.ClassDef] = field(default_factory=dict)
    # Name, to the module and the name in it; without a name in it, the module itself.
    imports: dict[str, tuple[str, str]] = field(default_factory=dict)
    others: set[str] = field(default_factory=set)
    stars: list[str] = field(default_factory=list)


def module_exists(module: str) -> bool:
    """Return whether a module or a package is installed."""
    return _file_of(module) is not None


def find(module: str, name: str, depth: int = 0) -> Found | None:
    """Return what a module has under a name, or None if it certainly has nothing."""
    file = _file_of(module)
    if file is None:
        return None
    names = _names(module, file) if file.suffix == ".py" else None
    if names is None or depth > _DEEPEST:
        return Found(module)
    if name in names.classes:
        return Found(module, names.classes[name])
    if name in names.imports:
        other, original = names.imports[name]
        # What is imported from a package that is not here may be anything.
        if not original or not module_exists(other):
            return Found(module)
        return find(other, original, depth + 1)
    if name in names.others or "__getattr__" in names.others:
        return Found(module)
    for star in names.stars:
        # A module that is not here may have any name.
        found = find(star, name, depth + 1) if module_exists(star) else Found(module)
        if found is not None:
            return found
    return None


def is_dataset(found: Found) -> bool | None:
    """Return whether a class is one of Kedro's datasets; None where its bases do not tell."""
    if found.node is None:
        return None
    if found.node.name in _ROOTS:
        return True
    answers = [None if base is None else is_dataset(base) for base in _bases(found)]
    if True in answers:
        return True
    return None if None in answers else False


def constructor(found: Found, depth: int = 0) -> Constructor | None:
    """Return the arguments that a class takes, or None where the syntax does not tell."""
    node = found.node
    if node is None or node.decorator_list or node.keywords or depth > _DEEPEST:
        return None
    functions = {part.name: part for part in node.body if isinstance(part, ast.FunctionDef)}
    if {"__new__", "from_config"} & functions.keys() and node.name not in _ROOTS:
        return None
    own = functions.get("__init__")
    if own is not None:
        return None if own.decorator_list else _arguments(own.args)
    for base in _bases(found):
        if base is None:
            return None
        inherited = constructor(base, depth + 1)
        if inherited is not None:
            return inherited
    return None


def _arguments(args: ast.arguments) -> Constructor:
    ordinary = [arg.arg for arg in args.args[1:]]
    optional = set(ordinary[len(ordinary) - len(args.defaults) :] if args.defaults else [])
    optional |= {
        arg.arg for arg, default in zip(args.kwonlyargs, args.kw_defaults, strict=True) if default
    }
    names = {*ordinary, *(arg.arg for arg in args.kwonlyargs)}
    return Constructor(
        names=frozenset(names),
        required=frozenset(names - optional),
        takes_all=args.kwarg is not None,
    )


def _bases(found: Found) -> Iterator[Found | None]:
    """Yield the base classes; None for one that is unknown. Python's own have no part in it."""
    for base in found.node.bases if found.node else ():
        expression = base.value if isinstance(base, ast.Subscript) else base
        dotted = _dotted(expression)
        if len(dotted) == 1 and hasattr(builtins, dotted[0]):
            continue
        if dotted[-1:] and dotted[-1] in _ROOTS:
            # To read Kedro's own file would take as long as all the rest.
            yield Found("kedro.io", _EMPTY_ROOT)
            continue
        resolved = _resolve(found.module, dotted) if dotted else None
        yield None if resolved is None or resolved.node is None else resolved


def _dotted(expression: ast.expr) -> list[str]:
    if isinstance(expression, ast.Name):
        return [expression.id]
    if isinstance(expression, ast.Attribute):
        before = _dotted(expression.value)
        return [*before, expression.attr] if before else []
    return []


def _resolve(module: str, dotted: Sequence[str]) -> Found | None:
    """Return what a dotted name is in a module."""
    if len(dotted) == 1:
        return find(module, dotted[0])
    file = _file_of(module)
    if file is None or file.suffix != ".py":
        return None
    other, name = _names(module, file).imports.get(dotted[0], ("", ""))
    target = ".".join(part for part in (other, name, *dotted[1:-1]) if part)
    return find(target, dotted[-1]) if target else None


@cache
def _file_of(module: str) -> Path | None:
    """Return the file of a module or a package; None if it does not exist.

    Python itself finds only the top package: for a module below, it would import those above. A
    module that is not made of a Python file has a path without that suffix.
    """
    top, *rest = module.split(".")
    try:
        spec = importlib.util.find_spec(top) if top else None
    except (ImportError, ValueError):
        return None
    if spec is None:
        return None
    if not rest and spec.submodule_search_locations is None:
        return Path(spec.origin or top)
    for location in spec.submodule_search_locations or ():
        folder = Path(location, *rest)
        for file in (folder / "__init__.py", folder.with_suffix(".py")):
            if file.is_file():
                return file
        if folder.is_dir() and any(folder.glob("*.py")):
            # A namespace: it has modules, and no names.
            return Path(folder, "__init__.py")
        if list(folder.parent.glob(f"{folder.name}.*.so")):
            return folder
    return None


@cache
def _names(module: str, file: Path) -> _Names:
    names = _Names()
    if not file.is_file():
        return names
    try:
        tree = ast.parse(file.read_text("utf-8", "replace"))
    except (SyntaxError, ValueError):
        # Its import reports that; here it may have any name.
        names.others.add("__getattr__")
        return names
    package = module if file.name == "__init__.py" else module.rpartition(".")[0]
    for statement in _statements(tree.body):
        _note(statement, names, package)
    return names


def _statements(body: Sequence[ast.stmt]) -> Iterator[ast.stmt]:
    """Yield the statements of a module, also those inside `if`, `try` and `with`."""
    for statement in body:
        yield statement
        for block in ("body", "orelse", "finalbody"):
            if not isinstance(statement, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                yield from _statements(getattr(statement, block, []))
        for handler in getattr(statement, "handlers", []):
            yield from _statements(handler.body)


def _note(statement: ast.stmt, names: _Names, package: str) -> None:
    """Note the names that a statement binds."""
    if isinstance(statement, ast.ClassDef):
        names.classes[statement.name] = statement
    elif isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef):
        names.others.add(statement.name)
    elif isinstance(statement, ast.Import):
        for alias in statement.names:
            bound = alias.asname or alias.name.partition(".")[0]
            names.imports[bound] = (alias.name if alias.asname else bound, "")
    elif isinstance(statement, ast.ImportFrom):
        _note_import(statement, names, package)
    elif isinstance(statement, ast.Assign):
        _note_assignment(statement, names, package)
    elif isinstance(statement, ast.AnnAssign) and statement.value is not None:
        names.others |= set(_dotted(statement.target)[:1])


def _note_import(statement: ast.ImportFrom, names: _Names, package: str) -> None:
    parts = package.split(".")
    start = ".".join(parts[: len(parts) - statement.level + 1]) if statement.level else ""
    source = ".".join(part for part in (start, statement.module or "") if part)
    for alias in statement.names:
        if alias.name == "*":
            names.stars.append(source)
        else:
            names.imports[alias.asname or alias.name] = (source, alias.name)


def _note_assignment(statement: ast.Assign, names: _Names, package: str) -> None:
    table = _lazy_table(statement.value)
    for submodule, exported in table:
        for name in exported:
            names.imports.setdefault(name, (f"{package}.{submodule}", name))
    targets = {
        part.id for t in statement.targets for part in ast.walk(t) if isinstance(part, ast.Name)
    }
    names.others |= targets - ({"__getattr__"} if table else set())


def _lazy_table(value: ast.expr) -> list[tuple[str, list[str]]]:
    """Return the submodules and their names in a call of lazy_loader's `attach`."""
    if not isinstance(value, ast.Call) or _dotted(value.func)[-1:] != ["attach"]:
        return []
    arguments = [*value.args[2:3], *(k.value for k in value.keywords if k.arg == "submod_attrs")]
    try:
        return [
            (str(key), list(map(str, exported)))
            for argument in arguments
            for key, exported in ast.literal_eval(argument).items()
        ]
    except (ValueError, AttributeError):
        return []
