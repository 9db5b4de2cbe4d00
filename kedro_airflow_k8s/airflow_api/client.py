"""What the plugin asks of an Airflow server: one interface for Airflow 2.11 and 3."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Any

from semver import Version

from kedro_airflow_k8s.airflow_api.task_state import TaskState


class RunState(str, Enum):
    """The states of a DAG run; Airflow has no others."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCESS = "success"
    FAILED = "failed"

    @property
    def ended(self) -> bool:
        """Whether the run stays as it is."""
        return self in (RunState.SUCCESS, RunState.FAILED)


@dataclass(frozen=True)
class Dag:
    """A DAG as Airflow shows it.

    Attributes:
        dag_id: Its id.
        tags: Its tags, sorted.
        paused: Whether Airflow starts no runs of it, and lets those that are triggered wait.
        schedule: The schedule as Airflow words it; None where it runs only when triggered.
        file_token: What stands for its file in requests about it.
        bundle: The bundle that its file is in; None on Airflow 2, which has none.
        file: The path of its file on the server.
    """

    dag_id: str
    tags: tuple[str, ...]
    paused: bool
    schedule: str | None
    file_token: str
    bundle: str | None
    file: str


@dataclass(frozen=True)
class DagRun:
    """A run of a DAG. Times have a zone; a run of Airflow 3 may be without a logical date."""

    dag_id: str
    run_id: str
    state: RunState
    logical_date: datetime | None
    start: datetime | None
    end: datetime | None


@dataclass(frozen=True)
class DagImportError:
    """Why a file is no DAG: Airflow's own words, and when it found out."""

    file: str
    time: datetime
    stack_trace: str


class AirflowClient(ABC):
    """A server of Airflow.

    Every method raises an `AirflowApiError` whose class says what kind of trouble it is. None has
    to be called twice: what can be repeated safely is repeated inside.

    Attributes:
        host: Its base address, without a slash at the end.
        version: Its version.
        memory_seconds: How long its scheduler may still use the version of a DAG before the one
            that Airflow has stored.
    """

    host: str
    version: Version
    memory_seconds: float = 0.0

    @abstractmethod
    def find_dag(self, dag_id: str) -> Dag | None:
        """The DAG of an id, or None if Airflow has no active one."""

    @abstractmethod
    def generated_dags(self) -> Iterator[Dag]:
        """All active DAGs that carry this plugin's tag of whatever version, sorted by id."""

    @abstractmethod
    def would_run(self, dag_id: str, tag: str) -> bool:
        """Whether a run triggered now would be of the version of the DAG that has this tag.

        Airflow may show a new tag before it has stored the DAG that comes with it.
        """

    @abstractmethod
    def request_parsing(self, dag_id: str) -> bool:
        """Ask Airflow to look for the DAG's file now; False where it cannot be asked.

        For a DAG that Airflow does not know yet it is asked, by way of known files, to look through
        the folders that these are in.
        """

    @abstractmethod
    def import_error(self, file_name: str) -> DagImportError | None:
        """Why a file of this name, without folders, cannot be imported; None if it can."""

    @abstractmethod
    def set_paused(self, dag_id: str, paused: bool) -> None:
        """Pause or unpause a DAG."""

    @abstractmethod
    def trigger(
        self,
        dag_id: str,
        run_id: str,
        conf: Mapping[str, Any],
        logical_date: datetime | None = None,
    ) -> DagRun:
        """Start a run. If there is one of this id already, it is returned: no second one begins.

        Args:
            dag_id: The DAG.
            run_id: An id that nobody else chooses: it makes the request safe to repeat.
            conf: The run's configuration, JSON.
            logical_date: With a zone; without one, Airflow 3 gives the run none and Airflow 2 the
                present moment.
        """

    @abstractmethod
    def run(self, dag_id: str, run_id: str) -> DagRun:
        """A run as it stands."""

    @abstractmethod
    def last_runs(self, dag_ids: Sequence[str]) -> dict[str, DagRun]:
        """The run that began last of each DAG that has one, by DAG id."""

    @abstractmethod
    def fail_run(self, dag_id: str, run_id: str) -> None:
        """Mark a run as failed: Airflow kills its tasks, skips the rest and runs the teardown.

        After a teardown Airflow works out the state of the run anew, by its last tasks. Where these
        were skipped, that is a success: fail one of them before.
        """

    @abstractmethod
    def fail_task(self, dag_id: str, run_id: str, task_id: str) -> None:
        """Mark a task of a run as failed, whether it has begun or not."""

    @abstractmethod
    def task_states(self, dag_id: str, run_id: str) -> dict[str, TaskState]:
        """How the tasks of a run stand, by task id."""

    @abstractmethod
    def task_log(self, dag_id: str, run_id: str, task_id: str, attempt: int) -> str:
        """What a task's attempt has written, as lines of text; empty if there is nothing (yet)."""

    @abstractmethod
    def dag_url(self, dag_id: str) -> str:
        """The page of a DAG, for a browser."""

    @abstractmethod
    def run_url(self, dag_id: str, run_id: str) -> str:
        """The page of a run, for a browser."""
