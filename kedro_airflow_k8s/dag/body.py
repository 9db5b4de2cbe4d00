"""Variables for the tasks in a DAG file, and the edges between them."""

from __future__ import annotations

import builtins
import keyword
import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence

from kedro_airflow_k8s.config.own_names import digest
from kedro_airflow_k8s.dag.literals import INDENT, WIDTH, Expression, literal

Element = str | Sequence[str]
"""A part of a chain of edges: a variable, or a list of variables."""

CHAIN_LENGTH = 8
"""Most parts of a chain: Python cannot compile an expression of thousands."""

_NEVER = frozenset((*keyword.kwlist, *dir(builtins)))


def variables(task_ids: Sequence[str], reserved: Collection[str]) -> dict[str, str]:
    """Return a Python variable for each task: the shortest unique end of its id.

    Args:
        task_ids: The ids, with the ids of their groups.
        reserved: Names that the file uses for other things.
    """
    chosen: dict[str, str] = {}
    left, depth = list(task_ids), 0
    while left:
        depth += 1
        names = {task_id: _variable(task_id, depth) for task_id in left}
        counts = Counter(names.values())
        taken = {*reserved, *chosen.values()}
        for task_id in left:
            name, whole = names[task_id], depth > task_id.count(".")
            if whole and (name in _NEVER or name in reserved):
                name = f"task_{name}"
            free = counts[names[task_id]] == 1 and name not in taken and name not in _NEVER
            if free or whole:
                chosen[task_id] = name if free else f"{name}_{digest(task_id, 12)}"
        left = [task_id for task_id in left if task_id not in chosen]
    return chosen


def _variable(task_id: str, depth: int) -> str:
    parts = task_id.split(".")[-depth:]
    name = re.sub(r"\W+", "_", "_".join(parts), flags=re.ASCII).strip("_").lower()
    return name if name and not name[0].isdigit() else f"task_{name}"


def chains(upstream: Mapping[str, Sequence[str]]) -> Iterator[list[Element]]:
    """Yield chains that contain each edge once, such as `[a, b] >> c >> d >> [e, f]`.

    Args:
        upstream: The direct predecessors of each task, in an order in which the tasks can run.
    """
    # A task with one predecessor continues its chain. Several such tasks end it as a list.
    only: dict[str, list[str]] = {name: [] for name in upstream}
    for name, before in upstream.items():
        if len(before) == 1:
            only[before[0]].append(name)
    for name, before in upstream.items():
        if len(before) == 1 and len(only[before[0]]) == 1:
            continue
        chain: list[Element] = [before, name] if len(before) > 1 else [name]
        last = name
        while len(only[last]) == 1:
            if len(chain) >= CHAIN_LENGTH:
                yield chain
                chain = [last]
            last = only[last][0]
            chain.append(last)
        if only[last]:
            chain.append(only[last])
        if len(chain) > 1:
            yield chain


def chain_line(chain: Sequence[Element]) -> str:
    """Return a chain as a statement in the DAG's `with` block, on as few lines as possible."""
    texts = [_text(element, 1) for element in chain]
    line = INDENT + " >> ".join(texts)
    if len(line) <= WIDTH and "\n" not in line:
        return line
    inner = INDENT * 2
    parts = [_text(element, 2, len(inner) + len(">> ")) for element in chain]
    return f"{INDENT}(\n{inner}" + f"\n{inner}>> ".join(parts) + f"\n{INDENT})"


def _text(element: Element, depth: int, before: int = 0) -> str:
    if isinstance(element, str):
        return element
    if len(element) == 1:
        return element[0]
    return literal([Expression(name) for name in element], depth, before)
