"""A run of a DAG, from its start to its end."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timezone
from typing import Any, Protocol

from kedro_airflow_k8s.airflow_api import AirflowClient, DagRun, RunState
from kedro_airflow_k8s.airflow_api.records import TaskInstance
from kedro_airflow_k8s.config.wording import counted
from kedro_airflow_k8s.deploy.cancel import mark_failed
from kedro_airflow_k8s.deploy.run_times import zone
from kedro_airflow_k8s.deploy.show_log import show_log
from kedro_airflow_k8s.deploy.waits import Waits
from kedro_airflow_k8s.errors import (
    AirflowApiError,
    Conflict,
    NotFound,
    RunError,
    ServerFailed,
    Unreachable,
)
from kedro_airflow_k8s.terminal.progress import Progress
from kedro_airflow_k8s.terminal.task_log import failures, log_end
from kedro_airflow_k8s.terminal.task_table import TaskState, TaskTable, ends

POLL_SECONDS = 1.0
LOGS_SHOWN = 5
"""Of how many failed tasks the log is shown."""


class RunnableDag(Protocol):
    """What is known of a DAG before a run of it starts: compiled here, or told by Airflow."""

    @property
    def dag_id(self) -> str:
        """Its id."""

    @property
    def task_ids(self) -> tuple[str, ...]:
        """All its tasks, in an order in which they can run."""

    @property
    def sensor_ids(self) -> tuple[str, ...]:
        """Those of them that wait for other DAGs."""

    @property
    def timezone(self) -> str:
        """The name of its time zone."""

    @property
    def start_date(self) -> date:
        """The first day of its schedule."""


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
        raw: Whether whole logs are shown.
        partition_format: How a partition key is written; empty for runs without partitions.
    """

    conf: Mapping[str, Any] = field(default_factory=dict)
    logical_date: datetime | None = None
    unpause: bool | None = None
    minutes: float | None = None
    cancel_on_interrupt: bool = False
    raw: bool = False
    partition_format: str = ""


def new_run_id(command: str) -> str:
    """Return a run id that says when and by which command, and that no other run has.

    It is part of the names of the run's pods and volume, and holds no characters that these lack.
    """
    now = datetime.now(timezone.utc)
    return f"{command}-{now:%Y%m%d-%H%M%S}-{secrets.token_hex(3)}"


class Run:
    """A run from its start to its end."""

    def __init__(
        self, client: AirflowClient, dag: RunnableDag, progress: Progress, run_id: str
    ) -> None:
        self._client = client
        self._dag = dag
        self._progress = progress
        self._id = run_id
        self._url = client.run_url(dag.dag_id, self._id)
        self._tasks: Mapping[str, TaskState] = {}
        self._silent = False
        self._started = False
        self._waits = Waits.of_run(client, dag.dag_id, run_id, progress)

    def logical_date(self, date: datetime | None) -> datetime | None:
        """Return the logical date with a zone.

        Raises:
            RunError: If it is before the DAG's start date: Airflow has no tasks for it.
        """
        dag = self._dag
        if date is None:
            return None
        if date.tzinfo is None:
            date = date.replace(tzinfo=zone(dag.timezone))
        if date < datetime.combine(dag.start_date, time(), zone(dag.timezone)):
            raise RunError(
                f"--logical-date {date.isoformat()} is before the DAG's start date,"
                f" {dag.start_date} ({dag.timezone}). Airflow would run no task. Use a later date,"
                " or set run_config.start_date."
            )
        if self._client.version.major < 3 and date > datetime.now(timezone.utc):
            self._progress.warn(
                f"Airflow {self._client.version} begins this run only at its logical date."
            )
        return date

    def unpause(self, wanted: bool | None, *, new: bool) -> bool:
        """Unpause the DAG if that is wanted; return whether it is paused after that."""
        found = self._client.find_dag(self._dag.dag_id)
        if found is None or not found.paused:
            return False
        if wanted or (wanted is None and new):
            self._client.set_paused(self._dag.dag_id, False)
            return False
        self._progress.warn(
            f"DAG {self._dag.dag_id} is paused in Airflow: its runs wait until it is unpaused,"
            " which --unpause does."
        )
        return True

    def start(
        self, conf: Mapping[str, Any], logical_date: datetime | None, partition_format: str = ""
    ) -> None:
        """Start the run.

        Args:
            conf: Its configuration.
            logical_date: Its logical date, if it has one.
            partition_format: How the key of its partition is written, which is that of the logical
                date or of the present. It has none if this is empty, or the DAG has none.

        Raises:
            RunError: If there is a run of this logical date.
            AirflowApiError: If Airflow does not start it.
        """
        dag_id, key = self._dag.dag_id, None
        found = self._client.find_dag(dag_id) if partition_format else None
        if found and found.partitioned:
            moment = logical_date or datetime.now(timezone.utc)
            key = moment.astimezone(zone(self._dag.timezone)).strftime(partition_format)
        try:
            self._client.trigger(dag_id, self._id, conf, logical_date, partition_key=key)
        except (Unreachable, ServerFailed):
            self._progress.say(f"Run {self._id} may have started all the same: see {self._url}")
            raise
        except Conflict as error:
            if logical_date is None:
                raise
            raise RunError(
                f"DAG {dag_id} already has a run of the logical date {logical_date.isoformat()}."
                f" Use another --logical-date, or none. ({error})"
            ) from error
        self._started = True
        self._progress.say(f"Started run {self._id}: {self._url}")

    def go_on(self, task_ids: Sequence[str]) -> None:
        """Let the run, which has ended, run tasks again, and those that follow them.

        Raises:
            AirflowApiError: If Airflow does not clear them.
        """
        try:
            self._client.clear_tasks(self._dag.dag_id, self._id, task_ids)
        except (Unreachable, ServerFailed):
            self._progress.say(f"Run {self._id} may go on all the same: see {self._url}")
            raise
        self._started = True
        self._progress.say(f"Run {self._id} goes on: {self._url}")

    def check_version(self, fingerprint: str) -> None:
        """Check that the run, just started, is of the version with a fingerprint.

        Raises:
            RunError: If it may be of another one.
        """
        if not self._client.would_run(self._dag.dag_id, fingerprint):
            raise RunError(
                f"DAG {self._dag.dag_id} was replaced when run {self._id} started. The run may be"
                " of the other version. Try again, or use another name with --dag-name."
            )

    def skip_waits(self) -> None:
        """Let the run begin without waiting for other DAGs: they have no run that belongs to it."""
        for task_id in self._dag.sensor_ids:
            self._client.mark_task(self._dag.dag_id, self._id, task_id, "success")

    def follow(self, start: Callable[[], None], options: RunOptions, paused: bool) -> None:
        """Start the run, watch it if wanted, and show how it ends.

        Args:
            start: Starts it.
            options: How to run.
            paused: Whether the DAG is paused.

        Raises:
            AirflowK8sError: If it does not start, fails, or goes on for longer than the user waits.
            KeyboardInterrupt: From the user, after a message on what becomes of the run.
        """
        try:
            start()
            if options.minutes is None:
                return
            ended = self.watch(options.minutes, paused)
        except KeyboardInterrupt:
            self.interrupted(options.cancel_on_interrupt)
            raise
        self.show_end(ended, raw=options.raw)

    def watch(self, minutes: float, paused: bool) -> DagRun:
        """Show the tasks until the run has ended.

        Raises:
            RunError: If it has not ended within so many minutes.
            AirflowApiError: If Airflow cannot be asked, and that will not pass.
        """
        try:
            return self._until_end(minutes, paused)
        except NotFound:
            raise
        except AirflowApiError:
            self._progress.say(
                f"Run {self._id} continues in Airflow without this command: {self._url}"
            )
            raise

    def _until_end(self, minutes: float, paused: bool) -> DagRun:
        clock = self._progress.clock
        end = clock.now() + minutes * 60
        with TaskTable(self._progress.console, "Tasks", self._dag.task_ids) as table:
            while True:
                asked = clock.now()
                run = self._look(table)
                if run and run.state.ended:
                    return run
                if run:
                    self._waits.look(self._tasks)
                if clock.now() >= end:
                    raise RunError(self._unfinished(run, minutes, paused))
                # A run of thousands of tasks takes many requests: no more than half of the time.
                clock.sleep(max(POLL_SECONDS, clock.now() - asked))

    def show_end(self, run: DagRun, *, raw: bool = False) -> None:
        """Show how the run ended, and the logs of tasks that failed: their ends or, raw, all lines.

        Raises:
            RunError: If it did not succeed, or without some of its tasks.
        """
        color = "green" if run.state is RunState.SUCCESS else "red"
        self._progress.console.print(
            f"[bold {color}]{run.state.value}[/]: {ends(self._tasks, self._dag.task_ids)}."
        )
        failed = [task_id for task_id, task in self._tasks.items() if task.state == "failed"]
        causes = dict.fromkeys(failed, "")
        causes |= {task_id: self._show_log(task_id, raw) for task_id in failed[:LOGS_SHOWN]}
        if run.state is not RunState.SUCCESS:
            self._progress.say(f"See {self._url}")
            raise RunError(failures(causes) or "The run failed. Airflow names no failed task.")
        if failed:
            self._progress.warn(
                f"{', '.join(failed)} failed, after the nodes: Airflow calls the run a success"
                f" all the same. See {self._url}"
            )
        missing = [task_id for task_id in self._dag.task_ids if task_id not in self._tasks]
        if missing:
            raise RunError(
                f"Airflow calls the run a success, but these tasks are not in it:"
                f" {', '.join(missing)}. Another version of the DAG may have run. See {self._url}"
            )

    def interrupted(self, cancel: bool) -> None:
        """Say what becomes of the run, which is not watched any more; fail it if wanted."""
        if not cancel:
            self._progress.say(
                f"Interrupted. Run {self._id} continues in Airflow: {self._url}"
                " (--cancel-on-interrupt cancels it.)"
                if self._started
                else f"Interrupted. Run {self._id} may have started all the same: see {self._url}"
            )
            return
        try:
            mark_failed(self._client, self._dag.dag_id, self._id, self._dag.task_ids)
        except NotFound:
            self._progress.say(f"Interrupted: run {self._id} had not begun.")
        except AirflowApiError as error:
            self._progress.say(
                f"Interrupted: run {self._id} could not be cancelled: {error} See {self._url}"
            )
        else:
            self._progress.say(f"Interrupted: run {self._id} was marked as failed: {self._url}")

    def _look(self, table: TaskTable) -> DagRun | None:
        """Return the run in its present state, or None while Airflow does not answer."""
        try:
            run = self._client.run(self._dag.dag_id, self._id)
            tasks = self._client.task_states(self._dag.dag_id, self._id)
            self._tasks = {task_id: task_state(task) for task_id, task in tasks.items()}
        except (Unreachable, ServerFailed) as error:
            if not self._silent:
                self._progress.warn(f"{error} The run does not need this command; trying again.")
            self._silent = True
            return None
        self._silent = False
        table.update(self._tasks)
        return run

    def _unfinished(self, run: DagRun | None, minutes: float, paused: bool) -> str:
        passed = counted(minutes, "minute")
        if run is None:
            return (
                f"Airflow has not answered at the end of the wait of {passed}. See what became of"
                f" run {self._id}: {self._url}"
            )
        hint = " The DAG is paused: --unpause lets its runs begin." if paused else ""
        for task_id, reason in self._waits.reasons.items():
            hint += f" {task_id} waits for its pod: {reason.rstrip('.')}."
        return (
            f"Run {self._id} is {run.state.value} after {passed}, and goes on.{hint}"
            f" See {self._url}"
        )

    def _show_log(self, task_id: str, raw: bool) -> str:
        """Show a task's log, or its end, and return why the task failed."""
        attempt = self._tasks[task_id].attempt
        return show_log(
            lambda: self._client.task_log(self._dag.dag_id, self._id, task_id, attempt),
            task_id,
            self._progress.console,
            str if raw else log_end,
        )


def task_state(task: TaskInstance) -> TaskState:
    """Return a task of Airflow's API as the terminal shows it, with times in seconds."""
    return TaskState(
        state=task.state,
        start=task.start.timestamp() if task.start else None,
        end=task.end.timestamp() if task.end else None,
        attempt=task.attempt,
    )
