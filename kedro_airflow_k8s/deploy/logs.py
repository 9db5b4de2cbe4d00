"""The logs of the tasks of a run: of those that failed, or of those that the user names."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from kedro_airflow_k8s.airflow_api import AirflowClient, DagRun
from kedro_airflow_k8s.airflow_api.records import TaskInstance
from kedro_airflow_k8s.config.wording import first_of
from kedro_airflow_k8s.deploy.find import find_run, find_tasks, ordered, tasks_in_order
from kedro_airflow_k8s.deploy.follow import Follower
from kedro_airflow_k8s.deploy.run import LOGS_SHOWN
from kedro_airflow_k8s.deploy.show_log import show_log
from kedro_airflow_k8s.terminal.progress import Progress
from kedro_airflow_k8s.terminal.task_log import cause, whole_output
from kedro_airflow_k8s.terminal.task_table import in_words


@dataclass(frozen=True)
class TaskLog:
    """The log of a task's last attempt.

    Attributes:
        task_id: The task.
        state: Its state; None before it is scheduled.
        attempt: The number of the attempt, from 1; 0 before the first one.
        cause: Why it failed, in one line; None if it did not, or if that is unknown.
        log: What the log says, or with --raw the whole log.
    """

    task_id: str
    state: str | None
    attempt: int
    cause: str | None
    log: str


@dataclass(frozen=True)
class _Chosen:
    """The tasks of a run whose logs are wanted."""

    run: DagRun
    tasks: Mapping[str, TaskInstance]
    task_ids: Sequence[str]


def show_logs(
    client: AirflowClient,
    dag_id: str,
    run_id: str | None,
    names: Sequence[str],
    progress: Progress,
    *,
    raw: bool = False,
) -> None:
    """Show the logs of tasks.

    Args:
        client: Airflow.
        dag_id: The DAG.
        run_id: The run; None for the last one.
        names: The tasks, by their ids or the names of their nodes; empty for those that failed.
        progress: Where to write.
        raw: Whether whole logs are shown, with what Airflow says.

    Raises:
        RunError: If Airflow has no such DAG, run or task.
        AirflowApiError: If Airflow cannot be asked.
    """
    chosen = _chosen(client, dag_id, run_id, names)
    run, url = chosen.run, client.run_url(dag_id, chosen.run.run_id)
    if not chosen.task_ids:
        progress.say(_none_failed(client, chosen))
        return
    most = len(chosen.task_ids) if names else LOGS_SHOWN
    for task_id in chosen.task_ids[:most]:
        task = chosen.tasks[task_id]
        if not task.attempt:
            progress.say(f"{task_id} has no log: it has not run ({in_words(task.state)}).")
            continue
        title = task_id if task.attempt == 1 else f"{task_id}, attempt {task.attempt}"
        why = show_log(
            lambda task=task: _read(client, run, task),  # type: ignore[misc]
            f"{title} in run {run.run_id}",
            progress.console,
            str if raw else lambda log, task=task: _output(log, task),  # type: ignore[misc]
        )
        progress.say(_end(task, why))
    if more := chosen.task_ids[most:]:
        names_of_more = first_of(more, "`kedro airflow-k8s status` shows all", str)
        progress.say(f"Also failed: {names_of_more}. --node shows their logs.")
    progress.say(f"See {url}")


def logs_as_json(
    client: AirflowClient, dag_id: str, run_id: str | None, names: Sequence[str], *, raw: bool
) -> str:
    """Return the logs of tasks as JSON in one line.

    Args:
        client: As in `show_logs`.
        dag_id: As in `show_logs`.
        run_id: As in `show_logs`.
        names: As in `show_logs`.
        raw: As in `show_logs`.

    Raises:
        RunError: As `show_logs`.
        AirflowApiError: If Airflow cannot be asked.
    """
    chosen = _chosen(client, dag_id, run_id, names)
    found = []
    for task_id in chosen.task_ids:
        task = chosen.tasks[task_id]
        log = _read(client, chosen.run, task)
        why = cause(log) if task.state == "failed" else ""
        shown = log if raw else _output(log, task)
        found.append(TaskLog(task_id, task.state, task.attempt, why or None, shown))
    return json.dumps(
        {
            "dag_id": dag_id,
            "run_id": chosen.run.run_id,
            "state": chosen.run.state.value,
            "tasks": [asdict(log) for log in found],
        }
    )


def follow_logs(
    client: AirflowClient,
    dag_id: str,
    run_id: str | None,
    names: Sequence[str],
    progress: Progress,
    *,
    raw: bool = False,
) -> None:
    """Show what tasks write until they end; of a run that has ended, show the logs.

    Args:
        client: As in `show_logs`.
        dag_id: As in `show_logs`.
        run_id: As in `show_logs`.
        names: The tasks; empty for all that have not ended.
        progress: As in `show_logs`.
        raw: As in `show_logs`.

    Raises:
        RunError: As `show_logs`.
        AirflowApiError: If Airflow cannot be asked.
        KeyboardInterrupt: From the user, after a message on what becomes of the run.
    """
    run = find_run(client, dag_id, run_id)
    if run.state.ended:
        progress.say(f"Run {run.run_id} has ended ({run.state.value}).")
        show_logs(client, dag_id, run.run_id, names, progress, raw=raw)
        return
    chosen = _chosen(client, dag_id, run.run_id, names) if names else None
    follower = Follower(client, run, chosen.task_ids if chosen else None, progress, raw=raw)
    try:
        follower.follow()
    except KeyboardInterrupt:
        progress.done()
        progress.say(
            f"Interrupted. Run {run.run_id} continues in Airflow:"
            f" {client.run_url(dag_id, run.run_id)}"
        )
        raise
    finally:
        progress.done()


def _chosen(
    client: AirflowClient, dag_id: str, run_id: str | None, names: Sequence[str]
) -> _Chosen:
    run = find_run(client, dag_id, run_id)
    tasks = client.task_states(dag_id, run.run_id)
    order = tasks_in_order(client, dag_id)
    if names:
        return _Chosen(run, tasks, find_tasks(names, order, tasks))
    failed = [task_id for task_id, task in tasks.items() if task.state == "failed"]
    return _Chosen(run, tasks, ordered(failed, order))


def _none_failed(client: AirflowClient, chosen: _Chosen) -> str:
    """Return why there is nothing to show, and what to do instead."""
    run = chosen.run
    url = client.run_url(run.dag_id, run.run_id)
    retried = [i for i, task in chosen.tasks.items() if task.state == "up_for_retry"]
    running = [i for i, task in chosen.tasks.items() if task.state in ("running", "deferred")]
    if retried:
        after = f" {retried[0]} will be tried again: --node {retried[0]} shows its log."
    elif running:
        after = f" {running[0]} is running: --follow shows what it writes."
    else:
        after = " --node shows the log of a task; `kedro airflow-k8s status` lists the tasks."
    ended = "" if run.state.ended else " so far"
    return f"No task of run {run.run_id} has failed{ended} ({run.state.value}).{after} See {url}"


def _read(client: AirflowClient, run: DagRun, task: TaskInstance) -> str:
    return client.task_log(run.dag_id, run.run_id, task.task_id, task.attempt)


def _output(log: str, task: TaskInstance) -> str:
    return whole_output(log, failed=task.state in ("failed", "up_for_retry"))


def _end(task: TaskInstance, why: str) -> str:
    """Return how a task ended, or that it has not, in the line below its log."""
    if why and task.state in ("failed", "up_for_retry"):
        return f"{task.task_id} {in_words(task.state)}: {why}"
    return f"{task.task_id} {in_words(task.state)}."
