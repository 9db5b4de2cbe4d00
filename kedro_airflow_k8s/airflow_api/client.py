"""The client of an Airflow server: one interface for Airflow 2.11 and 3."""

from __future__ import annotations

import contextlib
from abc import abstractmethod
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime
from graphlib import TopologicalSorter
from pathlib import PurePosixPath
from typing import Any, Literal
from urllib.parse import quote

from semver import Version

from kedro_airflow_k8s.airflow_api.backfills import BackfillApi
from kedro_airflow_k8s.airflow_api.logs import clean_lines, page_lines
from kedro_airflow_k8s.airflow_api.paths import PAGE
from kedro_airflow_k8s.airflow_api.records import (
    SCHEDULED,
    Dag,
    DagDetails,
    DagImportError,
    DagRun,
    DagTask,
    LogPage,
    Page,
    RenderedTask,
    RunState,
    TaskInstance,
    XCom,
)
from kedro_airflow_k8s.config.own_names import TAG_VERSION
from kedro_airflow_k8s.errors import AirflowApiError, Conflict, NotAllowed, NotFound, Refused

GENERATED = f"{TAG_VERSION}:"
"""The beginning of the tag that every DAG of this plugin has."""

RUNS_LATEST_VERSION = Version(3, 1)
"""The first version of Airflow in which a cleared task can run by another version of its DAG."""

LOG_PAGES = 1000
"""The most pages of a log to read. A page is a whole file, or hundreds of lines from a store."""


class AirflowClient(BackfillApi):
    """A client for the REST API of an Airflow server.

    Every method raises an `AirflowApiError` of a class for the kind of problem. Requests that are
    safe to repeat are retried inside.

    Attributes:
        host: Its base address, without a slash at the end.
        version: Its version.
        memory_seconds: How long its scheduler may still use the previous version of a DAG after
            Airflow has stored a new one.
        look_seconds: How often it looks for new files, in seconds; None if unknown.
    """

    memory_seconds = 0.0
    look_seconds: int | None = None

    dag_page: str
    run_page: str
    """Where the pages of a DAG and of a run are, below the base address."""
    dag_record: type[Dag]
    """The record of a DAG in the API."""
    filters_import_errors = True
    """Whether the API finds import errors by the name of the file."""
    needs_logical_date = True
    """Whether a request for a run without a logical date must contain null."""
    newest_first = "-run_after"
    """How a list of runs is sorted to have the latest one first."""
    dry_run_off: Mapping[str, Any] = {}
    """The fields that turn off the API's dry run, where it is the default."""

    @abstractmethod
    def generated_dags(self) -> list[Dag]:
        """Return all active DAGs with a tag of any version of this plugin, sorted by id."""

    @abstractmethod
    def request_parsing(self, dag_id: str) -> bool:
        """Request that Airflow parses the DAG's file now; return False if that is not possible."""

    def dag_url(self, dag_id: str) -> str:
        """Return the address of a DAG's page, for a browser."""
        return self.host + self.dag_page.format(dag=quote(dag_id, safe=""))

    def run_url(self, dag_id: str, run_id: str) -> str:
        """Return the address of a run's page, for a browser."""
        return self.host + self.run_page.format(
            dag=quote(dag_id, safe=""), run=quote(run_id, safe="")
        )

    def find_dag(self, dag_id: str) -> Dag | None:
        """Return the DAG of an id, or None if Airflow has no active one."""
        found = self.dag_in_records(dag_id)
        return found if found and found.active else None

    def dag_in_records(self, dag_id: str) -> Dag | None:
        """Return the DAG of an id, also one whose file is gone; None if Airflow has no record."""
        try:
            return self._get("dags", dag_id).read(self.dag_record)
        except NotFound:
            return None

    def would_run(self, dag_id: str, tag: str) -> bool:
        """Return whether a run triggered now would use the DAG's version with this tag.

        Tags and source come from the last file that was parsed. A run uses the serialized DAG,
        which is written at most every [core] min_serialized_dag_update_interval (30 s). Of the
        fields in the API, only `doc_md` comes from the serialized DAG, so our DAGs repeat the tag
        there.
        """
        try:
            details = self.details(dag_id)
        except NotFound:
            return False
        return tag in (details.doc_md or "").split()

    def details(self, dag_id: str) -> DagDetails:
        """Return what Airflow has stored of a DAG."""
        return self._get("dags", dag_id, "details").read(DagDetails)

    def dag_tasks(self, dag_id: str) -> list[DagTask]:
        """Return the tasks of a DAG, in an order in which they can run."""
        answer = self._get("dags", dag_id, "tasks")
        found = {task.task_id: task for task in answer.read(Page[DagTask]).items}
        upstream: dict[str, list[str]] = {task_id: [] for task_id in sorted(found)}
        for task_id in sorted(found):
            for below in found[task_id].downstream_task_ids:
                upstream[below].append(task_id)
        return [found[task_id] for task_id in TopologicalSorter(upstream).static_order()]

    def import_error(self, file_name: str) -> DagImportError | None:
        """Return why a file of this name, without folders, cannot be imported; None if it can."""
        path = self._path("importErrors")
        params = {"filename_pattern": f"%{file_name}"} if self.filters_import_errors else {}
        errors = [
            error
            for error in self._items(DagImportError, path, **params)
            if PurePosixPath(error.file).name == file_name
        ]
        return max(errors, key=lambda error: error.time, default=None)

    def inactive_assets(self, dag_id: str, uris: Collection[str]) -> dict[str, str]:  # noqa: ARG002 - as in Airflow 2
        """Return the assets of a DAG whose tasks Airflow would fail: URI to what another DAG says.

        Only Airflow 3 does so.

        Args:
            dag_id: The DAG.
            uris: The URIs of its assets, which are also their names.
        """
        return {}

    def set_paused(self, dag_id: str, paused: bool) -> None:
        """Pause or unpause a DAG."""
        self._send("PATCH", "dags", dag_id, json={"is_paused": paused})

    def delete_dag(self, dag_id: str) -> None:
        """Delete the record of a DAG with all of its runs; its file stays where it is.

        Raises:
            Conflict: If a task of it is running.
        """
        # A request that is repeated because the answer was lost finds nothing to delete.
        with contextlib.suppress(NotFound):
            self._transport.send("DELETE", self._path("dags", dag_id), text_too=True)

    def trigger(
        self,
        dag_id: str,
        run_id: str,
        conf: Mapping[str, Any],
        logical_date: datetime | None = None,
        interval_end: datetime | None = None,
        partition_key: str | None = None,
    ) -> DagRun:
        """Start a run, or return the run with this id if it exists.

        Args:
            dag_id: The DAG.
            run_id: A unique id, which makes the request safe to repeat.
            conf: The run's configuration, JSON.
            logical_date: The logical date, with a time zone. If it is None, the run has none on
                Airflow 3, and the current time on Airflow 2.
            interval_end: The end of the data interval, which begins at the logical date.
            partition_key: The partition that it makes, for a DAG with partitions.

        Raises:
            Conflict: If it conflicts with another run, such as one with this logical date.
        """
        body: dict[str, Any] = {"dag_run_id": run_id, "conf": dict(conf)}
        if logical_date or self.needs_logical_date:
            body["logical_date"] = logical_date.isoformat() if logical_date else None
        if logical_date and interval_end:
            body["data_interval_start"] = body["logical_date"]
            body["data_interval_end"] = interval_end.isoformat()
        if partition_key:
            body["partition_key"] = partition_key
        try:
            return self._send("POST", "dags", dag_id, "dagRuns", json=body).read(DagRun)
        except Conflict as error:
            conflict = error
        try:
            return self.run(dag_id, run_id)
        except NotFound:
            raise conflict from None

    def run(self, dag_id: str, run_id: str) -> DagRun:
        """Return a run in its current state."""
        return self._get("dags", dag_id, "dagRuns", run_id).read(DagRun)

    def last_runs(self, dag_ids: Sequence[str]) -> dict[str, DagRun]:
        """Return the last run of each DAG that has one, by DAG id.

        The newest runs of many DAGs are requested at once. Runs of a busy DAG may fill the whole
        page: the DAGs without a run on it are requested again, in halves.
        """
        found: dict[str, DagRun] = {}
        ids = list(dict.fromkeys(dag_ids))
        waiting = [ids[start : start + PAGE] for start in range(0, len(ids), PAGE)]
        while waiting:
            chunk = waiting.pop()
            page = self._newest_runs(chunk)
            for run in page.items:
                found.setdefault(run.dag_id, run)
            if len(page.items) >= page.total_entries:
                continue
            rest = [dag_id for dag_id in chunk if dag_id not in found]
            if len(rest) == len(chunk):
                raise AirflowApiError(f"{self.host} counts runs but does not list them.")
            half = (len(rest) + 1) // 2
            waiting += filter(None, (rest[:half], rest[half:]))
        return found

    def newest_runs(self, dag_id: str, *, unfinished: bool = False) -> list[DagRun]:
        """Return up to 100 runs of a DAG, or those that have not ended, the newest one first."""
        states = [state.value for state in RunState if not state.ended]
        return self._newest_runs([dag_id], **({"states": states} if unfinished else {})).items

    def last_scheduled_run(self, dag_id: str) -> DagRun | None:
        """Return the last run that Airflow has started by the schedule; None if none."""
        path = self._path("dags", dag_id, "dagRuns")
        try:
            runs = self._items(DagRun, path, order_by=self.newest_first)
            return next((run for run in runs if run.run_type in SCHEDULED), None)
        except NotFound:
            return None

    def fail_run(self, dag_id: str, run_id: str) -> None:
        """Mark a run as failed: Airflow kills its tasks, skips the rest and runs the teardown.

        After a teardown, Airflow computes the state of the run again from its last tasks. If they
        were skipped, the result is a success, so mark one of them as failed first.
        """
        self._send("PATCH", "dags", dag_id, "dagRuns", run_id, json={"state": "failed"})

    def mark_task(
        self, dag_id: str, run_id: str, task_id: str, state: Literal["success", "failed"]
    ) -> None:
        """Mark a task of a run as successful or failed, even if it has not started."""
        path = ("dags", dag_id, "dagRuns", run_id, "taskInstances", task_id)
        self._send("PATCH", *path, json={"new_state": state, **self.dry_run_off})

    def clear_tasks(self, dag_id: str, run_id: str, task_ids: Sequence[str]) -> None:
        """Run tasks of a run again, with those that follow them, by the DAG's latest version."""
        body: dict[str, Any] = {
            "dry_run": False,
            "dag_run_id": run_id,
            "task_ids": list(task_ids),
            "only_failed": False,
            "include_downstream": True,
            "reset_dag_runs": True,
        }
        if self.version >= RUNS_LATEST_VERSION:
            body["run_on_latest_version"] = True
        self._send("POST", "dags", dag_id, "clearTaskInstances", json=body)

    def rendered_fields(self, dag_id: str, run_id: str, task_id: str) -> Mapping[str, Any]:
        """Return the arguments of a task's last attempt, as Airflow has rendered them."""
        path = ("dags", dag_id, "dagRuns", run_id, "taskInstances", task_id)
        return self._get(*path).read(RenderedTask).fields or {}

    def task_states(self, dag_id: str, run_id: str) -> dict[str, TaskInstance]:
        """Return the tasks of a run, by task id."""
        path = self._path("dags", dag_id, "dagRuns", run_id, "taskInstances")
        return {task.task_id: task for task in self._items(TaskInstance, path)}

    def task_log(self, dag_id: str, run_id: str, task_id: str, attempt: int) -> str:
        """Return the log of a task's attempt as lines of text; empty if there is none yet."""
        if attempt < 1:
            return ""
        path = self._path(
            "dags", dag_id, "dagRuns", run_id, "taskInstances", task_id, "logs", str(attempt)
        )
        try:
            return "\n".join(clean_lines(self._log_lines(path)))
        except NotFound:
            return ""

    def xcom(self, dag_id: str, run_id: str, task_id: str, key: str) -> str | None:
        """Return the text that a task of a run has left under a key; None if it left none."""
        path = ("dags", dag_id, "dagRuns", run_id, "taskInstances", task_id, "xcomEntries", key)
        try:
            return self._get(*path).read(XCom).value
        except NotFound:
            return None

    def _newest_runs(self, dag_ids: Sequence[str], **more: Any) -> Page[DagRun]:
        body = {"dag_ids": list(dag_ids), "order_by": "-id", "page_limit": PAGE, **more}
        answer = self._send("POST", "dags", "~", "dagRuns", "list", json=body)
        return answer.read(Page[DagRun])

    def _ask_to_parse(self, dag: Dag) -> bool:
        """Request that a known file is parsed soon; return False if the server refuses.

        Airflow 3 answers 409 if there is such a request already, Airflow 2 does not.
        """
        path = self._path("parseDagFile", dag.file_token)
        try:
            self._transport.send("PUT", path, text_too=True)
        except Conflict:
            return True
        except (NotAllowed, NotFound, Refused):
            return False
        return True

    def _log_lines(self, path: str) -> Iterator[str]:
        """Yield all lines of a log, which ends with an empty page or one without a token."""
        params: dict[str, str] = {}
        # Bounded, because a running task may write faster than we read.
        for _ in range(LOG_PAGES):
            answer = self._transport.get(path, params=params, text_too=True)
            if isinstance(answer.data, str):
                yield from answer.data.splitlines()
                return
            page = answer.read(LogPage)
            lines = page_lines(page.content)
            yield from lines
            token = page.continuation_token
            if not lines or token is None or params.get("token") == token:
                return
            params = {"token": token}
