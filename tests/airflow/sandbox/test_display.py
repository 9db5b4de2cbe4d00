"""What a person sees of a run in the sandbox."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from kedro_airflow_k8s.airflow_api.records import TaskState
from kedro_airflow_k8s.errors import SandboxError
from kedro_airflow_k8s.sandbox.secrets_file import read_secrets
from kedro_airflow_k8s.terminal.task_table import TaskTable

DONE = TaskState("success", 100.0, 103.25, 1)
RUNNING = TaskState("running", 100.0, None, 2)


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


def test_a_table_longer_than_the_terminal_shows_the_tasks_that_run() -> None:
    screen, file = console(terminal=True, height=20)
    names = [f"task-{number:03}" for number in range(500)]
    with TaskTable(screen, "Tasks", names) as table:
        table.update(dict.fromkeys(names[:250], DONE) | {"task-250": RUNNING})

    shown = file.getvalue()
    assert "task-250" in shown
    assert "task-000" not in shown
    assert "task-499" not in shown


def test_secrets_are_read_as_kubectl_reads_them(tmp_path: Path) -> None:
    file = tmp_path / "secrets.yaml"
    file.write_text(
        "kind: Secret\nmetadata: {name: a}\nstringData: {k: v}\n---\n"
        "kind: Secret\nmetadata: {name: b, namespace: other}\ndata: {k: /v8=}\n---\n"
    )
    assert read_secrets(file, "team") == {
        ("team", "a"): {"k": "v"},
        ("other", "b"): {"k": b"\xfe\xff"},
    }


def test_two_secrets_of_one_name_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "secrets.yaml"
    file.write_text("---\nkind: Secret\nmetadata: {name: a}\n" * 2)
    with pytest.raises(SandboxError, match="two Secrets of one name"):
        read_secrets(file, "team")


@pytest.mark.parametrize(
    "text",
    [
        "kind: ConfigMap\nmetadata: {name: a}\ndata: {k: hunter2}",
        "kind: Secret\nmetadata: {name: a}\ndata: {k: hunter2!}",
        "kind: Secret\nmetadata: {name: a}\nstringData: {k: [hunter2]}",
        "kind: Secret\nmetadata: {name: a}\nstringData: {1: hunter2}",
        "kind: Secret\nstringData: {k: hunter2}",
        "hunter2",
        "- hunter2",
        "a: [hunter2",
    ],
)
def test_what_is_no_secret_is_refused_without_showing_it(tmp_path: Path, text: str) -> None:
    file = tmp_path / "secrets.yaml"
    file.write_text(text)
    with pytest.raises(SandboxError, match="does not hold Kubernetes Secrets") as refused:
        read_secrets(file, "team")
    assert "hunter2" not in str(refused.value)
