"""The logs of the tasks of a run: which, and what of them is shown."""

from __future__ import annotations

import json

import pytest

from kedro_airflow_k8s.airflow_api import RunState
from kedro_airflow_k8s.deploy.logs import follow_logs, logs_as_json, show_logs
from kedro_airflow_k8s.errors import AirflowApiError, NotAllowed, RunError, Unreachable
from kedro_airflow_k8s.terminal.task_table import TaskState
from tests.support.scripted_airflow import ScriptedAirflow
from tests.unit.deploy.looking import DONE, LOG, RUN, TRACEBACK, add_run, looked_at

RUNNING = TaskState("running", 100.0, None, 1)


def shown(airflow: ScriptedAirflow, *names: str, raw: bool = False) -> str:
    progress, written = airflow.progress()
    show_logs(airflow, "shop", None, names, progress, raw=raw)
    return written.getvalue()


def followed(airflow: ScriptedAirflow, *names: str, raw: bool = False) -> list[str]:
    progress, written = airflow.progress()
    try:
        follow_logs(airflow, "shop", None, names, progress, raw=raw)
    except BaseException as error:
        error.written = written.getvalue()  # type: ignore[attr-defined]
        raise
    return written.getvalue().splitlines()


def test_by_default_the_traceback_of_the_failed_task_comes_first_without_airflows_frames() -> None:
    head, *lines = shown(looked_at()).splitlines()
    assert head.startswith(f"Log of train, attempt 2 in run {RUN} ─")
    assert lines == [
        *TRACEBACK,
        "",
        "--- Printed before that:",
        "loading orders",
        "training",
        '(All frames: run-once --raw, or KEDRO_AIRFLOW_K8S_RAW: "1" in run_config.env_vars.)',
        "train failed: ValueError: no [bold] data (nodes.py:37)",
        f"See https://airflow.example.com/dags/shop/runs/{RUN}",
    ]


def test_raw_is_all_that_airflow_has() -> None:
    assert LOG in shown(looked_at(), raw=True)


def test_all_that_a_node_has_printed_is_shown_however_long() -> None:
    airflow = looked_at()
    airflow.logs["prepare"] = "\n".join(f"[base] line {i}" for i in range(500))
    lines = shown(airflow, "science.clean").splitlines()
    assert lines[1:501] == [f"line {i}" for i in range(500)]
    assert lines[501] == "prepare success."


def test_a_traceback_in_the_log_of_a_task_that_succeeded_stays_where_it_is() -> None:
    airflow = looked_at()
    airflow.logs["prepare"] = LOG
    lines = shown(airflow, "prepare").splitlines()
    assert lines[1:4] == ["loading orders", "training", TRACEBACK[0]]


def test_the_last_attempt_is_read() -> None:
    airflow = looked_at()
    shown(airflow)
    assert airflow.logs_read == [("train", 2)]


def test_a_task_that_has_not_run_has_no_log() -> None:
    airflow = looked_at()
    airflow.tasks["prepare"] = TaskState("upstream_failed", None, None, 0)
    text = shown(airflow, "prepare")
    assert "prepare has no log: it has not run (upstream failed)." in text


def test_of_many_failed_tasks_five_logs_are_shown_and_the_others_named() -> None:
    airflow = looked_at()
    airflow.tasks.update({f"t{i}": TaskState("failed", 1.0, 2.0, 1) for i in range(6)})
    text = shown(airflow)
    assert text.count("Log of ") == 5
    assert "Also failed: t4, t5. --node shows their logs." in text


@pytest.mark.parametrize(
    ("state", "prepare", "words"),
    [
        (RunState.SUCCESS, DONE, "has failed (success). --node shows the log of a task;"),
        (RunState.FAILED, DONE, "has failed (failed). --node shows"),
        (RunState.RUNNING, RUNNING, "so far (running). prepare is running: --follow shows what"),
        (
            RunState.RUNNING,
            TaskState("up_for_retry", 100.0, 101.0, 1),
            "so far (running). prepare will be tried again: --node prepare shows its log.",
        ),
    ],
)
def test_a_run_without_failed_tasks_says_what_to_do_instead(
    state: RunState, prepare: TaskState, words: str
) -> None:
    airflow = looked_at(state)
    airflow.tasks.update(train=DONE, prepare=prepare)
    assert words in shown(airflow)
    assert not airflow.logs_read


def test_an_unknown_node_is_refused_before_a_log_is_read() -> None:
    airflow = looked_at()
    with pytest.raises(RunError, match="Did you mean 'train'"):
        shown(airflow, "prepare", "trian")
    assert not airflow.logs_read


def test_a_log_that_airflow_does_not_return_is_said_in_its_place() -> None:
    airflow = looked_at()
    airflow.logs["train"] = NotAllowed("Airflow denied this user the permission.")
    assert "Airflow does not give it: Airflow denied this user" in shown(airflow)


def test_json_has_the_logs_for_programs() -> None:
    found = json.loads(logs_as_json(looked_at(), "shop", None, ("train",), raw=True))
    assert found == {
        "dag_id": "shop",
        "run_id": RUN,
        "state": "failed",
        "tasks": [
            {
                "task_id": "train",
                "state": "failed",
                "attempt": 2,
                "cause": "ValueError: no [bold] data (nodes.py:37)",
                "log": LOG,
            }
        ],
    }


def growing(airflow: ScriptedAirflow, task_id: str, *lines: str) -> None:
    """Let a task write a line every ten seconds."""
    written = [f"[base] {line}" for line in lines]
    for number in range(len(lines)):
        text = "\n".join(written[: number + 1])
        airflow.at(10 * number + 5, lambda text=text: airflow.logs.update({task_id: text}))  # type: ignore[misc]


def test_follow_shows_each_line_once_until_the_task_ends() -> None:
    airflow = looked_at(RunState.RUNNING)
    airflow.tasks.update(train=RUNNING, delete_volume=TaskState(None, None, None, 0))
    airflow.logs["train"] = "[2026-01-05T12:00:00Z] INFO - Building pod"
    growing(airflow, "train", "one", "two", "three")
    airflow.at(30, lambda: airflow.tasks.update(train=TaskState("success", 100.0, 131.0, 1)))

    assert followed(airflow, "train") == ["one", "two", "three", "train: success (31.0 s)"]


def test_follow_without_a_node_shows_all_that_runs_to_the_end_of_the_run() -> None:
    airflow = looked_at(RunState.RUNNING)
    airflow.tasks.update(prepare=RUNNING, train=TaskState(None, None, None, 0))
    growing(airflow, "prepare", "one")
    airflow.logs["train"] = ""

    def fail() -> None:
        airflow.logs["train"] = LOG
        airflow.tasks.update(train=TaskState("failed", 200.0, 201.0, 1))
        airflow.end(RunState.FAILED)

    airflow.at(20, lambda: airflow.tasks.update(prepare=TaskState("success", 1.0, 2.0, 1)))
    airflow.at(40, fail)

    lines = followed(airflow)

    assert lines[0] == "prepare | one"
    assert "prepare: success (1.0 s)" in lines
    assert "train | ValueError: no [bold] data" in lines
    assert not any("AirflowException" in line for line in lines)
    assert lines[-2:] == [
        "train: failed (1.0 s): ValueError: no [bold] data (nodes.py:37)",
        f"Run {RUN} has ended: failed. See https://airflow.example.com/dags/shop/runs/{RUN}",
    ]
    # Those that had ended before are not repeated.
    assert not any(line.startswith("create_volume") for line in lines)


def test_follow_goes_on_with_the_next_attempt() -> None:
    airflow = looked_at(RunState.RUNNING)
    airflow.tasks.update(train=TaskState("running", 1.0, None, 1))
    airflow.logs["train"] = "[base] begins"
    airflow.at(10, lambda: airflow.tasks.update(train=TaskState("up_for_retry", 1.0, 2.0, 1)))
    airflow.at(20, lambda: airflow.tasks.update(train=TaskState("running", 3.0, None, 2)))
    airflow.at(30, lambda: airflow.tasks.update(train=TaskState("success", 3.0, 4.0, 2)))

    assert followed(airflow, "train") == ["begins", "begins", "train: success (1.0 s)"]


def test_follow_says_what_a_pod_waits_for() -> None:
    airflow = looked_at(RunState.RUNNING)
    airflow.tasks.update(train=RUNNING)
    missing = 'secret "database" not found'
    airflow.logs["train"] = (
        f"[2026-01-05T12:00:00Z] INFO - The Pod has an Event: {missing} from None"
    )
    airflow.at(60, lambda: airflow.tasks.update(train=TaskState("success", 1.0, 2.0, 1)))
    lines = followed(airflow, "train")
    assert lines == [f"train waits for its pod: {missing}", "train: success (1.0 s)"]


def test_follow_of_a_run_that_has_ended_shows_the_logs() -> None:
    lines = followed(looked_at())
    assert lines[0] == f"Run {RUN} has ended (failed)."
    assert "ValueError: no [bold] data" in lines


def test_follow_says_that_a_paused_dag_starts_nothing() -> None:
    airflow = looked_at(RunState.QUEUED, paused=True)
    airflow.tasks.clear()
    airflow.at(10, lambda: airflow.end(RunState.FAILED))
    lines = followed(airflow)
    assert "DAG shop is paused in Airflow: its runs start no further task" in lines[0]
    assert "Waiting until a task starts" in lines


def test_ctrl_c_ends_follow_and_says_that_the_run_continues() -> None:
    def press() -> None:
        raise KeyboardInterrupt

    airflow = looked_at(RunState.RUNNING)
    airflow.tasks.update(train=RUNNING)
    airflow.at(10, press)
    with pytest.raises(KeyboardInterrupt) as error:
        followed(airflow)
    text = error.value.written  # type: ignore[attr-defined]
    assert f"Interrupted. Run {RUN} continues in Airflow: https://" in text


def test_follow_goes_on_while_airflow_does_not_answer() -> None:
    def trouble(value: AirflowApiError | None) -> None:
        airflow.trouble = value

    airflow = looked_at(RunState.RUNNING)
    airflow.tasks.update(train=RUNNING)
    airflow.at(3, lambda: trouble(Unreachable("No answer.")))
    airflow.at(50, lambda: trouble(None))
    airflow.at(60, lambda: airflow.end(RunState.SUCCESS))
    lines = followed(airflow)
    assert lines.count("Warning: No answer. The run does not need this command; trying again.") == 1
    assert lines[-1].startswith(f"Run {RUN} has ended: success.")
    airflow = looked_at(RunState.RUNNING)
    airflow.at(3, lambda: trouble(NotAllowed("Not you.")))
    with pytest.raises(NotAllowed):
        followed(airflow)


def test_another_run_than_the_last_can_be_named() -> None:
    airflow = looked_at()
    add_run(airflow, "later", RunState.SUCCESS)
    progress, written = airflow.progress()
    show_logs(airflow, "shop", RUN, (), progress)
    assert f"Log of train, attempt 2 in run {RUN}" in written.getvalue()
