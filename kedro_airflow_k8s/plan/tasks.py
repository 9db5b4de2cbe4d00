"""The tasks of a DAG: their nodes, inputs, outputs and resources."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from kedro_airflow_k8s.config.model import RESOURCES_DEFAULT, RunConfig
from kedro_airflow_k8s.config.pods import ResourcesConfig
from kedro_airflow_k8s.config.tasks import GROUPING_DEFAULT, RESOURCES_TAG
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
    """An Airflow task: one pod that runs one or more Kedro nodes.

    Attributes:
        task_id: The whole id, with the ids of its groups.
        label: The id within its group.
        nodes: Names of its Kedro nodes in topological order.
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


def grouping_mode(pipeline: ProjectPipeline, run: RunConfig) -> str:
    """Return the grouping mode of a pipeline."""
    return run.grouping.get(pipeline.name) or run.grouping.get(GROUPING_DEFAULT, "none")


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
    mode = grouping_mode(pipeline, run)
    groups = group_nodes(pipeline.nodes, mode, pipeline.in_memory, pipeline.name)
    found = places(groups, reserved)
    entries = [_entries_of(group.nodes, run) for group in groups]
    resources = _resources(groups, entries, run)
    runs = _Pipelines(pipeline)
    readers = _readers(groups)
    makers = {
        stored_name(name): index
        for index, group in enumerate(groups)
        for node in group.nodes
        for name in node.outputs
    }
    tasks = []
    for index, (group, place) in enumerate(zip(groups, found, strict=True)):
        smallest, others = runs.smallest(group)
        too_long = _names_too_long(group)
        inputs = _inputs(group)
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
                nodes=tuple(node.name for node in group.nodes),
                inputs=inputs,
                outputs=_outputs(group, index, readers),
                upstream=tuple(
                    sorted({makers[n] for n in map(stored_name, inputs) if n in makers})
                ),
                passes_on=_passes_on(group, index, readers),
                function=group.nodes[0].function if len(group.nodes) == 1 else "",
                doc=_doc(group),
                resources=_entry_name(entries[index]),
                pipeline=smallest,
                whole_pipeline=too_long,
            )
        )
    return Tasks(tuple(tasks), tree(found, tasks), resources)


def _inputs(group: NodeGroup) -> tuple[str, ...]:
    made = {stored_name(name) for node in group.nodes for name in node.outputs}
    read = dict.fromkeys(name for node in group.nodes for name in node.inputs)
    return tuple(name for name in read if stored_name(name) not in made)


def _readers(groups: Sequence[NodeGroup]) -> dict[str, set[int]]:
    """Return the positions of the groups that read each dataset."""
    readers: dict[str, set[int]] = {}
    for index, group in enumerate(groups):
        for node in group.nodes:
            for name in node.inputs:
                readers.setdefault(stored_name(name), set()).add(index)
    return readers


def _outputs(group: NodeGroup, index: int, readers: dict[str, set[int]]) -> tuple[str, ...]:
    made = dict.fromkeys(name for node in group.nodes for name in node.outputs)
    return tuple(name for name in made if readers.get(stored_name(name)) != {index})


def _passes_on(
    group: NodeGroup, index: int, readers: dict[str, set[int]]
) -> tuple[str, ...] | None:
    """Return the outputs that other tasks read; None if the pod can work them out."""
    made = {stored_name(name) for node in group.nodes for name in node.outputs}
    read = {stored_name(name) for node in group.nodes for name in node.inputs}
    crossing = {name for name in made if readers.get(name, set()) - {index}}
    return None if crossing == made - read else tuple(sorted(crossing))


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
