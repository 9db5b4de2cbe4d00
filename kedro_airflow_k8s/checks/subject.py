"""What a check looks at: a pipeline, its plan, and what is known of its project."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from kedro_airflow_k8s.config.model import RunConfig
from kedro_airflow_k8s.plan.build import Plan
from kedro_airflow_k8s.plan.tasks import Task
from kedro_airflow_k8s.pod.names import is_parameter, stored_name
from kedro_airflow_k8s.project.entities import CatalogEntry, ProjectPipeline
from kedro_airflow_k8s.project.image import ProjectImage
from kedro_airflow_k8s.project.image_config import ImageConfig
from kedro_airflow_k8s.project.own_code import RunCommand


@dataclass(frozen=True)
class Subject:
    """A pipeline to check.

    Attributes:
        pipeline: The pipeline; its catalog is None where it could not be read.
        run: The configuration.
        plan: The plan of its DAG.
        parameters: The project's parameters; None where they could not be read.
        credentials: The names of its credentials; None where they could not be read.
        declared: All names in the catalog, for near-name hints.
        makers: Returns the registered pipelines that make a dataset.
        hooks_declare: Whether the project's own hooks or classes may declare datasets in a run.
        hooks_start: Whether the project's own hooks may give credentials when a run begins.
        runtime_params: The runtime parameters without a default that files of the project take,
            each with the kind of file.
        run_params: The parameters that the run to come is given.
        run_command: The project's own `run` command; None if it is Kedro's.
        sets_parameters_in_run: Whether it may give nodes parameters in a run.
        hooks_disabled: Whether the project keeps the plugin's hooks from running in the pods.
        image: What the image will hold; None if that was not looked for.
        in_pods: What pods read of the configuration; None if they read what is read here.
        config_of: Returns the keys of a dataset in the catalog.
        config_in_run: Returns them with stand-ins for all that a run may give the catalog.
        accepted: Names in `checks.accept`, by the code of the finding.
        conf: The folder of the configuration, relative to the project if it is inside.
        base: The folder in it that all environments share.
    """

    pipeline: ProjectPipeline
    run: RunConfig
    plan: Plan
    parameters: Mapping[str, Any] | None = None
    credentials: frozenset[str] | None = None
    declared: frozenset[str] = frozenset()
    makers: Callable[[str], Sequence[str]] = lambda _: ()
    hooks_declare: bool = False
    hooks_start: bool = False
    runtime_params: Mapping[str, str] = field(default_factory=dict)
    run_params: tuple[str, ...] = ()
    sets_parameters_in_run: bool = False
    run_command: RunCommand | None = None
    hooks_disabled: bool = False
    image: ProjectImage | None = None
    in_pods: ImageConfig | None = None
    config_of: Callable[[str], Mapping[str, Any] | None] = lambda _: None
    config_in_run: Callable[[str], Mapping[str, Any] | None] = lambda _: None
    accepted: Mapping[str, frozenset[str]] = field(default_factory=dict)
    conf: str = "conf"
    base: str = "conf/base"

    def accepted_and_others(self, code: str, names: Sequence[str]) -> Iterator[list[str]]:
        """Yield the names that `checks.accept` has for a code, and the others; no empty lists."""
        known = self.accepted.get(code, frozenset())
        for part in (
            [name for name in names if name in known],
            [name for name in names if name not in known],
        ):
            if part:
                yield part

    @property
    def catalog(self) -> Mapping[str, CatalogEntry]:
        """What the catalog says of the pipeline's datasets."""
        return self.pipeline.catalog or {}

    @cached_property
    def order(self) -> Order:
        """Which tasks can run at the same time."""
        return Order(self.plan.tasks)

    @cached_property
    def task_of(self) -> dict[str, str]:
        """The id of the task that runs a node, by the node's name."""
        return {node: task.task_id for task in self.plan.tasks for node in task.nodes}

    @cached_property
    def pod_of(self) -> dict[str, str]:
        """The id of the task in whose pod a node runs with others, by the node's name."""
        return {n: task.pod or task.task_id for task in self.plan.tasks for n in task.nodes}

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
        """Dataset without `@...`, to the nodes that read it, each with the whole name it reads."""
        found: dict[str, dict[str, str]] = {}
        for node in self.pipeline.nodes:
            for name in node.inputs:
                if not is_parameter(name):
                    found.setdefault(stored_name(name), {})[node.name] = name
        return found

    @cached_property
    def free_inputs(self) -> dict[str, str]:
        """The datasets that no node makes, each with the first node that reads it."""
        return {
            name: node
            for key, readers in self.read.items()
            if key not in self.made
            for node, name in reversed(readers.items())
        }

    def readers_elsewhere(self, dataset: str) -> dict[str, str]:
        """Return the nodes that read a dataset in another pod than the one that makes it.

        Args:
            dataset: A key of `made`.
        """
        pod = self.pod_of[self.made[dataset][1]]
        readers = self.read.get(dataset, {})
        return {node: name for node, name in readers.items() if self.pod_of[node] != pod}


class Order:
    """What runs before what, as far as Kedro's tasks wait for each other's data.

    The tasks before and after a task are the bits of a number: 5000 tasks take 6 MB.

    Args:
        tasks: The tasks, in an order in which they can run.
    """

    def __init__(self, tasks: Sequence[Task]) -> None:
        makers = {stored_name(name): i for i, task in enumerate(tasks) for name in task.outputs}
        parents = [
            {makers[key] for name in task.inputs if (key := stored_name(name)) in makers} - {index}
            for index, task in enumerate(tasks)
        ]
        self._before = [0] * len(tasks)
        self._after = [0] * len(tasks)
        for index, found in enumerate(parents):
            for parent in found:
                self._before[index] |= self._before[parent] | 1 << parent
        for index in reversed(range(len(tasks))):
            for parent in parents[index]:
                self._after[parent] |= self._after[index] | 1 << index

    @property
    def is_chain(self) -> bool:
        """Whether each task waits for all tasks before it."""
        return all(before == (1 << index) - 1 for index, before in enumerate(self._before))

    def at_once(self, some: Iterable[int], others: Iterable[int]) -> tuple[int, int] | None:
        """Return a task of some and one of others that do not wait for each other, or None.

        Tasks are given as positions in the sequence.
        """
        mask = sum(1 << index for index in set(others))
        for index in some:
            free = mask & ~(self._before[index] | self._after[index] | 1 << index)
            if free:
                return index, (free & -free).bit_length() - 1
        return None
