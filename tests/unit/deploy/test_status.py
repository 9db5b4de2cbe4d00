"""How a run stands, as a table and as JSON."""

from __future__ import annotations

import io
import json

import pytest
from rich.console import Console

from kedro_airflow_k8s.airflow_api import RunState
from kedro_airflow_k8s.deploy.status import LOGS_READ, as_json, run_status, show_status
from kedro_airflow_k8s.errors import ServerFailed, Unreachable
from kedro_airflow_k8s.terminal.task_table import TaskState
from tests.support.scripted_airflow import ScriptedAirflow
from tests.unit.deploy.looking import RUN, looked_at


def shown(airflow: ScriptedAirflow) -> list[str]:
    """What a user sees of the last run in a wide window."""
    written = io.StringIO()
    show_status(run_status(airflow, "shop"), Console(file=written, width=150, highlight=False))
    return [line.rstrip() for line in written.getvalue().splitlines()]


SUMMARY = "failed: 1 failed, 3 success, started 2026-01-05 12:00:00 UTC, 63 seconds."


def test_the_table_has_state_attempts_time_and_cause_of_each_task_in_their_order() -> None:
    assert shown(looked_at()) == [
        f"DAG shop, run {RUN}",
        "Task           State      Attempts  Seconds  Cause",
        "create_volume  ✓ success         1      3.0",
        "prepare        ✓ success         1      3.0",
        "train          ✗ failed          2      1.5  ValueError: no [bold] data (nodes.py:37)",
        "delete_volume  ✓ success         1      3.0",
        f"{SUMMARY} See https://airflow.example.com/dags/shop/runs/{RUN}",
        "`kedro airflow-k8s logs` shows the logs of the failed tasks.",
        "`kedro airflow-k8s resume` runs them again, with the tasks that follow.",
    ]


def test_json_has_the_same_for_programs() -> None:
    found = json.loads(as_json(run_status(looked_at(), "shop", RUN)))
    train = found["tasks"][2]
    assert train == {
        "task_id": "train",
        "state": "failed",
        "attempts": 2,
        "start": "1970-01-01T00:01:43+00:00",
        "end": "1970-01-01T00:01:44+00:00",
        "seconds": 1.5,
        "cause": "ValueError: no [bold] data (nodes.py:37)",
    }
    del found["tasks"]
    assert found == {
        "dag_id": "shop",
        "run_id": RUN,
        "state": "failed",
        "start": "2026-01-05T12:00:00+00:00",
        "end": "2026-01-05T12:01:03+00:00",
        "url": f"https://airflow.example.com/dags/shop/runs/{RUN}",
        "paused": False,
    }


def test_a_run_in_progress_shows_what_a_pod_waits_for_and_why_a_task_is_tried_again() -> None:
    airflow = looked_at(RunState.RUNNING)
    missing = 'secret "database" not found'
    airflow.logs["prepare"] = f"INFO - The Pod has an Event: {missing} from None"
    airflow.tasks.update(
        train=TaskState("up_for_retry", 103.0, 104.5, 1),
        prepare=TaskState("running", 103.0, None, 1),
        delete_volume=TaskState(None, None, None, 0),
    )
    causes = {task.task_id: task.cause for task in run_status(airflow, "shop").tasks}
    assert causes == {
        "create_volume": None,
        "prepare": f"waits for its pod: {missing}",
        "train": "ValueError: no [bold] data (nodes.py:37)",
        "delete_volume": None,
    }
    text = "\n".join(shown(airflow))
    assert "○ waiting" in text
    assert "running: 1 running, 1 success, 1 up for retry, 1 waiting, started" in text
    assert "seconds so far. See" in text
    assert "kedro airflow-k8s logs" not in text


@pytest.mark.parametrize("state", list(RunState), ids=lambda state: state.value)
def test_a_paused_dag_is_said_of_a_run_that_has_not_ended(state: RunState) -> None:
    text = "\n".join(shown(looked_at(state, paused=True)))
    assert ("no task of the run starts until you unpause the DAG" in text) is not state.ended


def test_a_queued_run_without_tasks_is_shown() -> None:
    airflow = looked_at(RunState.QUEUED)
    airflow.tasks.clear()
    assert shown(airflow)[2].startswith("queued: no tasks yet. See https://")


def test_a_log_that_airflow_does_not_return_leaves_the_rest_of_the_table() -> None:
    airflow = looked_at()
    airflow.logs["train"] = ServerFailed("500 Internal Server Error.")
    causes = [task.cause for task in run_status(airflow, "shop").tasks]
    assert causes[2] == "Airflow does not return the log: 500 Internal Server Error."


def test_an_airflow_that_does_not_answer_is_an_error() -> None:
    airflow = looked_at()
    airflow.trouble = Unreachable("No answer.")
    with pytest.raises(Unreachable):
        run_status(airflow, "shop", RUN)


def test_of_many_failed_tasks_the_logs_are_not_all_read() -> None:
    airflow = looked_at()
    airflow.tasks.update({f"t{i}": TaskState("failed", 1.0, 2.0, 1) for i in range(LOGS_READ)})
    text = "\n".join(shown(airflow))
    assert len(airflow.logs_read) == LOGS_READ
    assert f"The table has the causes of {LOGS_READ} tasks only." in text


def test_the_run_of_a_dag_whose_file_is_gone_is_shown() -> None:
    airflow = looked_at()
    airflow.dags.clear()
    airflow.stored_tasks.clear()
    tasks = [task.task_id for task in run_status(airflow, "shop").tasks]
    assert tasks == ["create_volume", "delete_volume", "prepare", "train"]
