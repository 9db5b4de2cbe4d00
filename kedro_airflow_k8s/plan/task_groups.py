"""The task groups of a DAG, which are made of Kedro's namespaces."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from kedro_airflow_k8s.plan import names

GROUPS_LENGTH = 150
"""Longest prefix of groups in a task id; deeper namespaces stay part of the task's label."""

GROUPS_DEPTH = 10
"""Deepest nesting of groups. Python allows 20 nested blocks in the DAG file."""

T = TypeVar("T")


class Named(Protocol):
    """A node, or a group of nodes that share a task."""

    @property
    def name(self) -> str:
        """Its name; for a node, with the namespace."""

    @property
    def namespace(self) -> str | None:
        """Its namespace, with dots between the levels."""


@dataclass(frozen=True)
class Place:
    """The place of a task: the labels of its groups, outermost first, and its own label."""

    groups: tuple[str, ...]
    label: str

    @property
    def task_id(self) -> str:
        """The id of the task in Airflow: the labels with dots between them."""
        return ".".join((*self.groups, self.label))


@dataclass(frozen=True)
class Group(Generic[T]):
    """A task group: its own tasks and the groups inside it, in the order of first appearance."""

    label: str
    tasks: tuple[T, ...]
    groups: tuple[Group[T], ...]


def places(nodes: Sequence[Named], reserved: Iterable[str]) -> tuple[Place, ...]:
    """Return a place for each node, with a task id that no other task, group or reserved id has."""
    taken = set(reserved)
    labels: dict[tuple[str, ...], tuple[str, ...]] = {(): ()}
    for namespace in sorted({tuple(n.namespace.split(".")) for n in nodes if n.namespace}):
        for depth in range(1, len(namespace) + 1):
            path, parent = namespace[:depth], labels[namespace[: depth - 1]]
            if path not in labels:
                labels[path] = _grown(parent, path, taken)
            if labels[path] == parent:
                break  # A deeper group would be too long.
    chosen = {}
    for index, node in sorted(enumerate(nodes), key=lambda entry: (entry[1].name, entry[0])):
        levels = node.namespace.split(".") if node.namespace else []
        depth = next(d for d in range(len(levels), -1, -1) if tuple(levels[:d]) in labels)
        groups = labels[tuple(levels[:depth])]
        prefix = "".join(f"{label}." for label in groups)
        rest = node.name.removeprefix("".join(f"{level}." for level in levels[: len(groups)]))
        label = names.identifier(rest, names.TASK_ID_LENGTH - len(prefix), dots=True)
        task_id = names.unique(prefix + label, node.name, taken)
        chosen[index] = Place(groups, task_id.removeprefix(prefix))
    return tuple(chosen[index] for index in range(len(nodes)))


def tree(places: Sequence[Place], tasks: Sequence[T]) -> Group[T]:
    """Return the groups with their tasks, as one unnamed group."""
    return _branch("", 0, list(zip(places, tasks, strict=True)))


def _branch(label: str, depth: int, entries: Iterable[tuple[Place, T]]) -> Group[T]:
    tasks: list[T] = []
    groups: dict[str, list[tuple[Place, T]]] = {}
    for place, task in entries:
        if len(place.groups) == depth:
            tasks.append(task)
        else:
            groups.setdefault(place.groups[depth], []).append((place, task))
    return Group(
        label,
        tuple(tasks),
        tuple(_branch(name, depth + 1, inner) for name, inner in groups.items()),
    )


def _grown(parent: tuple[str, ...], path: tuple[str, ...], taken: set[str]) -> tuple[str, ...]:
    """Return the labels of the groups of a namespace; those of its parent if they are too long."""
    label = names.identifier(path[-1])
    full = ".".join((*parent, label))
    if len(full) > GROUPS_LENGTH or len(parent) == GROUPS_DEPTH:
        return parent
    full = names.unique(full, ".".join(path), taken)
    # Airflow uses these ids for the edges of a group.
    taken.update((f"{full}.upstream_join_id", f"{full}.downstream_join_id"))
    return (*parent, full.removeprefix("".join(f"{part}." for part in parent)))
