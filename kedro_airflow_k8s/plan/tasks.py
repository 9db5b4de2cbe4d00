"""The tasks of a DAG: their nodes, inputs, outputs and resources."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from kedro_airflow_k8s.config.model import RESOURCES_DEFAULT, RunConfig
from kedro_airflow_k8s.config.pods import ResourcesConfig
from kedro_airflow_k8s.config.tasks import GROUPING_DEFAULT, RESOURCES_TAG, Grouping
from kedro_airflow_k8s.errors import PlanError
from kedro_airflow_k8s.plan.grouping import NodeGroup, group_nodes
from kedro_airflow_k8s.plan.resources import merge_resources
from kedro_airflow_k8s.plan.task_groups import Group, places, tree
from kedro_airflow_k8s.pod.names import stored_name
from kedro_airflow_k8s.project.entities import PipelineNode, ProjectPipeline

NODES_LENGTH = 120_000
"""Longest argument of node names, in bytes. Linux allows 128 KiB for a whole argument.

Source: execve(2), MAX_ARG_STRLEN.
"""


@dataclass(frozen=True)
class Task:
    """An Airflow task: one pod that runs one or more Kedro nodes, or a part in such a pod.

    In a visible group, one task runs the pod, and one task for each node shows what became of it.

    Attributes:
        task_id: The whole id, with the ids of its groups.
        label: The id within its group.
        nodes: Names of its Kedro nodes in topological order; none if other tasks show them.
        runs: Names of the nodes that its pod runs, if other tasks show them.
        pod: The id of the task whose pod runs its node; empty if it has a pod of its own.
        inputs: The datasets and parameters that it reads and does not make.
        outputs: The datasets that it makes, except those that only its own nodes read.
        upstream: The positions of the tasks that make its inputs.
        passes_on: The datasets that other tasks read; None if they are those that its own nodes do
            not read, which the pod can work out.
        function: The name of its function; empty if it has several nodes.
        doc: The first line of its function's docstring, or of each node's.
        resources: The entry of the plan's resources for its pod.
        pipeline: The smallest registered pipeline that has all its nodes.
        whole_pipeline: Whether the pod runs that whole pipeline without a list of nodes, because
            their names are too long for a command line.
    """

    task_id: str
    label: str
    nodes: tuple[str, ...]
    runs: tuple[str, ...]
    pod: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    upstream: tuple[int, ...]
    passes_on: tuple[str, ...] | None
    function: str
    doc: str
    resources: str
    pipeline: str
    whole_pipeline: bool


@dataclass(frozen=True)
class Tasks:
    """All tasks of a DAG, in an order in which they can run.

    Attributes:
        all: The tasks.
        tree: The same tasks in Airflow's task groups.
        settings: The settings of their pods and of their own, by the names that the tasks use;
            among them those of pods without Kedro nodes, the default.
    """

    all: tuple[Task, ...]
    tree: Group[Task]
    settings: dict[str, ResourcesConfig]


@dataclass(frozen=True)
class _Unit:
    """What becomes a task: a group of nodes, or in a visible group its pod, or one of its nodes.

    Attributes:
        group: The nodes, with the name and the namespace of the task.
        pod: The position of the unit whose pod runs it; None if that is its own.
        shown: Whether other units show its nodes.
    """

    group: NodeGroup
    pod: int | None = None
    shown: bool = False

    @property
    def name(self) -> str:
        """The name of the task."""
        return self.group.name

    @property
    def namespace(self) -> str | None:
        """The namespace of the task."""
        return self.group.namespace


def grouping_of(pipeline: ProjectPipeline, run: RunConfig) -> Grouping:
    """Return how the nodes of a pipeline share pods."""
    return run.grouping.get(pipeline.name) or run.grouping.get(GROUPING_DEFAULT) or Grouping()


def plan_tasks(pipeline: ProjectPipeline, run: RunConfig, reserved: Iterable[str]) -> Tasks:
    """Return the tasks of a pipeline, with their groups and resources.

    Args:
        pipeline: A pipeline of the project.
        run: The configuration.
        reserved: Ids of the other tasks of the DAG.

    Raises:
        PlanError: If groups made by tags cannot be tasks, a tag selects resources that the
            configuration does not have, the resources of nodes that share a task contradict each
            other, or the names of these nodes are too long for a command line.
    """
    grouping = grouping_of(pipeline, run)
    groups = group_nodes(pipeline.nodes, grouping.by, pipeline.in_memory, pipeline.name)
    units = _units(groups, visible=grouping.nodes == "visible")
    found = places(units, reserved)
    entries = [_entries_of(unit.group.nodes, run) for unit in units]
    resources = _resources([unit.group for unit in units], entries, run)
    runs = _Pipelines(pipeline)
    data = _Data(units)
    tasks: list[Task] = []
    for index, (unit, place) in enumerate(zip(units, found, strict=True)):
        group = unit.group
        names = tuple(node.name for node in group.nodes)
        smallest, others = runs.smallest(group)
        too_long = _names_too_long(group)
        if too_long and others:
            raise PlanError(
                f"Task {place.task_id!r} has {len(group.nodes)} nodes, too many for a command line."
                f" Their names have more than {NODES_LENGTH} bytes. Use smaller groups, or register"
                " a pipeline of exactly these nodes: the task then runs that pipeline by name."
            )
        tasks.append(
            Task(
                task_id=place.task_id,
                label=place.label,
                nodes=() if unit.shown else names,
                runs=names if unit.shown else (),
                pod="" if unit.pod is None else tasks[unit.pod].task_id,
                inputs=data.inputs(index),
                outputs=data.outputs(index),
                upstream=data.upstream(index),
                passes_on=data.passes_on(index),
                function=group.nodes[0].function if len(group.nodes) == 1 else "",
                doc="" if unit.shown else _doc(group),
                resources=_entry_name(entries[index]),
                pipeline=smallest,
                whole_pipeline=too_long,
            )
        )
    return Tasks(tuple(tasks), tree(found, tasks), resources)


def _units(groups: Sequence[NodeGroup], *, visible: bool) -> list[_Unit]:
    """Return what becomes tasks, in an order in which they can run."""
    found: list[_Unit] = []
    for group in groups:
        if not visible or len(group.nodes) == 1:
            found.append(_Unit(group))
            continue
        pod = len(found)
        found.append(_Unit(NodeGroup(f"{group.name}.pod", group.nodes, group.name), shown=True))
        # The namespace of the nodes is a part of the group's name already.
        around = f"{group.namespace or group.name}."
        for node in group.nodes:
            name = f"{group.name}.{node.name.removeprefix(around)}"
            found.append(_Unit(NodeGroup(name, (node,), group.name), pod=pod))
    return found


class _Data:
    """What units read from each other.

    Units whose nodes others show make and read nothing for themselves: those others do.
    """

    def __init__(self, units: Sequence[_Unit]) -> None:
        self._units = units
        self._makers: dict[str, int] = {}
        self._readers: dict[str, set[int]] = {}
        self._inside: list[set[int]] = [set() for _ in units]
        for index, unit in enumerate(units):
            self._inside[index if unit.pod is None else unit.pod].add(index)
            for node in () if unit.shown else unit.group.nodes:
                self._makers.update((stored_name(name), index) for name in node.outputs)
                for name in node.inputs:
                    self._readers.setdefault(stored_name(name), set()).add(index)
        self._inputs = [_inputs(unit.group) for unit in units]
        self._upstream: list[tuple[int, ...]] = []
        for index in range(len(units)):
            self._upstream.append(self._waits_for(index))

    def inputs(self, index: int) -> tuple[str, ...]:
        """Return what a unit reads and does not make."""
        return self._inputs[index]

    def outputs(self, index: int) -> tuple[str, ...]:
        """Return what a unit makes, except what only it reads."""
        unit = self._units[index]
        made = dict.fromkeys(
            name for node in (() if unit.shown else unit.group.nodes) for name in node.outputs
        )
        return tuple(name for name in made if self._readers.get(stored_name(name)) != {index})

    def upstream(self, index: int) -> tuple[int, ...]:
        """Return the units that make what a unit reads."""
        return self._upstream[index]

    def _waits_for(self, index: int) -> tuple[int, ...]:
        """Return them. A node that waits for no other of its pod begins when the pod does."""
        makers = {self._makers.get(stored_name(name)) for name in self._inputs[index]}
        found = {maker for maker in makers if maker is not None}
        pod = self._units[index].pod
        if pod is not None and all(self._units[maker].pod != pod for maker in found):
            return self._upstream[pod]
        return tuple(sorted(found))

    def passes_on(self, index: int) -> tuple[str, ...] | None:
        """Return the outputs that pods of other units read; None if the pod can work them out."""
        nodes = self._units[index].group.nodes
        made = {stored_name(name) for node in nodes for name in node.outputs}
        read = {stored_name(name) for node in nodes for name in node.inputs}
        inside = self._inside[index] | {index}
        crossing = {name for name in made if self._readers.get(name, set()) - inside}
        return None if crossing == made - read else tuple(sorted(crossing))


def _inputs(group: NodeGroup) -> tuple[str, ...]:
    made = {stored_name(name) for node in group.nodes for name in node.outputs}
    read = dict.fromkeys(name for node in group.nodes for name in node.inputs)
    return tuple(name for name in read if stored_name(name) not in made)


def _doc(group: NodeGroup) -> str:
    if len(group.nodes) == 1:
        return group.nodes[0].doc.partition("\n")[0]
    firsts = [(node.name, node.doc.partition("\n")[0]) for node in group.nodes if node.doc]
    return "\n".join(f"- `{name}`: {first}" for name, first in firsts)


def _names_too_long(group: NodeGroup) -> bool:
    size = sum(len(node.name.encode("utf-8", "surrogatepass")) + 1 for node in group.nodes)
    return size > NODES_LENGTH


class _Pipelines:
    """The registered pipelines that a pod can run. With a smaller one, Kedro imports less."""

    def __init__(self, pipeline: ProjectPipeline) -> None:
        self._own = (pipeline.name, len(pipeline.nodes))
        ordered = sorted(pipeline.smaller.items(), key=lambda item: (len(item[1]), item[0]))
        self._with: dict[str, list[tuple[str, frozenset[str]]]] = {}
        for name, nodes in ordered:
            for node in nodes:
                self._with.setdefault(node, []).append((name, nodes))

    def smallest(self, group: NodeGroup) -> tuple[str, bool]:
        """Return the smallest pipeline with the nodes of a group, and whether it has others."""
        wanted = {node.name for node in group.nodes}
        for name, nodes in self._with.get(group.nodes[0].name, ()):
            if wanted <= nodes:
                return name, len(wanted) < len(nodes)
        name, size = self._own
        return name, len(wanted) < size


def _resources(
    groups: Sequence[NodeGroup], entries: Sequence[tuple[str, ...]], run: RunConfig
) -> dict[str, ResourcesConfig]:
    """Return the resources of pods by name, merged for tasks whose nodes select several entries.

    Pods without Kedro nodes have the default resources.
    """
    asked_alone = {names[0] for names in entries if len(names) == 1} | {RESOURCES_DEFAULT}
    needed = {name: run.settings_of(name) for name in sorted(asked_alone)}
    for group, asked in zip(groups, entries, strict=True):
        if len(asked) > 1:
            used_by: dict[str, list[str]] = {name: [] for name in asked}
            for node in group.nodes:
                used_by[resources_of(node, run)].append(node.name)
            configs = {name: run.settings_of(name) for name in asked}
            needed[_entry_name(asked)] = merge_resources(configs, used_by)
    return needed


def _entry_name(entries: tuple[str, ...]) -> str:
    # A tag cannot contain a plus sign, so no node can select an entry of this name.
    return " + ".join(entries)


def _entries_of(nodes: Sequence[PipelineNode], run: RunConfig) -> tuple[str, ...]:
    return tuple(sorted({resources_of(node, run) for node in nodes}))


def resources_of(node: PipelineNode, run: RunConfig) -> str:
    """Return the entry of `run_config.resources` that a node selects.

    Raises:
        PlanError: If it selects several, or one that does not exist.
    """
    tags = [match for tag in node.tags if (match := RESOURCES_TAG.fullmatch(tag))]
    if not tags:
        return RESOURCES_DEFAULT
    if len(tags) > 1:
        raise PlanError(
            f"Node {node.name!r} has several tags for resources: {', '.join(t[0] for t in tags)}."
            " Keep one of them."
        )
    tag, name = tags[0][0], tags[0][1]
    if name not in run.resources and name != RESOURCES_DEFAULT:
        raise PlanError(
            f"Node {node.name!r} has the tag {tag!r}, but run_config.resources has no entry"
            f" {name!r}. Add the entry, or change the tag. Entries:"
            f" {', '.join(sorted(run.resources)) or 'none'}."
        )
    return name
