"""Kedro nodes as the plan needs them."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from kedro.framework.project import pipelines
from kedro.pipeline import Pipeline
from kedro.pipeline.node import Node

from kedro_airflow_k8s.config.wording import Nearest
from kedro_airflow_k8s.errors import ProjectError
from kedro_airflow_k8s.project.entities import PipelineNode
from kedro_airflow_k8s.project.problems import left_out, not_imported

NodeKey = tuple[str, tuple[str, ...], tuple[str, ...]]
"""A node's name, inputs and outputs."""

# The beginning of Kedro's warning about a pipeline that find_pipelines leaves out. That about a
# module without `create_pipeline` stays a warning: the folder may also contain helpers.
_MODULE_LEFT_OUT = "An error occurred while importing the|Expected the 'create_pipeline'"


def registered_pipelines(project_path: Path) -> dict[str, Pipeline]:
    """Return the registered pipelines of the project that Kedro's CLI has bootstrapped.

    Args:
        project_path: The project's folder, for messages.

    Raises:
        ProjectError: If a pipeline module does not import. Kedro leaves it out with a warning.
    """
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("error", _MODULE_LEFT_OUT, UserWarning)
            registered: dict[Any, Any] = dict(pipelines)
    except UserWarning as warning:
        raise ProjectError(left_out(warning, project_path)) from warning
    except (Exception, SystemExit) as error:
        raise ProjectError(not_imported("the pipelines", error, project_path)) from error
    for name, pipeline in registered.items():
        if not isinstance(name, str) or not isinstance(pipeline, Pipeline):
            raise ProjectError(
                f"register_pipelines returns a {type(pipeline).__name__} for {name!r}. It must"
                " return a dictionary of names to Pipeline objects."
            )
    return registered


def named_node(nodes: Sequence[PipelineNode], name: str) -> PipelineNode:
    """Return the node of a name.

    Raises:
        ProjectError: If there is none.
    """
    for node in nodes:
        if node.name == name:
            return node
    hint = Nearest(node.name for node in nodes).hint(name)
    raise ProjectError(
        f"The pipeline has no node {name!r}.{hint} `kedro registry describe` lists the nodes."
    )


def pipeline_nodes(pipeline: Pipeline) -> tuple[PipelineNode, ...]:
    """Return the nodes of a Kedro pipeline in topological order."""
    described: dict[int, tuple[str, str]] = {}
    nodes = []
    for node in pipeline.nodes:
        function = _innermost(node)
        # Not every callable has a hash.
        if id(function) not in described:
            described[id(function)] = _description(function)
        name, doc = described[id(function)]
        nodes.append(
            PipelineNode(
                name=node.name,
                namespace=node.namespace,
                inputs=tuple(node.inputs),
                outputs=tuple(node.outputs),
                tags=tuple(sorted(node.tags)),
                function=name,
                doc=doc,
            )
        )
    return tuple(nodes)


def _innermost(node: Node) -> Callable[..., Any]:
    function = node.func
    while isinstance(function, partial):
        function = function.func
    return function


def _description(function: Callable[..., Any]) -> tuple[str, str]:
    name = getattr(function, "__name__", type(function).__name__)
    doc = getattr(function, "__doc__", None)
    return str(name), inspect.cleandoc(doc) if isinstance(doc, str) else ""


def node_tags(pipelines: Iterable[Pipeline]) -> dict[str, set[str]]:
    """Return the tags of the nodes of pipelines, by the node's name."""
    tags: dict[str, set[str]] = {}
    for pipeline in pipelines:
        for node in pipeline.nodes:
            tags.setdefault(node.name, set()).update(node.tags)
    return tags


def node_keys(pipeline: Pipeline) -> frozenset[NodeKey]:
    """Return what identifies the nodes of a pipeline.

    A name alone does not: each pipeline can have its own node `train`.
    """
    return frozenset(
        (node.name, tuple(node.inputs), tuple(node.outputs)) for node in pipeline.nodes
    )
