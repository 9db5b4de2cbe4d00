"""The log of a task on the screen."""

from __future__ import annotations

from collections.abc import Callable

from rich.console import Console
from rich.markup import escape

from kedro_airflow_k8s.errors import AirflowApiError
from kedro_airflow_k8s.terminal.task_log import ALL_FRAMES, cause, has_folded_frames


def show_log(
    read: Callable[[], str], title: str, console: Console, shorten: Callable[[str], str]
) -> str:
    """Show a log, and return why the task failed.

    Args:
        read: Returns the log as Airflow has it.
        title: What the log is of.
        console: Where to write.
        shorten: Returns what of the log is shown.
    """
    console.rule(f"Log of {escape(title)}", align="left")
    try:
        log = read()
    except AirflowApiError as error:
        log = f"Airflow does not give it: {error}"
    shown = shorten(log)
    console.print(shown or "It is empty.", markup=False, soft_wrap=True)
    if has_folded_frames(shown):
        console.print(f"(All frames: {ALL_FRAMES}.)", markup=False, soft_wrap=True)
    return cause(log)
