"""The table of tasks on terminals of different sizes."""

from __future__ import annotations

import io

from rich.console import Console

from kedro_airflow_k8s.terminal.task_table import TaskState, TaskTable, ends

NAME = "data_processing.clean_companies_and_reviews"
BLOCKS = set("█▉▊▋▌▍▎▏▐▕")
DONE = TaskState("success", 100.0, 103.25, 1)
RUNNING = TaskState("running", 100.0, None, 2)


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


def console(terminal: bool, height: int = 40) -> tuple[Console, io.StringIO]:
    file = io.StringIO()
    return Console(file=file, force_terminal=terminal, width=100, height=height), file


def test_without_a_terminal_each_change_of_a_task_is_a_line() -> None:
    screen, file = console(terminal=False)
    with TaskTable(screen, "Tasks", ["a", "b[bold]"]) as table:
        table.update({"a": TaskState("scheduled", None, None, 0)})
        table.update({"a": DONE, "b[bold]": RUNNING})
        table.update({"a": DONE, "b[bold]": RUNNING})
        table.update({"a": DONE, "b[bold]": TaskState("failed", 100.0, 101.0, 2)})

    assert file.getvalue().splitlines() == [
        "a: success (3.2 s)",
        "b[bold]: running, attempt 2",
        "b[bold]: failed (1.0 s), attempt 2",
    ]


def test_on_a_terminal_a_table_shows_state_seconds_and_attempt() -> None:
    screen, file = console(terminal=True)
    with TaskTable(screen, "Tasks", ["a", "b[bold]", "c"]) as table:
        table.update({"a": DONE, "b[bold]": RUNNING})

    shown = file.getvalue()
    for text in ("a", "success", "3.2", "b[bold]", "running", "2", "c", "waiting"):
        assert text in shown


def test_a_deferred_task_looks_as_one_that_runs_and_is_said_once() -> None:
    screen, file = console(terminal=False)
    lines, shown = console(terminal=True)
    deferred = TaskState("deferred", 100.0, None, 1)
    running = TaskState("running", 100.0, None, 1)
    with TaskTable(screen, "Tasks", ["a"]) as table, TaskTable(lines, "Tasks", ["a"]) as live:
        for state in (running, deferred, running):
            table.update({"a": state})
        live.update({"a": deferred})

    assert file.getvalue() == "a: running\n"
    assert "● deferred" in shown.getvalue()


def test_a_table_longer_than_the_terminal_shows_the_tasks_that_run() -> None:
    screen, file = console(terminal=True, height=20)
    names = [f"task-{number:03}" for number in range(500)]
    with TaskTable(screen, "Tasks", names) as table:
        table.update(dict.fromkeys(names[:250], DONE) | {"task-250": RUNNING})

    shown = file.getvalue()
    assert "task-250" in shown
    assert "task-000" not in shown
    assert "task-499" not in shown


def test_the_end_of_a_run_says_what_failed_before_what_succeeded() -> None:
    tasks = {
        "a": DONE,
        "b": TaskState("failed", 100.0, 101.0, 1),
        "c": TaskState("upstream_failed", None, None, 0),
    }
    assert ends({"a": DONE}, ["a"]) == "1 of 1 tasks succeeded"
    assert ends(tasks, ["a", "b"]) == "1 failed, 1 succeeded"
    assert ends(tasks, ["a", "b", "c", "d"]) == "1 failed, 2 not run, 1 succeeded"


def test_states_are_shown_in_words() -> None:
    file = io.StringIO()
    with TaskTable(Console(file=file, width=100), "Tasks", ["c"]) as table:
        table.update({"c": TaskState("upstream_failed", None, None, 0)})
    assert file.getvalue() == "c: upstream failed\n"
