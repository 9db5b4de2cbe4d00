"""Finds smaller pipelines that a pod can run in place of a bigger one, so that it imports less."""

from __future__ import annotations

import ast
import contextlib
import inspect
import sys
import warnings
from collections.abc import Callable, Collection, Mapping
from functools import partial
from types import FunctionType
from typing import Any

from kedro.framework import project as kedro_project
from kedro.framework.project import pipelines as kedro_pipelines
from kedro.pipeline import Node, Pipeline

_FIND = ("find_pipelines()", "find_pipelines(raise_errors=True)")
_SUM = ("sum(pipelines.values())", "sum(pipelines.values(), start=Pipeline([]))")
_USUAL = frozenset(
    (f"pipelines = {find}", f"pipelines['__default__'] = {total}", "return pipelines")
    for find in _FIND
    for total in _SUM
)
"""The statements of `register_pipelines` in Kedro's templates for projects."""


def smaller_pipelines(
    registered: Mapping[str, Pipeline], pipeline: str, without: Collection[str] = ()
) -> dict[str, frozenset[str]]:
    """Return the pipelines whose nodes are all in a bigger one, each with the names of its nodes.

    Since Kedro 1.5 `kedro run --pipelines=x` imports only the module `x` of the project's
    pipelines. This works where pipelines are registered as in Kedro's templates, and nodes call
    functions of modules. Elsewhere, which takes as long as all pipelines did, a pipeline is
    registered here as it will be in the pod, and counts only if the nodes are the same.

    Args:
        registered: All pipelines.
        pipeline: The name of the bigger one.
        without: Pipelines to leave out, such as those that kedro-mlflow does not log.
    """
    if not hasattr(kedro_pipelines, "set_requested"):
        return {}  # All modules are imported anyway.
    whole = {node.name: node for node in registered[pipeline].nodes}
    usual = len(registered) > 2 and _is_usual()  # With fewer, both are always imported.
    found = {}
    for name, other in registered.items():
        nodes = {node.name: node for node in other.nodes}
        if name == pipeline or name in without or not 0 < len(nodes) < len(whole):
            continue
        if any(not _is_same(node, whole.get(key)) for key, node in nodes.items()):
            continue
        if usual and all(_is_of_module(node.func) for node in nodes.values()):
            found[name] = frozenset(nodes)
            continue
        alone = _registered_for(name)
        if alone.keys() == registered.keys():
            return {}  # The project always imports everything.
        made = {node.name: node for node in alone[name].nodes} if name in alone else {}
        if made.keys() == nodes.keys() and all(_is_same(made[key], nodes[key]) for key in nodes):
            found[name] = frozenset(nodes)
    return found


def _is_usual() -> bool:
    """Return whether the project registers what Kedro finds, and nothing else."""
    module = sys.modules.get(f"{kedro_project.PACKAGE_NAME}.pipeline_registry")
    names = vars(module) if module else {}
    register = names.get("register_pipelines")
    if (
        not isinstance(register, FunctionType)
        or register.__globals__ is not names
        or names.get("find_pipelines") is not kedro_project.find_pipelines
        or names.get("Pipeline", Pipeline) is not Pipeline
        or "sum" in names
    ):
        return False
    try:
        (function,) = ast.parse(inspect.getsource(register)).body
    except (OSError, SyntaxError, ValueError):
        return False  # It is made in another way than by such statements.
    if not isinstance(function, ast.FunctionDef) or function.decorator_list:
        return False
    body = function.body[1:] if ast.get_docstring(function) is not None else function.body
    return tuple(map(ast.unparse, body)) in _USUAL


def _is_of_module(function: Callable[..., Any]) -> bool:
    """Return whether each call of `create_pipeline` gives the node this same function."""
    if not _is_same_function(function, function):
        return False
    named = function.func if isinstance(function, partial) else function
    found: object = sys.modules.get(str(getattr(named, "__module__", None)))
    for part in str(getattr(named, "__qualname__", None)).split("."):
        found = getattr(found, part, None)
    return found is named


def _is_same(node: Node, other: Node | None) -> bool:
    """Return whether two nodes do the same. Kedro's own comparison ignores the function."""
    if other is None or node != other or node.confirms != other.confirms:
        return False
    return _is_same_function(node.func, other.func)


def _is_same_function(function: Callable[..., Any], other: Callable[..., Any]) -> bool:
    """Return whether two functions are identical, or equal partials with plain arguments.

    Functions that are created at each call, such as lambdas, count as different. Then the pod runs
    the bigger pipeline.
    """
    if not isinstance(function, partial) or not isinstance(other, partial):
        return function is other
    arguments = (function.args, function.keywords)
    plain = all(
        isinstance(value, str | int | float | None)
        for value in (*function.args, *function.keywords.values())
    )
    return plain and function.func is other.func and arguments == (other.args, other.keywords)


def _registered_for(name: str) -> dict[str, Pipeline]:
    """Return the pipelines that the project registers if one is requested; none on an error."""
    kedro_pipelines.set_requested([name])
    registered: dict[str, Pipeline] = {}
    # After any error in the project's code, this pipeline is not used.
    with contextlib.suppress(Exception, SystemExit), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        registered = dict(kedro_pipelines)
    kedro_pipelines.set_requested(None)
    return registered
