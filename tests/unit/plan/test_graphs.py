"""Cycles and orders of graphs, beside what a slow look at every way finds."""

from __future__ import annotations

from itertools import pairwise
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kedro_airflow_k8s.plan.graphs import components, in_order, shortest_cycle

Graph = list[list[int]]


@st.composite
def graphs(draw: st.DrawFn, cycles: bool = True) -> Graph:
    size = draw(st.integers(1, 12))
    return [
        draw(st.lists(st.integers(0 if cycles else vertex + 1, size - 1), max_size=3, unique=True))
        if cycles or vertex + 1 < size
        else []
        for vertex in range(size)
    ]


def reachable(graph: Graph, start: int) -> set[int]:
    """What comes after a vertex; itself only if it is on a cycle."""
    found: set[int] = set()
    fresh = set(graph[start])
    while fresh:
        found |= fresh
        fresh = {after for vertex in fresh for after in graph[vertex]} - found
    return found


@given(graphs())
def test_vertices_are_of_one_component_if_each_leads_to_the_other(graph: Graph) -> None:
    found = components(graph)
    after = [reachable(graph, vertex) | {vertex} for vertex in range(len(graph))]
    for one in range(len(graph)):
        for other in range(len(graph)):
            assert (found[one] == found[other]) == (other in after[one] and one in after[other])


@given(graphs(cycles=False), st.randoms())
def test_of_all_that_could_be_next_the_lowest_rank_is(graph: Graph, random: Random) -> None:
    rank = list(range(len(graph)))
    random.shuffle(rank)
    left = set(range(len(graph)))
    for vertex in in_order(graph, rank):
        ready = [one for one in left if not any(one in graph[other] for other in left)]
        assert vertex == min(ready, key=rank.__getitem__)
        left.remove(vertex)
    assert not left


@given(graphs())
def test_the_shortest_cycle_is_a_cycle_and_none_is_shorter(graph: Graph) -> None:
    edges = [(one, other) for one, after in enumerate(graph) for other in after]
    if 0 not in reachable(graph, 0):
        with pytest.raises(ValueError, match="no path from 0"):
            shortest_cycle(0, edges)
        return
    cycle = shortest_cycle(0, edges)
    assert cycle[0] == cycle[-1] == 0
    assert all(step in edges for step in pairwise(cycle))
    at = {0}
    for _ in range(len(cycle) - 2):
        at = {after for vertex in at for after in graph[vertex]}
        assert 0 not in at


def test_a_path_through_twenty_thousand_vertices_does_not_recurse() -> None:
    size = 20_000
    line = [[vertex + 1] for vertex in range(size - 1)] + [[]]
    ring = [[(vertex + 1) % size] for vertex in range(size)]
    assert len(set(components(line))) == size
    assert len(set(components(ring))) == 1
    assert in_order(line, range(size)) == list(range(size))
    assert len(shortest_cycle(0, [(one, after[0]) for one, after in enumerate(ring)])) == size + 1
