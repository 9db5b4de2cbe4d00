"""Starts a run of a DAG and, if wanted, watches it to its end."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, time, timezone
from typing import Any

from rich.markup import escape

from kedro_airflow_k8s.airflow_api import AirflowClient, DagRun, RunState
from kedro_airflow_k8s.airflow_api.records import ENDS, TaskState
from kedro_airflow_k8s.compile import CompiledDag
from kedro_airflow_k8s.deploy.delivery import deliver
from kedro_airflow_k8s.deploy.run_times import zone
from kedro_airflow_k8s.errors import (
    AirflowApiError,
    Conflict,
    NotFound,
    RunError,
    ServerFailed,
    Unreachable,
)
from kedro_airflow_k8s.plan.build import TEARDOWN_TASKS
from kedro_airflow_k8s.terminal.progress import Progress
from kedro_airflow_k8s.terminal.task_log import log_end
from kedro_airflow_k8s.terminal.task_table import TaskTable

POLL_SECONDS = 1.0
LOGS_SHOWN = 5
"""Of how many failed tasks the log is shown."""


@dataclass(frozen=True)
class RunOptions:
    """How to run.

    Attributes:
        conf: The run's configuration.
        logical_date: The logical date, in the DAG's time zone if it has none; None for a run
            without one.
        unpause: Whether to unpause the DAG; None: if it is new in Airflow.
        minutes: How long to watch the run; None: not at all.
        cancel_on_interrupt: Whether Ctrl-C fails the run.
    """

    conf: Mapping[str, Any] = field(default_factory=dict)
    logical_date: datetime | None = None
    unpause: bool | None = None
    minutes: float | None = None
    cancel_on_interrupt: bool = False


def run_once(
    client: AirflowClient, dag: CompiledDag, output: str, options: RunOptions, progress: Progress
) -> None:
    """Upload a DAG, start a run of exactly this text, and watch it if wanted.

    Raises:
        AirflowK8sError: If the run cannot begin, fails, or goes on for longer than the user waits.
        KeyboardInterrupt: From the user, after a message that says what becomes of the run.
    """
    options = replace(options, logical_date=_logical_date(client, dag, options, progress))
    try:
        before = deliver(client, dag, output, progress)
        paused = _unpause(client, dag, before is None, options.unpause, progress)
    except KeyboardInterrupt:
        progress.say("No run was started.")
        raise
    run_id = new_run_id()
    url = client.run_url(dag.dag_id, run_id)
    try:
        _trigger(client, dag, run_id, options, progress)
        if options.minutes is None:
            return
        watch = _Watch(client, dag, run_id, progress)
        try:
            run = watch.until_end(options.minutes, paused)
        except AirflowApiError as error:
            if not isinstance(error, NotFound):
                progress.say(f"Run {run_id} goes on in Airflow without this command: {url}")
            raise
    except KeyboardInterrupt:
        _say_interrupted(client, dag, run_id, options.cancel_on_interrupt, progress)
        raise
    watch.show_end(run)


def _logical_date(
    client: AirflowClient, dag: CompiledDag, options: RunOptions, progress: Progress
) -> datetime | None:
    """Return the logical date with a zone.

    Raises:
        RunError: If it is before the DAG's start date: Airflow has no tasks for it.
    """
    date = options.logical_date
    if date is None:
        return None
    if date.tzinfo is None:
        date = date.replace(tzinfo=zone(dag.timezone))
    if date < datetime.combine(dag.start_date, time(), zone(dag.timezone)):
        raise RunError(
            f"--logical-date {date.isoformat()} is before the DAG's start date,"
            f" {dag.start_date} ({dag.timezone}): Airflow would run no task. Give a later one, or"
            " set run_config.start_date."
        )
    if client.version.major < 3 and date > datetime.now(timezone.utc):
        progress.warn(f"Airflow {client.version} begins this run only at its logical date.")
    return date


def _trigger(
    client: AirflowClient, dag: CompiledDag, run_id: str, options: RunOptions, progress: Progress
) -> None:
    """Start the run.

    Raises:
        RunError: If there is a run of this logical date, or the run may be of another text.
        AirflowApiError: If Airflow does not start it.
    """
    url = client.run_url(dag.dag_id, run_id)
    try:
        client.trigger(dag.dag_id, run_id, options.conf, options.logical_date)
    except (Unreachable, ServerFailed):
        progress.say(f"Run {run_id} may have started all the same: see {url}")
        raise
    except Conflict as error:
        if options.logical_date is None:
            raise
        raise RunError(
            f"DAG {dag.dag_id} has a run of the logical date {options.logical_date.isoformat()}"
            f" already: give another --logical-date, or none. ({error})"
        ) from error
    progress.say(f"Started run {run_id}: {url}")
    if not client.would_run(dag.dag_id, dag.fingerprint):
        raise RunError(
            f"DAG {dag.dag_id} was replaced by another version just when run {run_id} began, which"
            " may be of that version. Try again, or use a name of your own with --dag-name."
        )


def _say_interrupted(
    client: AirflowClient, dag: CompiledDag, run_id: str, cancel: bool, progress: Progress
) -> None:
    """Say what becomes of a run that is not watched any more; fail it if wanted."""
    url = client.run_url(dag.dag_id, run_id)
    if not cancel:
        progress.say(f"Interrupted: run {run_id} goes on in Airflow, if it had begun: {url}")
        return
    try:
        unfinished = _last_unfinished(client, dag, run_id)
        if unfinished:
            # Else the run would end as a success: see fail_run.
            client.fail_task(dag.dag_id, run_id, unfinished)
        client.fail_run(dag.dag_id, run_id)
    except NotFound:
        progress.say(f"Interrupted: run {run_id} had not begun.")
    except AirflowApiError as error:
        progress.say(f"Interrupted: run {run_id} could not be cancelled: {error} See {url}")
    else:
        progress.say(f"Interrupted: run {run_id} was marked as failed: {url}")


def _last_unfinished(client: AirflowClient, dag: CompiledDag, run_id: str) -> str | None:
    """Return the last task, teardown aside, that has not ended: no other comes after it."""
    states = client.task_states(dag.dag_id, run_id)
    unfinished = [
        task_id
        for task_id in dag.task_ids
        if task_id in states and states[task_id].state not in ENDS and task_id not in TEARDOWN_TASKS
    ]
    return unfinished[-1] if unfinished else None


def new_run_id() -> str:
    """Return a run id that says when and by what, and that no other run has.

    It is part of the names of the run's pods and volume, and holds no characters that these lack.
    """
    now = datetime.now(timezone.utc)
    return f"run-once-{now:%Y%m%d-%H%M%S}-{secrets.token_hex(3)}"


def _unpause(
    client: AirflowClient, dag: CompiledDag, new: bool, wanted: bool | None, progress: Progress
) -> bool:
    """Unpause the DAG if that is wanted; return whether it is paused after that."""
    found = client.find_dag(dag.dag_id)
    if found is None or not found.paused:
        return False
    if wanted or (wanted is None and new):
        client.set_paused(dag.dag_id, False)
        return False
    progress.warn(
        f"DAG {dag.dag_id} is paused in Airflow: its runs wait until it is unpaused, which"
        " --unpause does."
    )
    return True


class _Watch:
    """Watches a run from its start to its end."""

    def __init__(
        self, client: AirflowClient, dag: CompiledDag, run_id: str, progress: Progress
    ) -> None:
        self._client = client
        self._dag = dag
        self._run_id = run_id
        self._progress = progress
        self._tasks: Mapping[str, TaskState] = {}
        self._silent = False

    def until_end(self, minutes: float, paused: bool) -> DagRun:
        """Show the tasks until the run has ended.

        Raises:
            RunError: If it has not ended within so many minutes.
            AirflowApiError: If Airflow cannot be asked, and that will not pass.
        """
        clock = self._progress.clock
        end = clock.now() + minutes * 60
        with TaskTable(self._progress.console, "Tasks", self._dag.task_ids) as table:
            while True:
                asked = clock.now()
                run = self._look(table)
                if run and run.state.ended:
                    return run
                if clock.now() >= end:
                    raise RunError(self._unfinished(run, minutes, paused))
                # A run of thousands of tasks takes many requests: no more than half of the time.
                clock.sleep(max(POLL_SECONDS, clock.now() - asked))

    def show_end(self, run: DagRun) -> None:
        """Show how the run ended, and the end of the logs of tasks that failed.

        Raises:
            RunError: If it did not succeed, or without some of its tasks.
        """
        succeeded = [task for task in self._tasks.values() if task.state == "success"]
        color = "green" if run.state is RunState.SUCCESS else "red"
        self._progress.console.print(
            f"[bold {color}]{run.state.value}[/]: {len(succeeded)} of {len(self._dag.task_ids)}"
            " tasks succeeded."
        )
        failed = [task_id for task_id, task in self._tasks.items() if task.state == "failed"]
        for task_id in failed[:LOGS_SHOWN]:
            self._show_log(task_id)
        if run.state is RunState.SUCCESS:
            if failed:
                self._progress.warn(
                    f"{', '.join(failed)} failed, after the nodes: Airflow calls the run a success"
                    f" all the same. See {self._url}"
                )
            missing = [task_id for task_id in self._dag.task_ids if task_id not in self._tasks]
            if missing:
                raise RunError(
                    f"Airflow calls the run a success, but these tasks are not in it:"
                    f" {', '.join(missing)}. Another version of the DAG may have run. See"
                    f" {self._url}"
                )
            return
        raise RunError(
            f"The run failed: {', '.join(failed) or 'Airflow names no failed task'}. See"
            f" {self._url}"
        )

    def _look(self, table: TaskTable) -> DagRun | None:
        """Return the run in its present state, or None while Airflow does not answer."""
        try:
            run = self._client.run(self._dag.dag_id, self._run_id)
            self._tasks = self._client.task_states(self._dag.dag_id, self._run_id)
        except (Unreachable, ServerFailed) as error:
            if not self._silent:
                self._progress.warn(f"{error} The run does not need this command; trying again.")
            self._silent = True
            return None
        self._silent = False
        table.update(self._tasks)
        return run

    def _unfinished(self, run: DagRun | None, minutes: float, paused: bool) -> str:
        if run is None:
            return (
                f"Airflow does not answer, and {minutes:g} minutes are over. See what became of run"
                f" {self._run_id}: {self._url}"
            )
        hint = " The DAG is paused: --unpause lets its runs begin." if paused else ""
        return (
            f"Run {self._run_id} is {run.state.value} after {minutes:g} minutes, and goes on.{hint}"
            f" See {self._url}"
        )

    def _show_log(self, task_id: str) -> None:
        console = self._progress.console
        console.rule(f"Log of {escape(task_id)}", align="left")
        attempt = self._tasks[task_id].attempt
        try:
            log = self._client.task_log(self._dag.dag_id, self._run_id, task_id, attempt)
        except AirflowApiError as error:
            log = f"Airflow does not give it: {error}"
        console.print(log_end(log) or "It is empty.", markup=False, soft_wrap=True)

    @property
    def _url(self) -> str:
        return self._client.run_url(self._dag.dag_id, self._run_id)
