"""Kedro nodes as the plan needs them."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

from kedro.pipeline import Pipeline
from kedro.pipeline.node import Node

from kedro_airflow_k8s.config.wording import Nearest
from kedro_airflow_k8s.errors import ProjectError
from kedro_airflow_k8s.project.entities import PipelineNode


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
