"""Records of Airflow's DAGs, runs and tasks, with validated types."""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import Enum
from typing import Annotated, Any, Generic, TypeVar

from pydantic import (
    AfterValidator,
    AliasChoices,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
)

ItemT = TypeVar("ItemT")

ENDS = ("success", "failed", "upstream_failed", "skipped", "removed")
"""The final states of a task."""

SCHEDULED = ("scheduled", "backfill")
"""The types of runs that Airflow counts as those of the schedule."""

WAIT = "ExternalTaskSensor"
"""The operator by which our DAGs wait for others."""

_NODES = re.compile(r"(?:\A|\n)Kedro: `([^\n]+)`\s*\Z")
"""How the documentation of a task ends in our DAGs."""


def _tag_name(tag: Any) -> Any:
    return tag.get("name") if isinstance(tag, dict) else tag


Flag = Annotated[bool, BeforeValidator(lambda value: False if value is None else value)]
Tag = Annotated[str, BeforeValidator(_tag_name)]


class Record(BaseModel):
    """A JSON object of Airflow's API; keys that the plugin does not need are ignored."""

    model_config = ConfigDict(frozen=True, populate_by_name=True)


class Page(Record, Generic[ItemT]):
    """A part of a list, and the length of the whole list."""

    items: list[ItemT] = Field(
        validation_alias=AliasChoices(
            *("dags", "dag_runs", "import_errors", "task_instances", "tasks", "tags"),
            *("backfills", "assets"),
        )
    )
    total_entries: int


class Dag(Record):
    """A DAG as Airflow shows it.

    Attributes:
        dag_id: Its id.
        tags: Its tags, sorted.
        paused: Whether it is paused: Airflow starts no runs, and queues triggered ones.
        schedule: The schedule as Airflow shows it; None if it runs only when triggered.
        file_token: The name of its file in requests.
        bundle: The bundle that its file is in; None on Airflow 2, which has no bundles.
        file: The path of its file on the server.
        active: Whether its file still contains it.
        partitioned: Whether its runs have partitions; Airflow 3.2 is the first to have them.
    """

    dag_id: str
    tags: Annotated[tuple[Tag, ...], AfterValidator(lambda tags: tuple(sorted(tags)))]
    paused: Flag = Field(default=False, validation_alias="is_paused")
    schedule: str | None = None
    file_token: str
    bundle: str | None = None
    file: str = Field(validation_alias="fileloc")
    active: Flag = True
    partitioned: Flag = Field(default=False, validation_alias="timetable_partitioned")


class DagDetails(Record):
    """Details from the serialized DAG in Airflow's database. Times are in the server's time zone.

    Attributes:
        doc_md: Its documentation.
        start_date: The start of its schedule; no task runs for an earlier date.
        params: The fields of its trigger form, by name.
    """

    doc_md: str | None = None
    start_date: AwareDatetime | None = None
    params: Mapping[str, Any] | None = None


class TaskClass(Record):
    """The operator of a task."""

    class_name: str | None = None


class DagTask(Record):
    """A task of a DAG."""

    task_id: str
    downstream_task_ids: tuple[str, ...] = ()
    class_ref: TaskClass | None = None
    doc_md: str | None = None

    @property
    def waits(self) -> bool:
        """Whether it waits for another DAG."""
        return bool(self.class_ref and self.class_ref.class_name == WAIT)

    @property
    def nodes(self) -> tuple[str, ...]:
        """The Kedro nodes that its documentation names; a task without nodes has none.

        Of a task that runs a whole pipeline, it is the pipeline's name.
        """
        found = _NODES.search(self.doc_md or "")
        return tuple(found[1].split(",")) if found else ()


class DagImportError(Record):
    """An import error of a file: Airflow's message, and its time."""

    file: str = Field(validation_alias="filename")
    time: AwareDatetime = Field(validation_alias="timestamp")
    stack_trace: str


class RunState(str, Enum):
    """The states of a DAG run; Airflow has no others."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCESS = "success"
    FAILED = "failed"

    @property
    def ended(self) -> bool:
        """Whether the state is final."""
        return self in (RunState.SUCCESS, RunState.FAILED)


class DagRun(Record):
    """A run of a DAG; on Airflow 3 it may have no logical date, but a partition key."""

    dag_id: str
    run_id: str = Field(validation_alias="dag_run_id")
    state: RunState
    run_type: str | None = None
    logical_date: AwareDatetime | None = None
    run_after: AwareDatetime | None = None
    partition_key: str | None = None
    start: AwareDatetime | None = Field(default=None, validation_alias="start_date")
    end: AwareDatetime | None = Field(default=None, validation_alias="end_date")
    conf: Mapping[str, Any] | None = None


class Asset(Record):
    """An asset that DAGs make, read or wait for."""

    name: str
    uri: str


class Backfill(Record):
    """A backfill: runs of a DAG for the moments of its schedule in a range of time.

    Attributes:
        id: Its number on Airflow 3, which knows backfills.
        dag_id: The DAG.
        start: The first moment.
        end: The last moment.
        max_active: How many of its runs may be active at once.
        reprocess: For which moments with a run it is started again: `none`, `failed` or `all`.
        conf: The configuration of its runs; None for none, or that of runs started again.
        created: When it was created.
        completed: When it ended; None if it has not.
    """

    id: int = 0
    dag_id: str
    start: AwareDatetime = Field(validation_alias="from_date", serialization_alias="from_date")
    end: AwareDatetime = Field(validation_alias="to_date", serialization_alias="to_date")
    max_active: int = Field(
        validation_alias="max_active_runs", serialization_alias="max_active_runs"
    )
    reprocess: Annotated[
        str, BeforeValidator(lambda word: "all" if word == "completed" else word)
    ] = Field(validation_alias="reprocess_behavior", serialization_alias="reprocess_behavior")
    conf: Mapping[str, Any] | None = Field(
        default=None, validation_alias="dag_run_conf", serialization_alias="dag_run_conf"
    )
    created: AwareDatetime = Field(validation_alias="created_at", serialization_alias="created_at")
    completed: AwareDatetime | None = Field(
        default=None, validation_alias="completed_at", serialization_alias="completed_at"
    )


class BackfillMoment(Record):
    """A run that a backfill would start."""

    logical_date: AwareDatetime | None = None


class Variable(Record):
    """A variable of Airflow."""

    value: str


class TaskInstance(Record):
    """A task of a run: its state, None before it is scheduled, and its last attempt, from 1.

    A task that was deferred is queued again when it resumes, after its start.
    """

    task_id: str
    state: str | None = None
    queued: AwareDatetime | None = Field(default=None, validation_alias="queued_when")
    start: AwareDatetime | None = Field(default=None, validation_alias="start_date")
    end: AwareDatetime | None = Field(default=None, validation_alias="end_date")
    attempt: int = Field(validation_alias="try_number")


class XCom(Record):
    """What a task has left for others."""

    value: str | None = None


class RenderedTask(Record):
    """A task of a run with the arguments of its operator, as Airflow has rendered them."""

    fields: Mapping[str, Any] | None = Field(default=None, validation_alias="rendered_fields")


class LogPage(Record):
    """A part of a log, with the token for the next part."""

    content: Any = None
    continuation_token: str | None = None
