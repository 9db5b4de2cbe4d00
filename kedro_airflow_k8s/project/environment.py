"""What a project takes from the environment: in its configuration's files, and in its code."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from kedro.framework.project import settings

from kedro_airflow_k8s.dynamic_config.loader import UNESCAPED
from kedro_airflow_k8s.dynamic_config.resolver import environment_resolvers
from kedro_airflow_k8s.project.config_files import CONFIG_NAME
from kedro_airflow_k8s.project.image import ProjectImage
from kedro_airflow_k8s.project.reader import KedroProject

_NAME = re.compile(r"[A-Za-z_]\w*\Z")
_GETTERS = frozenset(("get", "getenv", "setdefault", "pop"))


@dataclass(frozen=True)
class VariableUse:
    """An environment variable that the project takes.

    Attributes:
        name: Its name.
        place: The file, and in code the line.
        is_needed: Whether nothing takes the place of a missing variable.
    """

    name: str
    place: str
    is_needed: bool


@dataclass(frozen=True)
class CodeVariables:
    """What the project's code does with environment variables.

    Attributes:
        uses: What it takes.
        set_here: The names that it sets itself.
    """

    uses: tuple[VariableUse, ...]
    set_here: frozenset[str]


def config_uses(
    project: KedroProject, image: ProjectImage, given: frozenset[str]
) -> tuple[VariableUse, ...]:
    """Return the variables that files of the configuration take with `${oc.env:NAME}`.

    Files that the image lacks do not count.

    Args:
        project: The project.
        image: What the image will hold.
        given: The variables that pods have: for these no default is used.
    """
    names = {"oc.env", *environment_resolvers(settings.CONFIG_LOADER_ARGS)}
    kinds = set(project.config_patterns) - {CONFIG_NAME}
    if "mlflow" in kinds and project.mlflow is None:
        kinds.remove("mlflow")
    found: dict[VariableUse, None] = {}
    seen: set[Path] = set()
    for kind in sorted(kinds):
        for file in project.config_files(kind):
            inside = file.is_relative_to(project.path)
            place = file.relative_to(project.path).as_posix() if inside else str(file)
            if file in seen or (inside and image.lacks(place)):
                continue
            seen.add(file)
            for text in _texts_of(file, names):
                for name, is_needed in _variables(text, names, given):
                    found[VariableUse(name, place, is_needed)] = None
    return tuple(found)


def code_variables(project: KedroProject) -> CodeVariables:
    """Return what the modules that have been imported take from the environment.

    Only names that are written as texts are seen.
    """
    uses: dict[VariableUse, None] = {}
    set_here: set[str] = set()
    for path in imported_files(project):
        file = project.path / path
        try:
            text = file.read_text(encoding="utf-8", errors="replace")
            tree = ast.parse(text) if "environ" in text or "getenv" in text else None
        except (OSError, SyntaxError):
            continue
        if tree is not None:
            tested = _tested(tree)
            for node in _unguarded(tree):
                name, is_needed, sets = _access(node)
                if sets:
                    set_here.add(name)
                elif name and not (is_needed and name in tested):
                    line = getattr(node, "lineno", 0)
                    uses[VariableUse(name, f"{path}:{line}", is_needed)] = None
    return CodeVariables(tuple(uses), frozenset(set_here))


def imported_files(project: KedroProject) -> list[str]:
    """Return the project's own files that have been imported, relative to the project."""
    found = set()
    source = f"{project.source_path}/"
    for module in list(sys.modules.values()):
        name = getattr(module, "__file__", None)
        if isinstance(name, str) and name.startswith(source):
            path = Path(name)
            if "site-packages" not in path.parts and path.is_relative_to(project.path):
                found.add(path.relative_to(project.path).as_posix())
    return sorted(found)


def _texts_of(file: Path, names: Iterable[str]) -> Iterator[str]:
    text = file.read_text(encoding="utf-8", errors="replace")
    if not any(name in text for name in names):
        return
    try:
        yield from _texts(yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)))  # noqa: S506 - both are safe
    except yaml.YAMLError:
        return


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list | dict):
        for part in value.values() if isinstance(value, dict) else value:
            yield from _texts(part)


def _variables(
    text: str, names: Iterable[str], given: frozenset[str]
) -> Iterator[tuple[str, bool]]:
    """Yield the variables of a text, each with whether it is needed.

    A default counts where the variable is not given, and may take other variables.
    """
    resolvers = "|".join(re.escape(name) for name in sorted(names))
    begin = re.compile(rf"{UNESCAPED}\$\{{\s*(?:{resolvers})\s*:")
    position = 0
    while found := begin.search(text, position):
        inside, position = _until_brace(text, found.end())
        name, comma, default = _split(inside)
        name = name.strip().strip("'\"")
        if _NAME.match(name):
            yield name, not comma
        if comma and name not in given:
            yield from _variables(default, names, given)


def _until_brace(text: str, start: int) -> tuple[str, int]:
    """Return the text up to the brace that ends an interpolation, and where it ends."""
    depth = 1
    for position in range(start, len(text)):
        if text[position] == "{":
            depth += 1
        elif text[position] == "}":
            depth -= 1
            if not depth:
                return text[start:position], position + 1
    return text[start:], len(text)


def _split(inside: str) -> tuple[str, str, str]:
    """Return the first argument, and the rest if there is a comma outside of braces."""
    depth = 0
    for position, letter in enumerate(inside):
        depth += (letter == "{") - (letter == "}")
        if letter == "," and not depth:
            return inside[:position], ",", inside[position + 1 :]
    return inside, "", ""


def _unguarded(node: ast.AST, *, guarded: bool = False) -> Iterator[ast.AST]:
    """Yield the nodes of a tree; of a `try` with handlers, only what sets or has a default."""
    for child in ast.iter_child_nodes(node):
        inside = guarded or (isinstance(node, ast.Try) and bool(node.handlers))
        if not (inside and isinstance(child, ast.Subscript) and isinstance(child.ctx, ast.Load)):
            yield child
        yield from _unguarded(child, guarded=inside)


def _tested(tree: ast.AST) -> set[str]:
    """Return the names of which a module asks whether they are set."""
    return {
        node.left.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Compare)
        and isinstance(node.left, ast.Constant)
        and isinstance(node.left.value, str)
        and any(_is_environ(other) for other in node.comparators)
    }


def _access(node: ast.AST) -> tuple[str, bool, bool]:
    """Return the variable that an expression takes: its name, whether needed, whether it is set."""
    if isinstance(node, ast.Subscript) and _is_environ(node.value):
        return _constant(node.slice), True, not isinstance(node.ctx, ast.Load)
    if isinstance(node, ast.Call) and node.args:
        function = node.func
        name = function.attr if isinstance(function, ast.Attribute) else None
        if isinstance(function, ast.Name):
            name = function.id
        of_environ = isinstance(function, ast.Attribute) and _is_environ(function.value)
        if name == "getenv" or (of_environ and name in _GETTERS):
            return _constant(node.args[0]), False, name == "setdefault"
    return "", False, False


def _constant(node: ast.AST) -> str:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def _is_environ(node: ast.AST) -> bool:
    if isinstance(node, ast.Attribute):
        return node.attr == "environ"
    return isinstance(node, ast.Name) and node.id == "environ"
