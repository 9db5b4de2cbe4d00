"""A task that fails before Airflow runs it."""

from __future__ import annotations

from pathlib import Path

from kedro_airflow_k8s.sandbox.task_logs import read_logs
from kedro_airflow_k8s.terminal.task_table import TaskState

OUTPUT = """\
2026-01-01T00:00:00.000000Z [error    ] Task failed with exception     [task] loc=task_runner.py:1
TypeError: 'VariableAccessor' object is not subscriptable

During handling of the above exception, another exception occurred:

airflow.sdk.exceptions.AirflowRuntimeError: VARIABLE_NOT_FOUND: Variable stage not found
"""


def test_its_reason_is_found_in_the_output_of_airflow(tmp_path: Path) -> None:
    output = tmp_path / "output"
    output.write_text(OUTPUT)
    tasks = {"clean": TaskState("failed", None, None, 1), "rank": TaskState("success", 0, 1, 1)}

    found = read_logs(tasks, [], tmp_path / "logs", output)

    assert list(found) == ["clean"]
    assert "Variable stage not found" in found["clean"].cause
