"""What the APIs of Airflow 2.11 and 3 have in common."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import quote

from semver import Version

from kedro_airflow_k8s.airflow_api.client import (
    AirflowClient,
    Dag,
    DagImportError,
    DagRun,
    RunState,
)
from kedro_airflow_k8s.airflow_api.logs import clean_lines, page_lines
from kedro_airflow_k8s.airflow_api.records import Record
from kedro_airflow_k8s.airflow_api.task_state import TaskState
from kedro_airflow_k8s.airflow_api.transport import Answer, Call, Transport
from kedro_airflow_k8s.errors import AirflowApiError, Conflict, NotAllowed, NotFound, Refused

GENERATED = "generated_with_kedro_airflow_k8s:"
"""How the tag begins that every DAG of this plugin has."""

PAGE = 100
"""The most that a server gives at once with its own settings, [api] maximum_page_limit."""

LOG_PAGES = 1000
"""How many pages of a log to read at most. One is a whole file, or hundreds of lines of a store."""

TASK_STATES = frozenset(
    (
        *("scheduled", "queued", "running", "restarting", "shutdown", "deferred", "awaiting_input"),
        *("up_for_retry", "up_for_reschedule"),
        *("success", "failed", "skipped", "upstream_failed", "removed"),
    )
)
"""airflow.utils.state.TaskInstanceState of 2.11 and 3.3."""


class RestClient(AirflowClient):
    """A server of Airflow, asked by its REST API."""

    api: str
    """Where the API is, below the base address."""
    not_only_shown: Mapping[str, Any] = {}
    """What a request needs to do what it asks for, where Airflow would only show it."""

    def __init__(self, transport: Transport, version: Version) -> None:
        self.host = transport.host
        self.version = version
        self._transport = transport

    def find_dag(self, dag_id: str) -> Dag | None:
        """The DAG of an id, or None if Airflow has no active one."""
        try:
            found = self._get("dags", dag_id)
        except NotFound:
            return None
        return self._dag(found) if self._is_active(found) else None

    def would_run(self, dag_id: str, tag: str) -> bool:
        """Whether a run triggered now would be of the version of the DAG that has this tag.

        Tags and source text tell the last file that was parsed. What a run is made of is the
        serialized DAG, which is written at most every [core] min_serialized_dag_update_interval
        (30 s). Of what the API tells of a DAG, its documentation comes from there; that of our DAGs
        repeats the tag.
        """
        try:
            details = self._get("dags", dag_id, "details")
        except NotFound:
            return False
        return tag in (details.optional_text("doc_md") or "").split()

    def import_error(self, file_name: str) -> DagImportError | None:
        """Why a file of this name, without folders, cannot be imported; None if it can."""
        path, params = self._path("importErrors"), self._about(file_name)
        newest: DagImportError | None = None
        for error in self._pages(path, "import_errors", params, "import_error_id"):
            file, time = error.text("filename"), error.time("timestamp")
            named_so = PurePosixPath(file).name == file_name
            if named_so and time is not None and (newest is None or newest.time < time):
                newest = DagImportError(file, time, error.text("stack_trace"))
        return newest

    def set_paused(self, dag_id: str, paused: bool) -> None:
        """Pause or unpause a DAG."""
        self._send("PATCH", "dags", dag_id, body={"is_paused": paused})

    def trigger(
        self,
        dag_id: str,
        run_id: str,
        conf: Mapping[str, Any],
        logical_date: datetime | None = None,
    ) -> DagRun:
        """Start a run, or find the one of this id."""
        body = {"dag_run_id": run_id, "conf": dict(conf), **self._logical_date(logical_date)}
        try:
            return self._run(self._send("POST", "dags", dag_id, "dagRuns", body=body).record)
        except Conflict as error:
            conflict = error
        try:
            return self.run(dag_id, run_id)
        except NotFound:
            # Another run is in the way, such as one of the same logical date.
            raise conflict from None

    def run(self, dag_id: str, run_id: str) -> DagRun:
        """A run as it stands."""
        return self._run(self._get("dags", dag_id, "dagRuns", run_id))

    def last_runs(self, dag_ids: Sequence[str]) -> dict[str, DagRun]:
        """The run that began last of each DAG that has one, by DAG id.

        The newest runs of many DAGs are asked for at once. Those of a busy DAG may hide the others'
        from a page: these are asked for again, in halves.
        """
        found: dict[str, DagRun] = {}
        ids = list(dict.fromkeys(dag_ids))
        waiting = [ids[start : start + PAGE] for start in range(0, len(ids), PAGE)]
        while waiting:
            chunk = waiting.pop()
            body = {"dag_ids": chunk, "order_by": "-id", "page_limit": PAGE}
            page = self._send("POST", "dags", "~", "dagRuns", "list", body=body).record
            runs = [self._run(record) for record in page.records("dag_runs")]
            for run in runs:
                found.setdefault(run.dag_id, run)
            if len(runs) >= page.number("total_entries"):
                continue
            rest = [dag_id for dag_id in chunk if dag_id not in found]
            if len(rest) == len(chunk):
                raise AirflowApiError(f"{self.host} tells of runs, and does not give them.")
            half = (len(rest) + 1) // 2
            waiting += filter(None, (rest[:half], rest[half:]))
        return found

    def fail_run(self, dag_id: str, run_id: str) -> None:
        """Mark a run as failed: Airflow kills its tasks, skips the rest and runs the teardown."""
        self._send("PATCH", "dags", dag_id, "dagRuns", run_id, body={"state": "failed"})

    def fail_task(self, dag_id: str, run_id: str, task_id: str) -> None:
        """Mark a task of a run as failed, whether it has begun or not."""
        path = ("dags", dag_id, "dagRuns", run_id, "taskInstances", task_id)
        self._send("PATCH", *path, body={"new_state": "failed", **self.not_only_shown})

    def task_states(self, dag_id: str, run_id: str) -> dict[str, TaskState]:
        """How the tasks of a run stand, by task id."""
        path = self._path("dags", dag_id, "dagRuns", run_id, "taskInstances")
        states = {}
        for task in self._pages(path, "task_instances", {}, "task_id", "map_index"):
            state = task.optional_text("state")
            if state is not None and state not in TASK_STATES:
                raise AirflowApiError(
                    f"{self.host} tells of a task in the state {state!r}, which this version of"
                    " kedro-airflow-k8s does not know."
                )
            start, end = task.time("start_date"), task.time("end_date")
            index = task.number("map_index") if "map_index" in task else -1
            name = task.text("task_id") + ("" if index < 0 else f"[{index}]")
            states[name] = TaskState(
                state=state,
                start=start.timestamp() if start else None,
                end=end.timestamp() if end else None,
                attempt=task.number("try_number"),
            )
        return states

    def task_log(self, dag_id: str, run_id: str, task_id: str, attempt: int) -> str:
        """What a task's attempt has written, as lines of text; empty if there is nothing (yet)."""
        if attempt < 1:
            return ""
        path = self._path(
            "dags", dag_id, "dagRuns", run_id, "taskInstances", task_id, "logs", str(attempt)
        )
        try:
            return "\n".join(clean_lines(self._log_pages(path)))
        except NotFound:
            return ""

    # What differs.

    @abstractmethod
    def _dag(self, record: Record) -> Dag:
        """A DAG as the API words it."""

    @abstractmethod
    def _is_active(self, record: Record) -> bool:
        """Whether a DAG is still in its file."""

    @abstractmethod
    def _about(self, file_name: str) -> dict[str, Any]:
        """What limits import errors to those of files like this, as far as the API can."""

    @abstractmethod
    def _logical_date(self, moment: datetime | None) -> dict[str, Any]:
        """What asks for a run's logical date."""

    # What both need.

    def _path(self, *parts: str) -> str:
        """A path of the API; ids may hold any characters."""
        return "/".join([self.api, *(quote(part, safe="~") for part in parts)])

    def _get(self, *parts: str) -> Record:
        """The object at a path."""
        return self._transport.get(self._path(*parts))

    def _send(
        self,
        method: str,
        *parts: str,
        body: Mapping[str, Any] | None = None,
        text_too: bool = False,
    ) -> Answer:
        """The answer to a request with a body."""
        call = Call(method, self._path(*parts), body=body, text_too=text_too)
        return self._transport.send(call)

    def _pages(
        self, path: str, key: str, params: Mapping[str, Any], *identity: str
    ) -> Iterator[Record]:
        """The items of a list, page by page, each once though they may move meanwhile.

        Args:
            path: Of the list.
            key: What the list is called in the answer.
            params: What to ask for.
            identity: The keys by which two items are the same.
        """
        seen: set[tuple[Any, ...]] = set()
        offset, before = 0, 0
        while True:
            page = self._transport.get(path, {**params, "limit": PAGE, "offset": offset})
            items, total = list(page.records(key)), page.number("total_entries")
            for item in items:
                name = tuple(item.plain(part) for part in identity)
                if name not in seen:
                    seen.add(name)
                    yield item
            # What has left the list since the page before has moved the rest forward by as many
            # places: look again from there. The server may also give fewer than asked for.
            gone = before - total
            before = total
            if gone > 0:
                offset = max(0, offset - gone)
                continue
            offset += len(items)
            if not items or offset >= total:
                return

    def _run(self, record: Record) -> DagRun:
        state = record.text("state")
        if state not in set(RunState):
            raise AirflowApiError(
                f"{self.host} tells of a run in the state {state!r}, which this version of"
                " kedro-airflow-k8s does not know."
            )
        return DagRun(
            dag_id=record.text("dag_id"),
            run_id=record.text("dag_run_id"),
            state=RunState(state),
            logical_date=record.time("logical_date"),
            start=record.time("start_date"),
            end=record.time("end_date"),
        )

    def _ask_to_parse(self, dag: Dag) -> bool:
        """Ask for a known file to be parsed soon; False where the server does not let us.

        Airflow 3 says 409 where somebody has asked already, Airflow 2 says nothing.
        """
        try:
            self._send("PUT", "parseDagFile", dag.file_token, text_too=True)
        except Conflict:
            return True
        except (NotAllowed, NotFound, Refused):
            return False
        return True

    def _log_pages(self, path: str) -> Iterator[str]:
        """All lines of a log; Airflow ends it by an empty page, or by giving no more token."""
        params: dict[str, str] = {}
        # Bounded, for a running task may write faster than we read.
        for _ in range(LOG_PAGES):
            answer = self._transport.send(Call("GET", path, params, text_too=True))
            if isinstance(answer.data, str):
                yield from answer.data.splitlines()
                return
            lines = page_lines(answer.record.plain("content"))
            yield from lines
            token = answer.record.optional_text("continuation_token")
            if not lines or token is None or params.get("token") == token:
                return
            params = {"token": token}
