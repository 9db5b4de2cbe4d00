"""The nodes of a part of a pipeline, chosen as by `kedro run`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

from kedro_airflow_k8s.errors import OptionError
from kedro_airflow_k8s.project.nodes import registered_pipelines


@dataclass(frozen=True)
class Selection:
    """Which nodes of a pipeline are to run: those that meet all conditions that are given.

    Attributes:
        node_names: Their names.
        from_nodes: They are these nodes, or follow them.
        to_nodes: They are these nodes, or lead to them.
        tags: They have one of these tags.
        node_namespaces: They are in one of these namespaces.
    """

    node_names: Sequence[str] = ()
    from_nodes: Sequence[str] = ()
    to_nodes: Sequence[str] = ()
    tags: Sequence[str] = ()
    node_namespaces: Sequence[str] = ()

    @property
    def everything(self) -> bool:
        """Whether there is no condition."""
        return not any(getattr(self, field.name) for field in fields(self))


def selected_nodes(project_path: Path, pipeline: str, selection: Selection) -> frozenset[str]:
    """Return the names of the nodes that Kedro selects.

    Args:
        project_path: The project.
        pipeline: A registered pipeline.
        selection: The conditions.

    Raises:
        OptionError: If there is no such node, tag or namespace, or nothing meets all conditions.
    """
    conditions = {field.name: getattr(selection, field.name) or None for field in fields(selection)}
    registered = registered_pipelines(project_path)[pipeline]
    try:
        found = registered.filter(**conditions)
    except Exception as error:  # Kedro's own errors for this share no base class
        raise OptionError(
            f"These nodes of pipeline {pipeline!r} cannot be selected. {error}"
        ) from error
    return frozenset(node.name for node in found.nodes)
