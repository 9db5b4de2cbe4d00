"""What a person sees of a sandbox run: a live table, or plain lines where there is no terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import TracebackType

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from kedro_airflow_k8s.sandbox.airflow_home import TaskState

_COLOURS = {
    "success": "green",
    "failed": "red",
    "upstream_failed": "orange3",
    "running": "cyan",
    "up_for_retry": "yellow",
    "skipped": "magenta",
}


class TaskTable:
    """Shows how the tasks stand, as a context manager.

    Args:
        console: Where to write.
        title: Above the table.
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
        """Show the tasks as they stand now."""
        if self._live:
            self._live.update(self._table(tasks), refresh=True)
            return
        for task_id in self._task_ids:
            task = tasks.get(task_id)
            if (
                task
                and task.state in _COLOURS
                and self._shown.get(task_id) != (task.state, task.attempt)
            ):
                self._shown[task_id] = (task.state, task.attempt)
                self._console.print(
                    f"{task_id}: {task.state}{_duration(task)}{_attempt(task)}", markup=False
                )

    def _table(self, tasks: Mapping[str, TaskState]) -> Table:
        table = Table(title=self._title, title_justify="left", box=None)
        for name in ("Task", "State", "Seconds", "Attempt"):
            table.add_column(name, justify="right" if name in ("Seconds", "Attempt") else "left")
        height = max(self._console.height - 4, 5)
        for task_id in self._rows(tasks, height):
            task = tasks.get(task_id, TaskState(None, None, None, 0))
            colour = _COLOURS.get(task.state or "", "dim")
            seconds = f"{task.seconds:.1f}" if task.seconds is not None else ""
            table.add_row(
                Text(task_id),
                f"[{colour}]{task.state or 'waiting'}[/]",
                seconds,
                str(task.attempt or ""),
            )
        return table

    def _rows(self, tasks: Mapping[str, TaskState], height: int) -> Sequence[str]:
        """The tasks that fit on the screen: those around the last one that has begun."""
        begun = [
            i
            for i, task_id in enumerate(self._task_ids)
            if task_id in tasks and tasks[task_id].start
        ]
        end = max(height, min(len(self._task_ids), (begun[-1] if begun else 0) + height // 2))
        return self._task_ids[max(0, end - height) : end]


def _duration(task: TaskState) -> str:
    return f" ({task.seconds:.1f} s)" if task.end is not None and task.seconds is not None else ""


def _attempt(task: TaskState) -> str:
    return f", attempt {task.attempt}" if task.attempt > 1 else ""
