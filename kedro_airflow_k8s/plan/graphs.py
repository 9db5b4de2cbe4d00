"""Algorithms on directed graphs. A vertex is an index, a graph lists the successors of each.

They take linear time and do not recurse: Python's recursion limit is 1000.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable, Sequence
from graphlib import TopologicalSorter
from heapq import heappop, heappush


def components(graph: Sequence[Collection[int]]) -> list[int]:
    """Return the strongly connected component of each vertex, as a number.

    This is Tarjan's algorithm with an explicit stack.
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
    """Make a component of the vertex and of the vertices that were entered after it."""
    while not component[vertex]:
        component[unassigned.pop()] = vertex + 1


def in_order(graph: Sequence[Collection[int]], rank: Sequence[int]) -> list[int]:
    """Return the vertices of an acyclic graph in topological order.

    Of several vertices that can be next, the one with the lowest rank comes first.
    """
    # Python 3.10 has no TopologicalSorter[int] at run time.
    sorter: TopologicalSorter[int] = TopologicalSorter(dict.fromkeys(range(len(graph)), ()))
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


def shortest_cycle(start: int, edges: Iterable[tuple[int, int]]) -> list[int]:
    """Return the shortest path from a vertex back to itself, with the vertex at both ends.

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
        raise ValueError(f"There is no path from {start} back to itself.")
    path = [start, came_from[start]]
    while path[-1] != start:
        path.append(came_from[path[-1]])
    return path[::-1]
