"""Runs that are cancelled, DAGs that are paused, and what is said of them."""

from __future__ import annotations

import json

import pytest

from kedro_airflow_k8s.airflow_api import RunState
from kedro_airflow_k8s.deploy.cancel import as_json, cancel, say_cancelled
from kedro_airflow_k8s.deploy.pause import as_json as pause_as_json
from kedro_airflow_k8s.deploy.pause import say_paused, set_paused
from kedro_airflow_k8s.errors import RunError, ServerFailed
from kedro_airflow_k8s.terminal.task_table import TaskState
from tests.support.scripted_airflow import ScriptedAirflow, known_dag
from tests.unit.deploy.looking import RUN, add_run, looked_at

NOT_BEGUN = TaskState(None, None, None, 0)
URL = f"https://airflow.example.com/dags/shop/runs/{RUN}"


def in_progress(*, paused: bool = False) -> ScriptedAirflow:
    """An Airflow with a run whose second task runs."""
    airflow = looked_at(RunState.RUNNING, paused=paused)
    airflow.tasks.update(
        prepare=TaskState("running", 103.0, None, 1), train=NOT_BEGUN, delete_volume=NOT_BEGUN
    )
    return airflow


def cancelled(airflow: ScriptedAirflow, run_id: str | None = None) -> list[str]:
    progress, written = airflow.progress()
    say_cancelled(cancel(airflow, "shop", run_id), progress)
    return written.getvalue().splitlines()


def paused(airflow: ScriptedAirflow, wanted: bool) -> list[str]:
    progress, written = airflow.progress()
    say_paused(set_paused(airflow, "shop", wanted), progress)
    return written.getvalue().splitlines()


def test_a_cancelled_run_is_failed_with_its_last_task_or_airflow_calls_it_a_success() -> None:
    airflow = in_progress()
    assert cancelled(airflow) == [
        f"Run {RUN} is marked as failed: {URL}",
        "Airflow stops prepare, and deletes the pods.",
        "The tasks that clean up run after that: delete_volume.",
    ]
    assert airflow.runs[RUN].state is RunState.FAILED
    states = {task_id: task.state for task_id, task in airflow.tasks.items()}
    assert states == {
        "create_volume": "success",
        "prepare": "running",
        "train": "failed",
        "delete_volume": None,
    }


def test_of_a_paused_dag_it_is_said_that_nothing_cleans_up() -> None:
    text = cancelled(in_progress(paused=True))[-1]
    assert text.startswith("Warning: DAG shop is paused in Airflow: these tasks wait until it is")
    assert "the run keeps its volume. `kedro airflow-k8s unpause` lets them run." in text


def test_a_queued_run_is_cancelled_without_tasks() -> None:
    airflow = looked_at(RunState.QUEUED)
    airflow.tasks.clear()
    assert cancelled(airflow) == [f"Run {RUN} is marked as failed: {URL}"]


def test_json_of_cancel_is_for_programs() -> None:
    assert json.loads(as_json(cancel(in_progress(), "shop", RUN))) == {
        "dag_id": "shop",
        "run_id": RUN,
        "url": URL,
        "stopped": ["prepare"],
        "teardown": ["delete_volume"],
        "paused": False,
    }


def test_a_run_that_has_ended_is_not_touched() -> None:
    airflow = looked_at(RunState.SUCCESS)
    with pytest.raises(RunError, match=f"Run {RUN} has ended: success. Only a run that is running"):
        cancel(airflow, "shop", RUN)
    with pytest.raises(RunError, match="No run of DAG shop is running or queued"):
        cancel(airflow, "shop", None)
    assert airflow.runs[RUN].state is RunState.SUCCESS


def test_of_several_runs_one_must_be_named() -> None:
    airflow = in_progress()
    add_run(airflow, "later", RunState.QUEUED)
    with pytest.raises(RunError) as error:
        cancel(airflow, "shop", None)
    assert str(error.value) == (
        f"2 runs of DAG shop have not ended. Name the one to cancel: later, {RUN}."
    )
    assert all(not run.state.ended for run in airflow.runs.values())
    cancel(airflow, "shop", "later")
    assert airflow.runs[RUN].state is RunState.RUNNING


def test_a_dag_that_this_plugin_has_not_made_is_not_changed() -> None:
    airflow = in_progress()
    airflow.parse(known_dag("shop", "by-hand"))
    for change in (
        lambda: cancel(airflow, "shop", None),
        lambda: set_paused(airflow, "shop", True),
    ):
        with pytest.raises(RunError, match="was not made by this plugin"):
            change()
    assert not airflow.dags["shop"].paused
    assert airflow.runs[RUN].state is RunState.RUNNING


def test_a_paused_dag_says_what_becomes_of_its_runs() -> None:
    airflow = in_progress()
    dag = "https://airflow.example.com/dags/shop"
    first, second = paused(airflow, True)
    assert first == f"DAG shop is paused: no run starts until you unpause it. See {dag}"
    assert second == (
        f"Not ended yet: {RUN}. Tasks that are running go on, and no further task starts, also"
        " none that cleans up. `kedro airflow-k8s cancel` cancels a run."
    )
    assert airflow.dags["shop"].paused
    assert paused(airflow, True)[0].startswith("DAG shop is already paused: no run starts")
    assert paused(airflow, False) == [
        f"DAG shop is unpaused. See {dag}",
        f"Not ended yet: {RUN}. Airflow starts their tasks.",
    ]
    assert not airflow.dags["shop"].paused


def test_an_unpaused_dag_with_a_schedule_may_run_at_once_and_so_it_is_said() -> None:
    airflow = looked_at(paused=True)
    dag = airflow.dags["shop"].model_copy(update={"schedule": "0 6 * * *"})
    airflow.parse(dag)
    assert paused(airflow, False)[1:] == [
        "Its schedule is 0 6 * * *. If the last interval has had no run, Airflow starts one now."
    ]
    assert len(paused(airflow, False)) == 1


def test_json_of_pause_is_for_programs() -> None:
    assert json.loads(pause_as_json(set_paused(in_progress(), "shop", True))) == {
        "dag_id": "shop",
        "paused": True,
        "changed": True,
        "schedule": None,
        "unfinished_runs": [RUN],
        "url": "https://airflow.example.com/dags/shop",
    }


def test_an_airflow_that_fails_is_an_error_with_its_words() -> None:
    airflow = in_progress()
    airflow.trouble = ServerFailed("500 Internal Server Error.")
    with pytest.raises(ServerFailed, match="500"):
        cancel(airflow, "shop", RUN)
