"""The end of a failed task's log, as `run-once` shows it."""

from __future__ import annotations

import pytest

from kedro_airflow_k8s.terminal.task_log import log_end

AIRFLOW_2 = """\
[2026-01-05T12:00:01.000+0000] {pod_manager.py:471} INFO - [base] Traceback (most recent call last):
[2026-01-05T12:00:01.000+0000] {pod_manager.py:471} INFO - [base]   File "nodes.py", line 7, in f
[2026-01-05T12:00:01.000+0000] {pod_manager.py:471} INFO - [base] ValueError: no data
[2026-01-05T12:00:02.000+0000] {taskinstance.py:3340} ERROR - Task failed with exception
Traceback (most recent call last):
  File "pod.py", line 923, in execute_sync
    self.cleanup(
    ^^^^^^^^^^^^^
airflow.exceptions.AirflowException: Pod f-1 returned a failure.
[2026-01-05T12:00:03.000+0000] {job.py:2} INFO - Task exited with return code 1
"""


def test_what_the_pod_has_said_stays_whole_and_airflows_frames_go() -> None:
    assert log_end(AIRFLOW_2).splitlines() == [
        "Traceback (most recent call last):",
        '  File "nodes.py", line 7, in f',
        "ValueError: no data",
        "[2026-01-05T12:00:02.000+0000] {taskinstance.py:3340} ERROR - Task failed with exception",
        "airflow.exceptions.AirflowException: Pod f-1 returned a failure.",
    ]


def test_only_the_end_of_what_the_pod_has_said_is_shown_whatever_airflow_adds() -> None:
    pod = "\n".join(f"[base] line {number}" for number in range(100))
    airflow = "\n".join(f"[2026-01-05T12:00:02Z] ERROR - {number}" for number in range(50))
    lines = log_end(f"{pod}\n{airflow}").splitlines()
    assert lines[:80] == [f"line {number}" for number in range(20, 100)]
    assert lines[80:] == [f"[2026-01-05T12:00:02Z] ERROR - {number}" for number in range(10)]


@pytest.mark.parametrize("log", ["", "\n", "one line"])
def test_a_log_without_a_pod_stays_as_it_is(log: str) -> None:
    assert log_end(log) == log.strip("\n")
