"""Which registered pipelines a pod can run in place of a bigger one, so that Kedro imports less."""

from __future__ import annotations

import ast
import contextlib
import importlib
import inspect
import re
import textwrap
import warnings
from collections.abc import Collection, Mapping

from kedro.framework.project import find_pipelines
from kedro.framework.project import pipelines as kedro_pipelines
from kedro.pipeline import Node, Pipeline

_AS_IN_KEDROS_TEMPLATE = re.compile(
    r"(?P<all>\w+) = find_pipelines\([^\n]*\)\n"
    r"(?P=all)\['__default__'\] = sum\((?P=all)\.values\(\)[^\n]*\)\n"
    r"return (?P=all)"
)
"""The body of `register_pipelines` in new projects: one pipeline for each module, and their sum."""


def smaller_pipelines(
    registered: Mapping[str, Pipeline],
    pipeline: str,
    package_name: str,
    without: Collection[str] = (),
) -> dict[str, frozenset[str]]:
    """The pipelines whose nodes are among those of a bigger one, with the names of their nodes.

    Since Kedro 1.5 `kedro run --pipelines=x` imports only the module `x` of the project's
    pipelines. Not every way to register pipelines bears that. Unless it is the usual one, each is
    registered here as it will be in the pod, and counts only if the same nodes come of it.

    Args:
        registered: All pipelines.
        pipeline: The name of the bigger one.
        package_name: The project's package.
        without: Pipelines that will not do, such as those that kedro-mlflow logs nothing of.
    """
    if not hasattr(kedro_pipelines, "set_requested"):
        return {}  # All modules are imported anyway.
    whole = {node.name: node for node in registered[pipeline].nodes}
    usual = _registers_as_usual(package_name)
    found = {}
    for name, other in registered.items():
        nodes = {node.name: node for node in other.nodes}
        if name == pipeline or name in without or not 0 < len(nodes) < len(whole):
            continue
        if any(not _is_same(node, whole.get(key)) for key, node in nodes.items()):
            continue
        if usual:
            found[name] = frozenset(nodes)
            continue
        alone = _registered_for(name)
        if alone.keys() == registered.keys():
            return {}  # The project imports everything, whatever is asked for.
        made = {node.name: node for node in alone[name].nodes} if name in alone else {}
        if made.keys() == nodes.keys() and all(_is_same(made[key], nodes[key]) for key in nodes):
            found[name] = frozenset(nodes)
    return found


def _is_same(node: Node, other: Node | None) -> bool:
    """Whether two nodes do the same. Kedro calls them equal whatever function they call.

    Functions made anew each time, such as partials and lambdas, count as different: in doubt, the
    pod runs the bigger pipeline.
    """
    if other is None or node != other or node.confirms != other.confirms:
        return False
    return node.func is other.func


def _registers_as_usual(package_name: str) -> bool:
    """Whether each pipeline but `__default__` is what its own module makes."""
    registry = importlib.import_module(f"{package_name}.pipeline_registry")
    if getattr(registry, "find_pipelines", None) is not find_pipelines:
        return False
    try:
        source = inspect.getsource(registry.register_pipelines)
        (function,) = ast.parse(textwrap.dedent(source)).body
    except (OSError, TypeError, AttributeError, SyntaxError, ValueError):
        return False  # It has no source of its own, such as one made at run time.
    if not isinstance(function, ast.FunctionDef) or function.decorator_list:
        return False
    body = function.body[1:] if ast.get_docstring(function) is not None else function.body
    return _AS_IN_KEDROS_TEMPLATE.fullmatch("\n".join(map(ast.unparse, body))) is not None


def _registered_for(name: str) -> dict[str, Pipeline]:
    """What the project registers when only one pipeline is asked for; nothing if that fails."""
    kedro_pipelines.set_requested([name])
    registered: dict[str, Pipeline] = {}
    # Whatever goes wrong in the project's code: this pipeline will not be used.
    with contextlib.suppress(Exception, SystemExit), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        registered = dict(kedro_pipelines)
    kedro_pipelines.set_requested(None)
    return registered
