"""The table of tasks on terminals of different sizes."""

from __future__ import annotations

import io

from rich.console import Console

from kedro_airflow_k8s.airflow_api.records import TaskState
from kedro_airflow_k8s.terminal.task_table import TaskTable

NAME = "data_processing.clean_companies_and_reviews"
BLOCKS = set("█▉▊▋▌▍▎▏▐▕")


def shown(names: list[str], *, width: int, height: int = 40) -> str:
    """What a terminal without colours gets of a table whose first task has run for a minute."""
    file = io.StringIO()
    console = Console(file=file, force_terminal=True, color_system=None, width=width, height=height)
    with TaskTable(console, "Tasks", names) as table:
        table.update({names[0]: TaskState("success", 100.0, 160.0, 1)})
    return file.getvalue()


def test_a_wide_terminal_shows_on_a_line_when_each_task_ran() -> None:
    text = shown([NAME], width=120)

    assert "60 s" in text
    assert BLOCKS & set(text)


def test_a_narrow_terminal_leaves_that_line_out_and_keeps_the_names_whole() -> None:
    text = shown([NAME], width=80)

    assert NAME in text
    assert not BLOCKS & set(text)


def test_tasks_that_do_not_fit_on_the_screen_are_counted() -> None:
    text = shown([f"task-{n}" for n in range(100)], width=100, height=24)

    assert "and 80 that do not fit here" in text
