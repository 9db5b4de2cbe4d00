"""Which tasks of a plan can run at the same time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from kedro_airflow_k8s.plan.tasks import Task
from kedro_airflow_k8s.project.entities import stored_name


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
        """A task of some and one of others that do not wait for each other, or None.

        Tasks are given as positions in the sequence.
        """
        mask = sum(1 << index for index in set(others))
        for index in some:
            free = mask & ~(self._before[index] | self._after[index] | 1 << index)
            if free:
                return index, (free & -free).bit_length() - 1
        return None
