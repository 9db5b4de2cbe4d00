"""Pipelines of many nodes, namespaces, tags for groups and kinds of data, at random."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import strategies as st

from kedro_airflow_k8s.pod.names import is_parameter, stored_name
from kedro_airflow_k8s.project.entities import PipelineNode

NAMESPACES = (None, "a", "a.b", "a.b.c", "a.d", "b", "c.b")
FREE = {1: ["raw"], 2: ["params:rate"], 3: ["parameters"], 4: ["raw", "params:rate"]}
MODES = ("none", "memory", "namespace", "pipeline")


@dataclass(frozen=True)
class RandomPipeline:
    """The nodes in topological order, and the datasets, as nodes name them, in memory."""

    nodes: tuple[PipelineNode, ...]
    memory: frozenset[str]

    def in_memory(self, dataset: str) -> bool:
        assert not is_parameter(dataset)
        return dataset in self.memory

    def links(self) -> list[tuple[int, int, str, str]]:
        """Maker and reader by position, and the dataset as each of them names it."""
        return [
            (one, other, made, read)
            for one, maker in enumerate(self.nodes)
            for other, reader in enumerate(self.nodes)
            for made in maker.outputs
            for read in reader.inputs
            if stored_name(made) == stored_name(read)
        ]


@st.composite
def _groups(draw: st.DrawFn, size: int) -> dict[int, str]:
    """Names of groups by tag, mostly of neighbours: few of those at random could be tasks."""
    found: dict[int, str] = {}
    for name in draw(st.lists(st.sampled_from(["x", "y", "a"]), max_size=3, unique=True)):
        first = draw(st.integers(0, size - 1))
        last = min(size - 1, first + draw(st.sampled_from([3, 9])))
        for index in sorted(draw(st.sets(st.integers(first, last), min_size=1, max_size=5))):
            found.setdefault(index, name)
    return found


@st.composite
def random_pipelines(draw: st.DrawFn, *, old_tags: bool = True) -> RandomPipeline:
    """Up to 60 nodes.

    Args:
        draw: Given by Hypothesis.
        old_tags: Some tags are as Kedro wrote them before version 1.
    """
    size = draw(st.integers(1, 12) | st.integers(1, 60))
    groups = draw(_groups(size))
    namespaces = draw(st.lists(st.sampled_from(NAMESPACES), min_size=1, max_size=4, unique=True))
    # A few bytes say what a node is like: a draw for each of these choices would take long.
    rows = draw(st.lists(st.binary(min_size=7, max_size=7), min_size=size, max_size=size))
    nodes: list[PipelineNode] = []
    made: list[str] = []
    memory: set[str] = set()
    for index, (place, count, *picks, kind, where) in enumerate(rows):
        namespace = namespaces[place % len(namespaces)]
        near = made[-3:] if count & 4 else made
        sources = sorted({near[pick % len(near)] for pick in picks[: count % 4]} if near else ())
        inputs = [
            name.replace("@one", "@two") if place & 64 << number else name
            for number, name in enumerate(sources)
        ]
        inputs += FREE.get(kind % 16, [])
        outputs = [f"d{index}_{number}" for number in range((1, 1, 1, 1, 1, 2, 2, 0)[kind >> 5])]
        if where & 32:
            outputs = [f"{name}@one" for name in outputs]
        known = [*outputs, *(name.replace("@one", "@two") for name in outputs if "@" in name)]
        memory.update(name for number, name in enumerate(known) if where & 1 << number)
        prefix = "airflow-k8s:group:" if old_tags and where & 64 else "airflow-k8s.group."
        nodes.append(
            PipelineNode(
                f"{namespace}.n{index}" if namespace else f"n{index}",
                namespace,
                inputs=tuple(inputs or ([] if outputs else ["raw"])),
                outputs=tuple(outputs),
                tags=(*([prefix + groups[index]] if index in groups else []), "other"),
            )
        )
        made += outputs
    return RandomPipeline(tuple(nodes), frozenset(memory))
