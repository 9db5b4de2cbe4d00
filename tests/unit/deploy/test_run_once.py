"""A run from its start to its end, as a person sees it."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from semver import Version

from kedro_airflow_k8s.airflow_api import DagRun, RunState
from kedro_airflow_k8s.airflow_api.records import TaskInstance
from kedro_airflow_k8s.config.load import load_config
from kedro_airflow_k8s.config.model import RunConfig
from kedro_airflow_k8s.deploy.run import RunOptions, new_run_id, task_state
from kedro_airflow_k8s.deploy.start import kept_schedule, run_once
from kedro_airflow_k8s.errors import Conflict, NotAuthenticated, NotFound, RunError, Unreachable
from kedro_airflow_k8s.terminal.task_table import TaskState
from tests.support.compiled_dags import compiled_dag
from tests.support.scripted_airflow import ScriptedAirflow, known_dag

DAG = compiled_dag("sales", tasks=("load", "train"))
PARSED = known_dag("sales", DAG.fingerprint)
DONE = TaskState("success", 100.0, 103.0, 1)
FAILED = TaskState("failed", 103.0, 104.0, 2)


@pytest.fixture
def airflow() -> ScriptedAirflow:
    scripted = ScriptedAirflow()
    scripted.at(1, lambda: scripted.parse(PARSED))
    return scripted


def run(airflow: ScriptedAirflow, folder: Path, options: RunOptions) -> str:
    """Run once; what was written, which an error has as its `written`."""
    progress, written = airflow.progress()
    try:
        run_once(airflow, DAG, str(folder), options, progress)
    except BaseException as error:
        error.written = written.getvalue()  # type: ignore[attr-defined]
        raise
    return written.getvalue()


def written(error: pytest.ExceptionInfo[BaseException]) -> str:
    """What a run that ended in an error had written."""
    return str(error.value.written)  # type: ignore[attr-defined]


def end_at(airflow: ScriptedAirflow, seconds: float, state: RunState, **tasks: TaskState) -> None:
    def end() -> None:
        airflow.tasks.update(tasks)
        airflow.end(state)

    airflow.at(seconds, end)


def test_without_a_wait_the_run_is_started_and_its_address_printed(
    airflow: ScriptedAirflow, tmp_path: Path
) -> None:
    text = run(airflow, tmp_path, RunOptions(conf={"kedro_params": {"a": 1}}))

    (run_id,) = airflow.runs
    assert f"Started run {run_id}: https://airflow.example.com/dags/sales/runs/{run_id}" in text
    assert airflow.confs == [{"kedro_params": {"a": 1}}]
    assert airflow.runs[run_id].logical_date is None


@pytest.mark.parametrize("zone", [timezone.utc, None], ids=["its own zone", "the DAG's"])
def test_a_logical_date_reaches_airflow_with_a_zone(
    airflow: ScriptedAirflow, tmp_path: Path, zone: timezone | None
) -> None:
    run(airflow, tmp_path, RunOptions(logical_date=datetime(2026, 3, 1, tzinfo=zone)))
    day = datetime(2026, 3, 1, tzinfo=timezone.utc)
    assert [r.logical_date for r in airflow.runs.values()] == [day]


def test_a_run_that_succeeds_shows_its_tasks(airflow: ScriptedAirflow, tmp_path: Path) -> None:
    end_at(airflow, 9, RunState.SUCCESS, load=DONE, train=DONE)

    text = run(airflow, tmp_path, RunOptions(minutes=5))

    assert "load: success (3.0 s)" in text
    assert "success: 2 of 2 tasks succeeded." in text


def test_a_success_with_a_teardown_that_failed_shows_its_log_and_says_so(
    airflow: ScriptedAirflow, tmp_path: Path
) -> None:
    airflow.logs["delete_volume"] = "ApiException: Forbidden"
    end_at(airflow, 9, RunState.SUCCESS, load=DONE, train=DONE, delete_volume=FAILED)

    text = run(airflow, tmp_path, RunOptions(minutes=5))

    assert "Log of delete_volume" in text
    assert "ApiException: Forbidden" in text
    assert "Warning: delete_volume failed, after the nodes: Airflow calls the run a" in text


def test_a_queued_run_has_not_ended(airflow: ScriptedAirflow, tmp_path: Path) -> None:
    end_at(airflow, 200, RunState.SUCCESS, load=DONE, train=DONE)
    run(airflow, tmp_path, RunOptions(minutes=5))
    assert airflow.seconds >= 200


@pytest.mark.parametrize("state", ["running", "deferred"])
def test_a_pod_that_does_not_start_shows_why_once_and_at_the_end_of_the_wait(
    airflow: ScriptedAirflow, tmp_path: Path, state: str
) -> None:
    missing = 'secret "database" not found'
    event = f"[2026-01-05T12:00:01Z] INFO - The Pod has an Event: {missing} from None"
    airflow.logs["load"] = f"[2026-01-05T12:00:00Z] INFO - Building pod\n{event}"
    airflow.tasks["load"] = TaskState(state, 100.0, None, 1)

    with pytest.raises(RunError, match=f"goes on. load waits for its pod: {missing}. See") as error:
        run(airflow, tmp_path, RunOptions(minutes=1))

    assert written(error).count(f"load waits for its pod: {missing}") == 1


def test_the_events_of_a_pod_that_has_started_are_not_shown(
    airflow: ScriptedAirflow, tmp_path: Path
) -> None:
    event = "INFO - The Pod has an Event: Pulling image from spec.containers{base}"
    airflow.logs["load"] = f"{event}\nINFO - Pod has reached Running phase before launch timeout"
    airflow.tasks["load"] = TaskState("running", 100.0, None, 1)
    end_at(airflow, 60, RunState.SUCCESS, load=DONE, train=DONE)

    assert "waits" not in run(airflow, tmp_path, RunOptions(minutes=5))


def test_a_run_that_fails_shows_the_end_of_the_logs_of_the_failed_tasks(
    airflow: ScriptedAirflow, tmp_path: Path
) -> None:
    airflow.logs["train"] = "\n".join(f"line {i}" for i in range(200)) + "\nValueError: [no] data"
    end_at(airflow, 5, RunState.FAILED, load=DONE, train=FAILED)

    with pytest.raises(RunError) as error:
        run(airflow, tmp_path, RunOptions(minutes=5))

    # The last line of the output.
    assert str(error.value) == "train failed: ValueError: [no] data"
    text = written(error)
    assert "See https://airflow" in text
    assert "failed: 1 failed, 1 succeeded." in text
    assert "Log of train" in text
    assert "ValueError: [no] data" in text
    assert "line 199" in text
    assert "line 150\n" not in text


def test_a_raw_run_shows_whole_logs(airflow: ScriptedAirflow, tmp_path: Path) -> None:
    airflow.logs["train"] = "\n".join(f"line {i}" for i in range(200)) + "\nValueError: no data"
    end_at(airflow, 5, RunState.FAILED, load=DONE, train=FAILED)
    with pytest.raises(RunError) as error:
        run(airflow, tmp_path, RunOptions(minutes=5, raw=True))
    assert "line 0\n" in written(error)
    assert "All frames" not in written(error)


def test_a_traceback_that_counts_frames_comes_with_how_to_see_them(
    airflow: ScriptedAirflow, tmp_path: Path
) -> None:
    lines = ("Traceback (most recent call last):", "  (12 frames of kedro)", "ValueError: x")
    log = "\n".join(f"[base] {line}" for line in lines)
    airflow.logs["train"] = log
    end_at(airflow, 5, RunState.FAILED, load=DONE, train=FAILED)
    with pytest.raises(RunError) as error:
        run(airflow, tmp_path, RunOptions(minutes=5))
    assert (
        '(All frames: run-once --raw, or KEDRO_AIRFLOW_K8S_RAW: "1" in run_config.env_vars.)'
        in written(error)
    )


def test_the_pods_of_a_raw_run_show_all_frames() -> None:
    given = load_config({"run_config": {"env_vars": {"A": "b"}}}, "x.yaml")
    raw = given.with_raw_tracebacks()
    assert raw.run_config.env_vars == {"A": "b", "KEDRO_AIRFLOW_K8S_RAW": "1"}
    assert given.run_config.env_vars == {"A": "b"}


def test_a_failed_run_without_a_failed_task_says_so(
    airflow: ScriptedAirflow, tmp_path: Path
) -> None:
    end_at(airflow, 5, RunState.FAILED, load=DONE)
    with pytest.raises(RunError, match="Airflow names no failed task"):
        run(airflow, tmp_path, RunOptions(minutes=5))


def test_a_run_that_takes_longer_than_the_wait_is_not_a_success(
    airflow: ScriptedAirflow, tmp_path: Path
) -> None:
    with pytest.raises(RunError, match=r"is queued after 0\.5 minutes, and goes on\. See https"):
        run(airflow, tmp_path, RunOptions(minutes=0.5))
    assert airflow.seconds >= 30


def test_while_airflow_does_not_answer_the_wait_goes_on(
    airflow: ScriptedAirflow, tmp_path: Path
) -> None:
    def trouble(value: Unreachable | None) -> Callable[[], None]:
        return lambda: setattr(airflow, "trouble", value)

    airflow.at(3, trouble(Unreachable("Airflow does not answer.")))
    airflow.at(60, trouble(None))
    end_at(airflow, 70, RunState.SUCCESS, load=DONE, train=DONE)

    text = run(airflow, tmp_path, RunOptions(minutes=5))

    assert (
        text.count("Airflow does not answer. The run does not need this command; trying again.")
        == 1
    )


def test_credentials_that_end_during_the_wait_end_it(
    airflow: ScriptedAirflow, tmp_path: Path
) -> None:
    airflow.at(3, lambda: setattr(airflow, "trouble", NotAuthenticated("Who are you?")))
    with pytest.raises(NotAuthenticated) as error:
        run(airflow, tmp_path, RunOptions(minutes=5))
    assert re.search(
        r"Run run-once-\S+ continues in Airflow without this command: https://", written(error)
    )


def test_a_trigger_without_an_answer_leaves_the_address_to_look_at(tmp_path: Path) -> None:
    @dataclass
    class Silent(ScriptedAirflow):
        def trigger(self, *_: object, **__: object) -> DagRun:
            raise Unreachable("No answer.")

    airflow = Silent()
    airflow.parse(PARSED)
    with pytest.raises(Unreachable) as error:
        run(airflow, tmp_path, RunOptions())
    assert "may have started all the same: see https://" in written(error)


@pytest.mark.parametrize(
    ("known", "option", "left_paused"),
    [
        (False, None, False),
        (True, None, True),
        (True, True, False),
        (False, False, True),
    ],
)
def test_a_paused_dag_is_unpaused_if_asked_for_or_new(
    tmp_path: Path, known: bool, option: bool | None, left_paused: bool
) -> None:
    airflow = ScriptedAirflow()
    if known:
        airflow.parse(known_dag("sales", "fingerprint:0ld", paused=True))
    airflow.at(1, lambda: airflow.parse(known_dag("sales", DAG.fingerprint, paused=True)))

    text = run(airflow, tmp_path, RunOptions(unpause=option))

    assert airflow.dags["sales"].paused is left_paused
    assert ("is paused in Airflow: its runs wait" in text) is left_paused
    assert airflow.runs


def test_a_success_without_the_tasks_of_this_dag_is_none(
    airflow: ScriptedAirflow, tmp_path: Path
) -> None:
    end_at(airflow, 5, RunState.SUCCESS, load=DONE)
    with pytest.raises(RunError, match=r"these tasks are not in it: train\. Another version"):
        run(airflow, tmp_path, RunOptions(minutes=5))


def test_another_upload_just_at_the_start_is_not_a_success(tmp_path: Path) -> None:
    @dataclass
    class Busy(ScriptedAirflow):
        def trigger(self, *arguments: Any, **named: Any) -> DagRun:
            self.parse(known_dag("sales", "fingerprint:0ther"))
            return super().trigger(*arguments, **named)

    airflow = Busy()
    airflow.parse(PARSED)
    with pytest.raises(RunError, match="was replaced when run run-once-"):
        run(airflow, tmp_path, RunOptions(minutes=5))


def test_a_logical_date_before_the_start_date_is_refused_before_the_upload(tmp_path: Path) -> None:
    day = datetime(2020, 12, 31, 23, tzinfo=timezone.utc)
    with pytest.raises(
        RunError, match=r"2020-12-31T23:00:00\+00:00 is before the DAG's start date"
    ):
        run(ScriptedAirflow(), tmp_path, RunOptions(logical_date=day))
    assert not list(tmp_path.iterdir())


def test_a_logical_date_that_has_a_run_is_named(tmp_path: Path) -> None:
    @dataclass
    class Taken(ScriptedAirflow):
        def trigger(self, *_: object, **__: object) -> DagRun:
            raise Conflict("Unique constraint violation")

    airflow = Taken()
    airflow.parse(PARSED)
    day = datetime(2026, 3, 1, tzinfo=timezone.utc)
    with pytest.raises(
        RunError, match=r"already has a run of the logical date 2026-03-01T00:00:00\+00:00"
    ):
        run(airflow, tmp_path, RunOptions(logical_date=day))
    with pytest.raises(Conflict):
        run(airflow, tmp_path, RunOptions())


def test_airflow_2_waits_for_a_logical_date_in_the_future_and_so_it_is_said(
    airflow: ScriptedAirflow, tmp_path: Path
) -> None:
    airflow.version = Version(2, 11, 2)
    day = datetime(2100, 3, 1, tzinfo=timezone.utc)
    text = run(airflow, tmp_path, RunOptions(logical_date=day))
    assert "Airflow 2.11.2 begins this run only at its logical date." in text


@pytest.mark.parametrize(
    ("cancel", "words"),
    [(False, "may have started all the same: see https"), (True, "had not begun.")],
)
def test_ctrl_c_while_the_run_is_asked_for_is_answered(
    tmp_path: Path, cancel: bool, words: str
) -> None:
    @dataclass
    class Slow(ScriptedAirflow):
        def trigger(self, *_: object, **__: object) -> DagRun:
            raise KeyboardInterrupt

        def fail_run(self, dag_id: str, run_id: str) -> None:
            raise NotFound("no such run")

    airflow = Slow()
    airflow.parse(PARSED)
    with pytest.raises(KeyboardInterrupt) as error:
        run(airflow, tmp_path, RunOptions(minutes=5, cancel_on_interrupt=cancel))
    assert words in written(error)


def test_a_cancelled_run_has_a_failed_task_at_its_end_or_airflow_would_call_it_a_success(
    tmp_path: Path,
) -> None:
    dag = compiled_dag("sales", tasks=("create_volume", "load", "train", "delete_volume"))
    airflow = ScriptedAirflow()
    airflow.parse(PARSED)
    airflow.tasks.update(
        create_volume=DONE,
        load=TaskState("running", 1.0, None, 1),
        train=TaskState(None, None, None, 0),
        delete_volume=TaskState(None, None, None, 0),
    )
    interrupt(airflow, 3)
    progress, _ = airflow.progress()
    with pytest.raises(KeyboardInterrupt):
        run_once(
            airflow, dag, str(tmp_path), RunOptions(minutes=5, cancel_on_interrupt=True), progress
        )
    assert {task_id: task.state for task_id, task in airflow.tasks.items()} == {
        "create_volume": "success",
        "load": "running",
        "train": "failed",
        "delete_volume": None,
    }


def test_ctrl_c_while_logs_are_fetched_says_nothing_of_a_run_that_has_ended(
    tmp_path: Path,
) -> None:
    @dataclass
    class Ended(ScriptedAirflow):
        def task_log(self, *_: object) -> str:
            raise KeyboardInterrupt

    airflow = Ended()
    airflow.parse(PARSED)
    end_at(airflow, 5, RunState.FAILED, load=DONE, train=FAILED)
    with pytest.raises(KeyboardInterrupt) as error:
        run(airflow, tmp_path, RunOptions(minutes=5, cancel_on_interrupt=True))
    assert "Interrupted" not in written(error)


def interrupt(airflow: ScriptedAirflow, seconds: float) -> None:
    def press() -> None:
        raise KeyboardInterrupt

    airflow.at(seconds, press)


def test_ctrl_c_before_the_run_starts_nothing(tmp_path: Path) -> None:
    airflow = ScriptedAirflow()
    interrupt(airflow, 2)
    with pytest.raises(KeyboardInterrupt) as error:
        run(airflow, tmp_path, RunOptions(minutes=5))
    assert written(error).endswith(
        "Interrupted: the DAG is uploaded, and Airflow will read it by itself.\n"
        "No run was started.\n"
    )
    assert not airflow.runs


@pytest.mark.parametrize(
    ("cancel", "state", "words"),
    [
        (False, RunState.QUEUED, "(--cancel-on-interrupt cancels it.)"),
        (True, RunState.FAILED, "was marked as fail"),
    ],
)
def test_ctrl_c_cancels_the_run_only_if_asked_to(
    airflow: ScriptedAirflow, tmp_path: Path, cancel: bool, state: RunState, words: str
) -> None:
    interrupt(airflow, 6)
    with pytest.raises(KeyboardInterrupt) as error:
        run(airflow, tmp_path, RunOptions(minutes=5, cancel_on_interrupt=cancel))
    assert [r.state for r in airflow.runs.values()] == [state]
    assert words in written(error)


def test_run_ids_are_never_the_same_and_fit_into_names_of_pods() -> None:
    ids = {new_run_id("run-once") for _ in range(100)}
    assert len(ids) == 100
    assert all(re.fullmatch(r"run-once-\d{8}-\d{6}-[0-9a-f]{6}", run_id) for run_id in ids)


def test_a_run_of_a_dag_with_waits_for_others_begins_without_them(
    airflow: ScriptedAirflow, tmp_path: Path
) -> None:
    dag = compiled_dag("sales", tasks=("wait_for_up", "load"), sensor_ids=("wait_for_up",))
    run_once(airflow, dag, str(tmp_path), RunOptions(), airflow.progress()[0])
    assert {task_id: task.state for task_id, task in airflow.tasks.items()} == {
        "wait_for_up": "success"
    }


WAITING = {"external_dependencies": [{"dag_id": "orders"}]}


@pytest.mark.parametrize(
    ("in_airflow", "config", "kept", "words"),
    [
        (None, {"cron_expression": "@daily"}, None, ""),
        (
            "*/1 * * * *",
            {"cron_expression": "@daily"},
            "*/1 * * * *",
            "DAG sales keeps its schedule in Airflow (*/1 * * * *); --no-schedule removes it.\n",
        ),
        (
            "0 0 * * *",
            {"cron_expression": "@daily", **WAITING},
            "@daily",
            (
                "DAG sales keeps its schedule in Airflow (0 0 * * *) and its sensors for other"
                " DAGs; --no-schedule removes both.\n"
            ),
        ),
    ],
    ids=["none", "another one than configured", "the configured one and waits"],
)
def test_a_schedule_that_airflow_has_is_kept_and_so_it_is_said(
    in_airflow: str | None, config: dict[str, Any], kept: str | None, words: str
) -> None:
    airflow = ScriptedAirflow()
    airflow.parse(known_dag("sales", "fingerprint:0ld", schedule=in_airflow))
    progress, text = airflow.progress()
    assert kept_schedule(airflow, "sales", RunConfig(**config), progress) == kept
    assert text.getvalue() == words


def test_a_new_dag_has_no_schedule_to_keep() -> None:
    airflow = ScriptedAirflow()
    config = RunConfig(cron_expression="@daily")
    assert kept_schedule(airflow, "sales", config, airflow.progress()[0]) is None


def test_a_schedule_that_no_dag_of_ours_can_have_is_refused() -> None:
    airflow = ScriptedAirflow()
    airflow.parse(known_dag("sales", schedule="every 2 days"))
    with pytest.raises(RunError, match=r"every 2 days\. Give --no-schedule to remove it"):
        kept_schedule(airflow, "sales", RunConfig(), airflow.progress()[0])


def test_a_task_is_shown_with_its_times_in_seconds() -> None:
    task = {"task_id": "load", "try_number": 0, "state": None, "start_date": None}
    begun = {**task, "try_number": 1, "state": "running", "start_date": "1970-01-01T00:00:02Z"}

    assert task_state(TaskInstance.model_validate(task)) == TaskState(None, None, None, 0)
    assert task_state(TaskInstance.model_validate(begun)) == TaskState("running", 2.0, None, 1)
