"""The tasks of a run on the screen: a live table, or plain lines without a terminal."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType

from rich.bar import Bar
from rich.console import Console, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

# Of the states that are worth a line: their mark and colour.
_LOOKS = {
    "success": ("✓", "green"),
    "failed": ("✗", "red"),
    "upstream_failed": ("✗", "dark_orange"),
    "running": ("●", "cyan"),
    "up_for_retry": ("↻", "yellow"),
    "skipped": ("»", "magenta"),
}
# In a table, a task whose pod the triggerer waits for looks as one that runs.
_IN_TABLE = {**_LOOKS, "deferred": _LOOKS["running"]}
TIMELINE_WIDTH = 90
"""Columns that a terminal needs for the line that shows which task ran when."""

_WAITING = ("○", "bright_black")


@dataclass(frozen=True)
class TaskState:
    """The state of a task in a DAG run, from Airflow's API or from the sandbox.

    Attributes:
        state: Airflow's state, such as `running` or `up_for_retry`; None before it is scheduled.
        start: The start of its last attempt, in seconds since 1970.
        end: The end of its last attempt, in seconds since 1970.
        attempt: The number of its last attempt, from 1; 0 before the first one.
    """

    state: str | None
    start: float | None
    end: float | None
    attempt: int

    @property
    def seconds(self) -> float | None:
        """How long the last attempt has run so far."""
        if self.start is None:
            return None
        return (self.end or time.time()) - self.start


_NOT_BEGUN = TaskState(None, None, None, 0)


class TaskTable:
    """Shows the states of tasks, as a context manager.

    Args:
        console: Where to write.
        title: Above the column of the tasks.
        task_ids: The tasks in the order of the rows.
    """

    def __init__(self, console: Console, title: str, task_ids: Sequence[str]) -> None:
        self._console = console
        self._title = title
        self._task_ids = task_ids
        self._shown: dict[str, tuple[str | None, int]] = {}
        self._live = Live(console=console, auto_refresh=False) if console.is_terminal else None

    def __enter__(self) -> TaskTable:
        if self._live:
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._live:
            self._live.stop()

    def update(self, tasks: Mapping[str, TaskState]) -> None:
        """Show the tasks in their present states."""
        if self._live:
            self._live.update(self._table(tasks), refresh=True)
            return
        for task_id in self._task_ids:
            task = tasks.get(task_id)
            if (
                task
                and task.state in _LOOKS
                and self._shown.get(task_id) != (task.state, task.attempt)
            ):
                self._shown[task_id] = (task.state, task.attempt)
                self._console.print(
                    f"{task_id}: {in_words(task.state)}{_duration(task)}{_attempt(task)}",
                    markup=False,
                )

    def _table(self, tasks: Mapping[str, TaskState]) -> Table:
        spans = [
            (task.start, task.start + task.seconds)
            for task in tasks.values()
            if task.start and task.seconds
        ]
        first = min((start for start, _ in spans), default=0.0)
        total = max((end for _, end in spans), default=first) - first
        timeline = self._console.width >= TIMELINE_WIDTH
        table = Table(box=None, expand=timeline, pad_edge=False)
        table.add_column(self._title, no_wrap=True)
        # Wide enough for what tasks go through, so that the columns stay where they are.
        table.add_column("State", no_wrap=True, min_width=len("● scheduled"))
        table.add_column("Attempt", justify="right")
        table.add_column("Seconds", justify="right")
        if timeline:
            table.add_column(f"{total:.0f} s", justify="right", ratio=1)
        rows = self._rows(tasks)
        for task_id in rows:
            task = tasks.get(task_id, _NOT_BEGUN)
            group, dot, label = task_id.rpartition(".")
            cells: list[RenderableType] = [
                Text.assemble((group + dot, "bright_black"), label),
                state_text(task.state),
                str(task.attempt or ""),
                "" if task.seconds is None else f"{task.seconds:.1f}",
            ]
            if timeline:
                begin = (task.start or first) - first
                end = begin + (task.seconds or 0)
                cells.append(Bar(total or 1, begin, end, color=_look(task.state)[1]))
            table.add_row(*cells)
        hidden = len(self._task_ids) - len(rows)
        if hidden:
            table.add_row(Text(f"and {hidden} that do not fit here", style="bright_black"))
        return table

    def _rows(self, tasks: Mapping[str, TaskState]) -> Sequence[str]:
        """Return the tasks that fit on the screen: those around the last one that has begun."""
        height = max(self._console.height - 4, 5)
        begun = [
            i
            for i, task_id in enumerate(self._task_ids)
            if task_id in tasks and tasks[task_id].start
        ]
        end = max(height, min(len(self._task_ids), (begun[-1] if begun else 0) + height // 2))
        return self._task_ids[max(0, end - height) : end]


def ends(tasks: Mapping[str, TaskState], task_ids: Sequence[str]) -> str:
    """Return how many tasks of a run ended how, in words: `1 failed, 2 not run, 5 succeeded`."""
    states = [tasks.get(task_id, _NOT_BEGUN).state for task_id in task_ids]
    succeeded, failed = states.count("success"), states.count("failed")
    if succeeded == len(states):
        return f"{succeeded} of {len(states)} tasks succeeded"
    rest = len(states) - succeeded - failed
    counts = {"failed": failed, "not run": rest, "succeeded": succeeded}
    return ", ".join(f"{count} {state}" for state, count in counts.items() if count)


def state_text(state: str | None) -> Text:
    """Return a state of Airflow's for a table, with its mark and colour."""
    mark, colour = _look(state)
    return Text(f"{mark} {in_words(state)}", style=colour)


def in_words(state: str | None) -> str:
    """Return a state of Airflow's in words."""
    return (state or "waiting").replace("_", " ")


def _look(state: str | None) -> tuple[str, str]:
    return _IN_TABLE.get(state or "", _WAITING)


def _duration(task: TaskState) -> str:
    return f" ({task.seconds:.1f} s)" if task.end is not None and task.seconds is not None else ""


def _attempt(task: TaskState) -> str:
    return f", attempt {task.attempt}" if task.attempt > 1 else ""
