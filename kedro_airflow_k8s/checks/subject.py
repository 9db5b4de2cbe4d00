"""What checks look at: a pipeline, its plan, and what is known around it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from kedro_airflow_k8s.config.model import RunConfig
from kedro_airflow_k8s.plan.build import Plan
from kedro_airflow_k8s.project.entities import (
    CatalogEntry,
    ProjectPipeline,
    is_parameter,
    stored_name,
)


@dataclass(frozen=True)
class Subject:
    """A pipeline to check.

    Attributes:
        pipeline: The pipeline; its catalog is None where it could not be read.
        run: The configuration.
        plan: Its DAG.
        parameters: The project's parameters; None where they could not be read.
        credentials: The names of its credentials; None where they could not be read.
        declared: All names in the catalog, to find the nearest.
        makers: The registered pipelines that make a dataset.
        hooks_declare: Whether the project's own hooks may declare datasets in a run.
        hooks_disabled: Whether the project keeps the plugin's hooks from running in the pods.
    """

    pipeline: ProjectPipeline
    run: RunConfig
    plan: Plan
    parameters: Mapping[str, Any] | None = None
    credentials: frozenset[str] | None = None
    declared: frozenset[str] = frozenset()
    makers: Callable[[str], Sequence[str]] = lambda _: ()
    hooks_declare: bool = False
    hooks_disabled: bool = False

    @property
    def catalog(self) -> Mapping[str, CatalogEntry]:
        """What the catalog says of the pipeline's datasets."""
        return self.pipeline.catalog or {}

    @cached_property
    def task_of(self) -> dict[str, str]:
        """The id of the task that runs a node, by the node's name."""
        return {node: task.task_id for task in self.plan.tasks for node in task.nodes}

    @cached_property
    def made(self) -> dict[str, tuple[str, str]]:
        """Dataset without `@...`, to its whole name as output and the node that makes it."""
        return {
            stored_name(name): (name, node.name)
            for node in self.pipeline.nodes
            for name in node.outputs
        }

    @cached_property
    def read(self) -> dict[str, dict[str, str]]:
        """Dataset without `@...`, to the nodes that take it, each with the whole name it takes."""
        found: dict[str, dict[str, str]] = {}
        for node in self.pipeline.nodes:
            for name in node.inputs:
                if not is_parameter(name):
                    found.setdefault(stored_name(name), {})[node.name] = name
        return found

    @cached_property
    def free_inputs(self) -> dict[str, str]:
        """The datasets that no node makes, each with the first node that takes it."""
        return {
            name: node
            for key, readers in self.read.items()
            if key not in self.made
            for node, name in reversed(readers.items())
        }
