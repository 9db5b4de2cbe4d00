"""Directed graphs: for each vertex, which is a number from 0 on, those that come after it.

Linear in vertices and edges, and without recursion, which Python allows a thousand times.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable, Sequence
from graphlib import TopologicalSorter
from heapq import heappop, heappush


def components(graph: Sequence[Collection[int]]) -> list[int]:
    """For each vertex a number that it shares with those on a circle with it.

    Tarjan's algorithm, with a stack of its own.
    """
    entered, lowest, component = ([0] * len(graph) for _ in range(3))
    rest = [iter(following) for following in graph]
    clock, unassigned = 0, list[int]()
    for root in range(len(graph)):
        path = [] if entered[root] else [root]
        while path:
            vertex = path[-1]
            if not entered[vertex]:
                clock += 1
                entered[vertex] = lowest[vertex] = clock
                unassigned.append(vertex)
            for following in rest[vertex]:
                if not entered[following]:
                    path.append(following)
                    break
                if not component[following]:
                    lowest[vertex] = min(lowest[vertex], lowest[following])
            else:
                path.pop()
                if lowest[vertex] == entered[vertex]:
                    _assign(vertex, unassigned, component)
                elif path:
                    lowest[path[-1]] = min(lowest[path[-1]], lowest[vertex])
    return component


def _assign(vertex: int, unassigned: list[int], component: list[int]) -> None:
    """Make a component of the vertex and of what was entered after it."""
    while not component[vertex]:
        component[unassigned.pop()] = vertex + 1


def in_order(graph: Sequence[Collection[int]], rank: Sequence[int]) -> list[int]:
    """Return the vertices of a graph without cycles, each after those before it.

    Of several that could be next, the one of the lowest rank is.
    """
    sorter = TopologicalSorter[int](dict.fromkeys(range(len(graph)), ()))
    for vertex, after in enumerate(graph):
        for following in after:
            sorter.add(following, vertex)
    sorter.prepare()
    ready: list[tuple[int, int]] = []
    order = []
    while sorter.is_active():
        for vertex in sorter.get_ready():
            heappush(ready, (rank[vertex], vertex))
        _, vertex = heappop(ready)
        order.append(vertex)
        sorter.done(vertex)
    return order


def shortest_circle(start: int, edges: Iterable[tuple[int, int]]) -> list[int]:
    """The shortest way from a vertex back to itself, which is both its ends.

    Raises:
        ValueError: If there is none.
    """
    graph: dict[int, list[int]] = {}
    for one, other in edges:
        graph.setdefault(one, []).append(other)
    came_from: dict[int, int] = {}
    queue = deque([start])
    while queue and start not in came_from:
        vertex = queue.popleft()
        for following in graph.get(vertex, ()):
            if following not in came_from:
                came_from[following] = vertex
                queue.append(following)
    if start not in came_from:
        raise ValueError(f"No way leads from {start} back to it.")
    way = [start, came_from[start]]
    while way[-1] != start:
        way.append(came_from[way[-1]])
    return way[::-1]
