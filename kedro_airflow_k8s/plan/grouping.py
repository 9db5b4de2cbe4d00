"""Groups nodes into tasks.

Nodes share a task because of a tag, or because of the grouping mode. Tasks that would then wait for
each other in a cycle are merged into one. Each step takes linear time.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import pairwise, takewhile
from typing import NamedTuple, get_args

from kedro_airflow_k8s.config.tasks import GroupingMode
from kedro_airflow_k8s.config.wording import listed
from kedro_airflow_k8s.errors import PlanError
from kedro_airflow_k8s.plan import names
from kedro_airflow_k8s.plan.graphs import components, in_order, shortest_cycle
from kedro_airflow_k8s.pod.names import is_parameter, stored_name
from kedro_airflow_k8s.project.entities import DEFAULT_PIPELINE, PipelineNode

GROUP_TAG = re.compile(r"airflow-k8s[.:]group(?:[.:](.*))?", re.DOTALL)
"""Nodes tagged `airflow-k8s.group.prepare` share a task. Kedro allowed colons before version 1."""

CYCLE_CODE = "group-cycle"

# A user would not tag more nodes than these to solve a cycle.
_MOST_TO_TAG = 10


@dataclass(frozen=True)
class NodeGroup:
    """The nodes of one task.

    Attributes:
        name: A readable name, unique among the groups: that of its tag, namespace or pipeline, else
            that of its node or nodes with the namespace.
        nodes: Its nodes in topological order.
        namespace: The namespace that its nodes share; None if the task is a whole namespace, which
            is not inside itself.
    """

    name: str
    nodes: tuple[PipelineNode, ...]
    namespace: str | None


class _Link(NamedTuple):
    """A dataset that one node makes and another reads; nodes are given by their positions."""

    maker: int
    reader: int
    made: str
    read: str


@dataclass(frozen=True)
class _Part:
    """Nodes that share a task before cycles are merged.

    Attributes:
        members: The positions of its nodes, ascending.
        tag: The tag that they share; empty if there is none.
        name: The name of the tag or namespace; empty if the name is made of the nodes' names.
    """

    members: list[int]
    tag: str = ""
    name: str = ""


def group_nodes(
    nodes: Sequence[PipelineNode],
    mode: str,
    in_memory: Callable[[str], bool],
    pipeline_name: str,
) -> tuple[NodeGroup, ...]:
    """Return the groups of nodes that become tasks, in an order in which they can run.

    Tags take precedence over the mode, except over `pipeline`, where all nodes share one task.

    Args:
        nodes: All nodes of the pipeline, in topological order.
        mode: A task for each node (`none`) unless tags join it (`tag`), for nodes joined by data in
            `memory`, for each top-level `namespace`, or for the whole `pipeline`.
        in_memory: Returns whether a dataset, as a node names it, ends with its process.
        pipeline_name: The registered name of the pipeline.

    Raises:
        PlanError: If a tag has no name, a node has tags of several groups, or groups made by tags
            would wait for each other.
        ValueError: If the mode is unknown.
    """
    if mode not in get_args(GroupingMode):
        raise ValueError(f"Unknown grouping {mode!r}. Modes: {', '.join(get_args(GroupingMode))}.")
    if not nodes:
        return ()
    if mode == "pipeline":
        name = "pipeline" if pipeline_name == DEFAULT_PIPELINE else pipeline_name
        return (NodeGroup(name, tuple(nodes), _common_namespace(nodes)),)
    tags = [_group_tag(node) for node in nodes]
    if mode in ("none", "tag") and not any(tags):
        return tuple(NodeGroup(node.name, (node,), node.namespace or None) for node in nodes)
    links = _links(nodes)
    firsts: Sequence[int] = range(len(nodes))
    if mode == "memory":
        untagged = (link for link in links if not tags[link.maker] and not tags[link.reader])
        firsts = _joined_by_memory(len(nodes), untagged, cache(in_memory))
    parts = _parts(nodes, tags, firsts, by_namespace=mode == "namespace")
    found = []
    joined = _without_cycles(nodes, parts, links)
    for group, name in zip(joined, _names(joined, nodes), strict=True):
        members = tuple(nodes[position] for position in _members(group))
        found.append(NodeGroup(name, members, _namespace(group, members)))
    return tuple(found)


def _links(nodes: Sequence[PipelineNode]) -> list[_Link]:
    """Return the datasets between nodes. As in Kedro, the part after an `@` is ignored."""
    makers: dict[str, list[tuple[int, str]]] = {}
    for position, node in enumerate(nodes):
        for dataset in node.outputs:
            makers.setdefault(stored_name(dataset), []).append((position, dataset))
    return [
        _Link(maker, reader, made, read)
        for reader, node in enumerate(nodes)
        for read in node.inputs
        for maker, made in makers.get(stored_name(read), ())
        if maker != reader
    ]


def _parts(
    nodes: Sequence[PipelineNode],
    tags: Sequence[tuple[str, str] | None],
    firsts: Sequence[int],
    *,
    by_namespace: bool,
) -> list[_Part]:
    """Return the nodes as tags and mode group them, in the order of their first nodes.

    Args:
        nodes: All nodes.
        tags: For each node, the result of `_group_tag`.
        firsts: For each node, the first of the nodes that the mode joins it to.
        by_namespace: Whether the mode joins the nodes of a top-level namespace.
    """
    found: dict[tuple[str, str | int], _Part] = {}
    for position, (node, tag) in enumerate(zip(nodes, tags, strict=True)):
        key: tuple[str, str | int] = ("node", firsts[position])
        part = _Part([])
        if tag:
            key, part = ("tag", tag[1]), _Part([], tag[0], tag[1])
        elif by_namespace and node.namespace:
            top = node.namespace.split(".")[0]
            key, part = ("namespace", top), _Part([], name=top)
        found.setdefault(key, part).members.append(position)
    # A namespace with a single untagged node is not a group: the node keeps its own name.
    return [
        replace(part, name="") if len(part.members) == 1 and not part.tag else part
        for part in found.values()
    ]


def _group_tag(node: PipelineNode) -> tuple[str, str] | None:
    """Return the tag that puts a node in a group, and the name of the group."""
    found = [match for tag in node.tags if (match := GROUP_TAG.fullmatch(tag))]
    if not found:
        return None
    if len(found) > 1:
        raise PlanError(
            f"Node {node.name!r} has several tags for groups: {', '.join(m[0] for m in found)}."
            " A node can be in only one task. Keep one of the tags."
        )
    tag, name = found[0][0], found[0][1]
    if not name or not name.strip():
        raise PlanError(
            f"Node {node.name!r} has the tag {tag!r} without the name of a group. Append one, such"
            " as airflow-k8s.group.prepare."
        )
    return tag, name


def _joined_by_memory(
    count: int, links: Iterable[_Link], in_memory: Callable[[str], bool]
) -> list[int]:
    """Return, for each node, the first node that datasets in memory join it to."""
    earlier = list(range(count))

    def first(position: int) -> int:
        while earlier[position] != position:
            earlier[position] = position = earlier[earlier[position]]
        return position

    for link in links:
        if is_parameter(link.made) or is_parameter(link.read):
            continue
        if in_memory(link.made) or in_memory(link.read):
            one, other = first(link.maker), first(link.reader)
            earlier[max(one, other)] = min(one, other)
    return [first(position) for position in range(count)]


def _without_cycles(
    nodes: Sequence[PipelineNode], parts: list[_Part], links: list[_Link]
) -> list[list[_Part]]:
    """Return the parts in topological order, with those of a cycle merged."""
    readers = _readers(parts, links, len(nodes))
    joined: dict[int, list[int]] = {}
    for index, number in enumerate(components(readers)):
        joined.setdefault(number, []).append(index)
    for indices in joined.values():
        if len(indices) > 1 and any(parts[index].tag for index in indices):
            raise _cycle_error(nodes, parts, links, indices)
    groups = [[parts[index] for index in indices] for indices in joined.values()]
    merged = [_Part(_members(group)) for group in groups]
    readers = _readers(merged, links, len(nodes))
    firsts = [part.members[0] for part in merged]
    return [groups[index] for index in in_order(readers, firsts)]


def _members(parts: Sequence[_Part]) -> list[int]:
    return sorted(position for part in parts for position in part.members)


def _readers(parts: Sequence[_Part], links: list[_Link], count: int) -> list[list[int]]:
    """Return, for each part, the other parts that read its outputs."""
    part_of = [0] * count
    for index, part in enumerate(parts):
        for position in part.members:
            part_of[position] = index
    found: list[dict[int, None]] = [{} for _ in parts]
    for link in links:
        maker, reader = part_of[link.maker], part_of[link.reader]
        if maker != reader:
            found[maker][reader] = None
    return [list(others) for others in found]


def _common_namespace(nodes: Sequence[PipelineNode]) -> str | None:
    levels = [node.namespace.split(".") if node.namespace else [] for node in nodes]
    # What the first and the last in alphabetical order share, all others share.
    pairs = zip(min(levels), max(levels), strict=False)
    return ".".join(one for one, _ in takewhile(lambda pair: pair[0] == pair[1], pairs)) or None


def _namespace(parts: Sequence[_Part], members: Sequence[PipelineNode]) -> str | None:
    """Return the namespace around a group; None for a whole top-level namespace."""
    if len(parts) == 1 and parts[0].name and not parts[0].tag:
        return None
    return _common_namespace(members)


def _names(groups: Sequence[Sequence[_Part]], nodes: Sequence[PipelineNode]) -> list[str]:
    """Return a name for each group; of two equal names, the less certain one gets a hash."""
    taken: set[str] = set()
    found: dict[int, str] = {}

    def certainty(index: int) -> tuple[bool, bool]:
        parts = groups[index]
        return not parts[0].tag, len(_members(parts)) > 1

    for index in sorted(range(len(groups)), key=certainty):
        members = [nodes[position] for position in _members(groups[index])]
        original = ",".join(sorted(node.name for node in members))
        found[index] = names.unique(_name(groups[index], nodes), original, taken)
    return [found[index] for index in range(len(groups))]


def _name(parts: Sequence[_Part], nodes: Sequence[PipelineNode]) -> str:
    if len(parts) == 1 and parts[0].name:
        return parts[0].name
    members = [nodes[position] for position in _members(parts)]
    if len(members) == 1:
        return members[0].name
    namespace = _common_namespace(members)
    prefix = f"{namespace}." if namespace else ""
    if any(part.name for part in parts):
        shown = [part.name or nodes[part.members[0]].name for part in parts]
    else:
        shown = [node.name for node in members]
    first, last = shown[0].removeprefix(prefix), shown[-1].removeprefix(prefix)
    return f"{prefix}{first}_{'and' if len(shown) == 2 else 'to'}_{last}"


def _cycle_error(
    nodes: Sequence[PipelineNode],
    parts: Sequence[_Part],
    links: Iterable[_Link],
    indices: Sequence[int],
) -> PlanError:
    """Return the error for parts in a cycle, at least one of which was made by a tag."""
    start = next(i for i, index in enumerate(indices) if parts[index].tag)
    inside = [parts[index] for index in indices]
    part_of = {position: i for i, part in enumerate(inside) for position in part.members}
    between: dict[tuple[int, int], _Link] = {}
    for link in links:
        maker, reader = part_of.get(link.maker), part_of.get(link.reader)
        if maker is not None and reader is not None and maker != reader:
            between.setdefault((maker, reader), link)
    steps = [between[step] for step in pairwise(shortest_cycle(start, between))]

    def described(position: int) -> str:
        part = inside[part_of[position]]
        kind = "group" if part.tag else "namespace"
        unnamed = "in a task with others" if len(part.members) > 1 else "in its own task"
        return f"{nodes[position].name!r} ({f'{kind} {part.name!r}' if part.name else unnamed})"

    tag = inside[start].tag
    others = [nodes[p].name for p in _members(inside) if part_of[p] != start]
    many = len(others) > _MOST_TO_TAG
    shown = f"the {len(others)} nodes in between" if many else listed(others)
    replaced = any(part.tag for i, part in enumerate(inside) if i != start)
    ends = sorted({steps[0].maker, steps[-1].reader})
    return PlanError(
        f"The tag {tag!r} makes tasks that wait for each other in a cycle:\n"
        + "".join(
            f"  {described(step.maker)} makes {step.made!r} for {described(step.reader)}\n"
            for step in steps
        )
        + f"Add this tag to {shown}{', in place of their own' if replaced else ''}, or"
        f" remove it from {' or '.join(repr(nodes[end].name) for end in ends)}.",
        code=CYCLE_CODE,
    )
