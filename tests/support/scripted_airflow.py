"""An Airflow in memory that does what a test says at the time it says: it has no server.

For what a real one does not do on demand, such as never reading a file. Real servers are met in
tests/airflow/airflow_api and tests/e2e.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta, timezone
from typing import Any, Literal

from rich.console import Console
from semver import Version

from kedro_airflow_k8s.airflow_api import AirflowClient, Dag, DagImportError, DagRun, RunState
from kedro_airflow_k8s.airflow_api.records import Backfill, DagDetails, DagTask, TaskInstance
from kedro_airflow_k8s.errors import AirflowApiError, NotFound
from kedro_airflow_k8s.terminal.progress import Clock, Progress
from kedro_airflow_k8s.terminal.task_table import TaskState

BEGIN = datetime(2026, 1, 5, 12, tzinfo=timezone.utc)


def known_dag(dag_id: str, *tags: str, paused: bool = False, schedule: str | None = None) -> Dag:
    """A DAG as Airflow shows it."""
    return Dag(
        dag_id=dag_id,
        tags=tags,
        paused=paused,
        schedule=schedule,
        file_token=f"token-{dag_id}",
        bundle="dags-folder",
        file=f"/{dag_id}.py",
    )


@dataclass
class ScriptedAirflow(AirflowClient):
    """Airflow; `at(seconds, event)` lets something happen in it when the time has come."""

    host: str = "https://airflow.example.com"
    version: Version = field(default_factory=lambda: Version(3, 3, 2))
    memory_seconds: float = 0.0
    look_seconds: int | None = None
    seconds: float = 0.0
    dags: dict[str, Dag] = field(default_factory=dict)
    stored: dict[str, str] = field(default_factory=dict)
    stored_details: dict[str, DagDetails] = field(default_factory=dict)
    stored_tasks: dict[str, list[DagTask]] = field(default_factory=dict)
    errors: dict[str, DagImportError] = field(default_factory=dict)
    runs: dict[str, DagRun] = field(default_factory=dict)
    scheduled: dict[str, DagRun] = field(default_factory=dict)
    tasks: dict[str, TaskState] = field(default_factory=dict)
    logs: dict[str, str | AirflowApiError] = field(default_factory=dict)
    xcoms: dict[tuple[str, str, str], str] = field(default_factory=dict)
    rendered: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    cleared: list[str] = field(default_factory=list)
    logs_read: list[tuple[str, int]] = field(default_factory=list)
    confs: list[Mapping[str, Any]] = field(default_factory=list)
    asked_to_parse: list[float] = field(default_factory=list)
    can_be_asked: bool = True
    trouble: AirflowApiError | None = None
    moments: list[datetime] = field(default_factory=list)
    backfill: Backfill | None = None
    variables: dict[str, str] = field(default_factory=dict)
    script: list[tuple[float, Callable[[], None]]] = field(default_factory=list)

    @property
    def clock(self) -> Clock:
        """The time of this Airflow, which passes only when someone waits."""
        return Clock(lambda: self.seconds, self._sleep)

    def _sleep(self, seconds: float) -> None:
        self.seconds += seconds
        due = [event for when, event in self.script if when <= self.seconds]
        self.script = [entry for entry in self.script if entry[0] > self.seconds]
        for event in due:
            event()

    def progress(self, terminal: bool = False) -> tuple[Progress, io.StringIO]:
        """What to tell a user, and where to read it."""
        written = io.StringIO()
        console = Console(file=written, width=200, force_terminal=terminal, highlight=False)
        return Progress(console, self.clock), written

    def at(self, seconds: float, event: Callable[[], None]) -> None:
        """Let something happen."""
        self.script.append((seconds, event))

    def parse(self, dag: Dag) -> None:
        """Have a DAG, as after reading its file."""
        self.dags[dag.dag_id] = dag
        self.stored[dag.dag_id] = next((t for t in dag.tags if t.startswith("fingerprint:")), "")

    def fail_import(self, file: str, words: str) -> None:
        """Find that a file cannot be imported."""
        time = BEGIN + timedelta(seconds=self.seconds)
        self.errors[file] = DagImportError(file=file, time=time, stack_trace=words)

    def end(self, state: RunState) -> None:
        """End all runs."""
        for run_id in self.runs:
            self._set_state(run_id, state)

    def _set_state(self, run_id: str, state: RunState) -> None:
        self.runs[run_id] = self.runs[run_id].model_copy(update={"state": state})

    def _set_type(self, run_id: str, run_type: str) -> None:
        self.runs[run_id] = self.runs[run_id].model_copy(update={"run_type": run_type})

    def find_dag(self, dag_id: str) -> Dag | None:
        return self.dags.get(dag_id)

    def dag_in_records(self, dag_id: str) -> Dag | None:
        return self.dags.get(dag_id)

    def generated_dags(self) -> list[Dag]:
        return list(self.dags.values())

    def would_run(self, dag_id: str, tag: str) -> bool:
        return self.stored.get(dag_id) == tag

    def details(self, dag_id: str) -> DagDetails:
        return self.stored_details[dag_id]

    def dag_tasks(self, dag_id: str) -> list[DagTask]:
        if dag_id not in self.stored_tasks:
            raise NotFound(f"DAG {dag_id} not found")
        return self.stored_tasks[dag_id]

    def request_parsing(self, dag_id: str) -> bool:
        self.asked_to_parse.append(self.seconds)
        return self.can_be_asked

    def import_error(self, file_name: str) -> DagImportError | None:
        return self.errors.get(file_name)

    def rendered_fields(self, dag_id: str, run_id: str, task_id: str) -> Mapping[str, Any]:
        return self.rendered.get(task_id, {})

    def clear_tasks(self, dag_id: str, run_id: str, task_ids: Sequence[str]) -> None:
        self.cleared += task_ids
        # As Airflow: the run begins again.
        changed = {"state": RunState.QUEUED, "start": None}
        self.runs[run_id] = self.runs[run_id].model_copy(update=changed)

    def set_paused(self, dag_id: str, paused: bool) -> None:
        self.dags[dag_id] = self.dags[dag_id].model_copy(update={"paused": paused})

    def trigger(
        self,
        dag_id: str,
        run_id: str,
        conf: Mapping[str, Any],
        logical_date: datetime | None = None,
        interval_end: datetime | None = None,
        partition_key: str | None = None,
    ) -> DagRun:
        self.confs.append(conf)
        self.runs[run_id] = DagRun(
            dag_id=dag_id,
            run_id=run_id,
            state=RunState.QUEUED,
            logical_date=logical_date,
            partition_key=partition_key,
            conf=conf,
        )
        return self.runs[run_id]

    def backfill_dates(self, wanted: Backfill) -> list[datetime]:
        return [day for day in self.moments if wanted.start <= day <= wanted.end]

    def create_backfill(self, wanted: Backfill) -> Backfill:
        ends = {"start": wanted.start.astimezone(timezone.utc)}
        ends["end"] = wanted.end.astimezone(timezone.utc)
        self.backfill = wanted.model_copy(update={"id": 7, **ends})
        for day in self.backfill_dates(wanted):
            known = {run.logical_date: run for run in self.runs.values()}
            if day in known:
                failed = known[day].state is RunState.FAILED
                if wanted.reprocess == "all" or (wanted.reprocess == "failed" and failed):
                    self._set_state(known[day].run_id, RunState.QUEUED)
                    self._set_type(known[day].run_id, "backfill")
            else:
                run_id = f"backfill__{day:%Y%m%d}"
                self.trigger(wanted.dag_id, run_id, wanted.conf or {}, day)
                self._set_type(run_id, "backfill")
        return self.backfill

    def unfinished_backfill(self, dag_id: str) -> Backfill | None:
        return self.backfill if self.backfill and self.backfill.dag_id == dag_id else None

    def end_backfill(self, backfill: Backfill) -> None:
        if self.backfill is None or self.backfill.id != backfill.id:
            raise NotFound(f"Backfill {backfill.id} not found")
        self.backfill = None

    def variable(self, key: str) -> str | None:
        return self.variables.get(key)

    def create_variable(self, key: str, value: str, description: str) -> None:
        assert description
        self.variables[key] = value

    def delete_variable(self, key: str) -> None:
        self.variables.pop(key, None)

    def runs_between(self, dag_id: str, start: datetime, end: datetime) -> list[DagRun]:
        if self.trouble:
            raise self.trouble
        runs = [r for r in self.runs.values() if r.dag_id == dag_id and r.logical_date]
        return [run for run in runs if start <= (run.logical_date or start) <= end]

    def partitions_between(self, dag_id: str, first: date, last: date) -> list[DagRun]:
        runs = [r for r in self.runs.values() if r.dag_id == dag_id and r.partition_key]
        days = (first.isoformat(), last.isoformat())
        return [r for r in runs if days[0] <= (r.partition_key or "")[:10] <= days[1]]

    def run(self, dag_id: str, run_id: str) -> DagRun:
        if self.trouble:
            raise self.trouble
        if run_id not in self.runs:
            raise NotFound(f"DAG run {run_id} not found")
        return self.runs[run_id]

    def newest_runs(self, dag_id: str, *, unfinished: bool = False) -> list[DagRun]:
        runs = [run for run in reversed(self.runs.values()) if run.dag_id == dag_id]
        return [run for run in runs if not (unfinished and run.state.ended)]

    def last_runs(self, dag_ids: Sequence[str]) -> dict[str, DagRun]:
        return {run.dag_id: run for run in self.runs.values() if run.dag_id in dag_ids}

    def last_scheduled_run(self, dag_id: str) -> DagRun | None:
        return self.scheduled.get(dag_id)

    def fail_run(self, dag_id: str, run_id: str) -> None:
        self._set_state(run_id, RunState.FAILED)

    def mark_task(
        self, dag_id: str, run_id: str, task_id: str, state: Literal["success", "failed"]
    ) -> None:
        self.tasks[task_id] = TaskState(state, None, None, 0)

    def task_states(self, dag_id: str, run_id: str) -> dict[str, TaskInstance]:
        return {name: _instance(name, task) for name, task in self.tasks.items()}

    def task_log(self, dag_id: str, run_id: str, task_id: str, attempt: int) -> str:
        self.logs_read.append((task_id, attempt))
        log = self.logs.get(task_id, "")
        if isinstance(log, AirflowApiError):
            raise log
        return log

    def xcom(self, dag_id: str, run_id: str, task_id: str, key: str) -> str | None:
        return self.xcoms.get((run_id, task_id, key))

    def dag_url(self, dag_id: str) -> str:
        return f"{self.host}/dags/{dag_id}"

    def run_url(self, dag_id: str, run_id: str) -> str:
        return f"{self.host}/dags/{dag_id}/runs/{run_id}"


def _instance(task_id: str, task: TaskState) -> TaskInstance:
    def date(seconds: float | None) -> datetime | None:
        return None if seconds is None else datetime.fromtimestamp(seconds, timezone.utc)

    return TaskInstance.model_validate(
        {
            "task_id": task_id,
            "state": task.state,
            "start_date": date(task.start),
            "end_date": date(task.end),
            "try_number": task.attempt,
        }
    )
