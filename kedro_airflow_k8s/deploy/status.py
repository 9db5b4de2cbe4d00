"""How a run stands: its tasks with their states, attempts, times and causes of failure."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict, dataclass
from datetime import datetime, timezone

from rich.console import Console
from rich.text import Text

from kedro_airflow_k8s.airflow_api import AirflowClient, DagRun, RunState
from kedro_airflow_k8s.airflow_api.records import TaskInstance
from kedro_airflow_k8s.config.wording import counted
from kedro_airflow_k8s.deploy.find import find_run, ordered, tasks_in_order
from kedro_airflow_k8s.deploy.run import task_state
from kedro_airflow_k8s.errors import AirflowApiError
from kedro_airflow_k8s.terminal.tables import plain_table, print_table
from kedro_airflow_k8s.terminal.task_log import cause, has_started, pod_event
from kedro_airflow_k8s.terminal.task_table import in_words, state_text

LOGS_READ = 20
"""Of how many tasks the log is read, to find a cause."""

_FAILED = ("failed", "up_for_retry")
_WITH_POD = ("running", "deferred")


@dataclass(frozen=True)
class TaskStatus:
    """A task of a run.

    Attributes:
        task_id: Its id.
        state: Airflow's state; None before it is scheduled.
        attempts: How often it has been started.
        start: When its last attempt began (ISO 8601); None if there is none.
        end: When its last attempt ended.
        seconds: How long the last attempt has taken so far.
        cause: Why it failed, or what its pod waits for, in one line; None if unknown, or if
            neither is so.
    """

    task_id: str
    state: str | None
    attempts: int
    start: str | None
    end: str | None
    seconds: float | None
    cause: str | None


@dataclass(frozen=True)
class RunStatus:
    """A run.

    Attributes:
        dag_id: The DAG.
        run_id: Its id.
        state: Its state.
        start: When it began (ISO 8601); None if it has not.
        end: When it ended.
        url: Its page in Airflow.
        paused: Whether the DAG is paused: then Airflow starts no task of the run.
        tasks: Its tasks, in an order in which they can run.
    """

    dag_id: str
    run_id: str
    state: str
    start: str | None
    end: str | None
    url: str
    paused: bool
    tasks: list[TaskStatus]


def run_status(client: AirflowClient, dag_id: str, run_id: str | None = None) -> RunStatus:
    """Return how a run stands.

    Args:
        client: Airflow.
        dag_id: The DAG.
        run_id: The run; None for the last one.

    Raises:
        RunError: If Airflow has no such DAG or run.
        AirflowApiError: If Airflow cannot be asked.
    """
    run = find_run(client, dag_id, run_id)
    tasks = client.task_states(dag_id, run.run_id)
    dag = client.dag_in_records(dag_id)
    order = ordered(tasks, tasks_in_order(client, dag_id))
    asked = [i for i in order if tasks[i].state in (*_FAILED, *_WITH_POD)]
    # A failure says more than a wait.
    asked.sort(key=lambda task_id: tasks[task_id].state in _WITH_POD)
    causes = {task_id: _cause(client, run, tasks[task_id]) for task_id in asked[:LOGS_READ]}
    return RunStatus(
        dag_id=dag_id,
        run_id=run.run_id,
        state=run.state.value,
        start=_iso(run.start),
        end=_iso(run.end),
        url=client.run_url(dag_id, run.run_id),
        paused=dag is not None and dag.paused,
        tasks=[_task_status(tasks[i], causes.get(i)) for i in order],
    )


def as_json(status: RunStatus) -> str:
    """Return a status as JSON in one line, as Kedro may have logged some before it."""
    return json.dumps(asdict(status))


def show_status(status: RunStatus, console: Console) -> None:
    """Write a status as a table, with what to do next."""
    _say(console, f"DAG {status.dag_id}, run {status.run_id}")
    table = plain_table("Task", "State")
    for title in ("Attempts", "Seconds"):
        table.add_column(title, justify="right")
    table.add_column("Cause", overflow="fold")
    for task in status.tasks:
        table.add_row(
            Text(task.task_id),
            state_text(task.state),
            str(task.attempts or ""),
            "" if task.seconds is None else f"{task.seconds:.1f}",
            Text(task.cause or ""),
        )
    print_table(table, console)
    _say(console, f"{_summary(status)} See {status.url}")
    failed = [task for task in status.tasks if task.state == "failed"]
    if len(failed) > LOGS_READ:
        _say(console, f"The table has the causes of {LOGS_READ} tasks only.")
    unfinished = not RunState(status.state).ended
    if unfinished and status.paused:
        _say(
            console,
            f"DAG {status.dag_id} is paused: no task of the run starts until you unpause the DAG"
            " with `kedro airflow-k8s unpause`.",
        )
    if failed:
        _say(console, "`kedro airflow-k8s logs` shows the logs of the failed tasks.")
    if failed and status.state == RunState.FAILED.value:
        _say(console, "`kedro airflow-k8s resume` runs them again, with the tasks that follow.")


def _summary(status: RunStatus) -> str:
    """Return how the run stands, in one line."""
    counts = Counter(in_words(task.state) for task in status.tasks)
    tasks = ", ".join(f"{count} {state}" for state, count in sorted(counts.items()))
    began, ended = _moment(status.start), _moment(status.end)
    when = f", started {began:%Y-%m-%d %H:%M:%S} {began.tzname()}" if began else ""
    if began:
        took = ((ended or datetime.now(timezone.utc)) - began).total_seconds()
        when += f", {counted(round(took), 'second')}{'' if ended else ' so far'}"
    return f"{status.state}: {tasks or 'no tasks yet'}{when}."


def _cause(client: AirflowClient, run: DagRun, task: TaskInstance) -> str:
    """Return why a task failed, or what the pod of a running one waits for; empty if unknown."""
    try:
        log = client.task_log(run.dag_id, run.run_id, task.task_id, task.attempt)
    except AirflowApiError as error:
        return f"Airflow does not return the log: {error}"
    if task.state in _FAILED:
        return cause(log)
    event = "" if has_started(log) else pod_event(log)
    return event and f"waits for its pod: {event}"


def _task_status(task: TaskInstance, why: str | None) -> TaskStatus:
    seconds = task_state(task).seconds
    return TaskStatus(
        task_id=task.task_id,
        state=task.state,
        attempts=task.attempt,
        start=_iso(task.start),
        end=_iso(task.end),
        seconds=None if seconds is None else round(seconds, 3),
        cause=why or None,
    )


def _iso(moment: datetime | None) -> str | None:
    return moment.astimezone(timezone.utc).isoformat(timespec="seconds") if moment else None


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _say(console: Console, text: str) -> None:
    console.print(text, markup=False, soft_wrap=True)
