"""Settings of the DAG: its schedule, its limits, and how Airflow shows it."""

import re
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    AliasChoices,
    BeforeValidator,
    Field,
    StrictBool,
    StrictInt,
    WithJsonSchema,
    model_validator,
)
from typing_extensions import Self

from kedro_airflow_k8s.config import own_names, values
from kedro_airflow_k8s.config.assets import AssetsConfig
from kedro_airflow_k8s.config.errors import choice, problems_error
from kedro_airflow_k8s.config.notify import NotifyConfig
from kedro_airflow_k8s.config.section import Section

LONGEST_TAG = 100
"""What Airflow's table of tags holds."""

RULE_OF_FAIL_FAST = (
    "must be all_success, or omitted: Airflow lets a DAG with `fail_fast` have no other rule"
)
"""Why a task cannot have another trigger rule than Airflow's default."""

_OWN_TAGS = (
    own_names.TAG_VERSION,
    own_names.TAG_COMMIT,
    own_names.TAG_EXPERIMENT,
    own_names.TAG_FINGERPRINT,
)
_DATE_FORMAT = re.compile(r"(%[YmdHMSjGVuy%]|[A-Za-z0-9_.:/+-])+")
Permission = Literal["can_read", "can_edit", "can_delete", "can_create", "menu_access"]


def _tag(text: str) -> str:
    if len(text) > LONGEST_TAG:
        reason = f"must have at most {LONGEST_TAG} characters"
        raise ValueError(reason)
    if text.partition(":")[0] in _OWN_TAGS:
        reason = f"must not begin with {text.partition(':')[0]}: the plugin sets this tag itself"
        raise ValueError(reason)
    return text


def _link(text: str) -> str:
    """Check a link as Airflow does, which refuses the DAG otherwise."""
    try:
        url = urlsplit(text)
    except ValueError:
        url = urlsplit("")
    mail = url.scheme == "mailto" and url.path
    if not mail and not (url.scheme in ("http", "https") and url.netloc):
        raise ValueError("must be a link that begins with https://, http:// or mailto:")
    return text


def _date_format(text: str) -> str:
    if not _DATE_FORMAT.fullmatch(text) or "%" not in text.replace("%%", ""):
        reason = (
            "must have directives of strftime (%Y %m %d %H %M %S %j %G %V %u %y) with letters,"
            " digits or - _ . : / + between them, such as %Y-%m-%d"
        )
        raise ValueError(reason)
    return text


def _of_dags(value: Any) -> Any:
    """Return permissions by resource: a list of permissions is about the DAG itself."""
    return {"DAGs": value} if isinstance(value, list | tuple) else value


_PERMISSIONS = {
    "type": "array",
    "items": {"enum": ["can_read", "can_edit", "can_delete", "can_create", "menu_access"]},
}
Tag = Annotated[
    values.Text,
    AfterValidator(_tag),
    WithJsonSchema({"type": "string", "minLength": 1, "maxLength": LONGEST_TAG}),
]
DateFormat = Annotated[
    str,
    AfterValidator(_date_format),
    WithJsonSchema({"type": "string", "pattern": f"^{_DATE_FORMAT.pattern}$"}),
]
Link = Annotated[
    str,
    AfterValidator(_link),
    WithJsonSchema({"type": "string", "pattern": "^(https?://[^/]|mailto:.)"}),
]
Permissions = Annotated[
    dict[Literal["DAGs", "DAG Runs"], tuple[Permission, ...]],
    BeforeValidator(_of_dags),
    WithJsonSchema(
        {
            "anyOf": [
                _PERMISSIONS,
                {
                    "type": "object",
                    "properties": {"DAGs": _PERMISSIONS, "DAG Runs": _PERMISSIONS},
                    "additionalProperties": False,
                },
            ]
        }
    ),
]


class DateParam(Section):
    """The Kedro parameter that has the date of a run."""

    shorthand: ClassVar[str] = "name"

    name: values.Parameter = Field(
        description="Name of the Kedro parameter, with dots if it is nested."
    )
    format: DateFormat = Field(
        default="%Y-%m-%d",
        description="How the date is written, in the directives of Python's strftime: "
        "%Y %m %d %H %M %S %j %G %V %u %y. Default: %Y-%m-%d, such as 2026-01-31.",
    )


class TriggerParam(Section):
    """A Kedro parameter in the trigger form on Airflow's page."""

    shorthand: ClassVar[str] = "name"

    name: values.Parameter = Field(
        description="Name of the Kedro parameter, with dots if it is nested."
    )
    description: values.Text | None = Field(
        default=None, description="Description of the parameter in the form."
    )


class DagConfig(AssetsConfig):
    """Settings of the DAG."""

    also_named: ClassVar[Mapping[str, str]] = {"failure_handlers": "notify"}

    cron_expression: values.Cron | None = Field(
        default=None,
        description="Schedule of the pipeline: a cron expression of five fields or a preset of "
        "Airflow such as @daily. Default: no schedule; runs are started by hand.",
    )
    start_date: values.Day | None = Field(
        default=None,
        description="First day of the schedule, as YYYYMMDD or YYYY-MM-DD.",
    )
    end_date: values.Day | None = Field(
        default=None,
        description="Last day of the schedule, as YYYYMMDD or YYYY-MM-DD. Default: no end.",
    )
    timezone: values.TimeZone = Field(
        default=values.UTC,
        description="Time zone of the schedule, the first and the last day: an IANA name such as "
        "Europe/Paris.",
    )
    catchup: StrictBool = Field(
        default=False,
        description="Start a run for each interval of the schedule since `start_date` that has "
        "had none, such as those before the first deploy. Needs `start_date`.",
    )
    max_active_runs: StrictInt | None = Field(
        default=None,
        gt=0,
        description="How many runs may be active at once; others wait. "
        "Default: max_active_runs_per_dag in airflow.cfg.",
    )
    max_active_tasks: StrictInt | None = Field(
        default=None,
        gt=0,
        description="How many tasks may be active at once: of a run on Airflow 3, of all runs on "
        "Airflow 2.11. Default: max_active_tasks_per_dag in airflow.cfg.",
    )
    dagrun_timeout: values.Duration | None = Field(
        default=None,
        description="Longest time of a run: seconds, or text such as 90m or 6h. A run that takes "
        "longer fails; its unfinished tasks are skipped, also the one that deletes its volume. "
        "Default: no limit.",
    )
    fail_fast: StrictBool = Field(
        default=False,
        description="Stop the other tasks of a run when one has failed, except those that "
        "clean up. Default: tasks that do not depend on it go on.",
    )
    display_name: values.Text | None = Field(
        default=None,
        description="Name of the DAG on Airflow's pages. Default: the DAG id.",
    )
    description: values.Text | None = Field(
        default=None, description="Description of the DAG on Airflow's page."
    )
    doc_md: values.Text | None = Field(
        default=None,
        description="Documentation of the DAG on Airflow's page, in Markdown. The plugin's own "
        "lines follow it.",
    )
    tags: Annotated[tuple[Tag, ...], values.Distinct] = Field(
        default=(),
        json_schema_extra={"uniqueItems": True},
        description="Tags of the DAG, beside those of the plugin.",
    )
    owner: values.Text | None = Field(
        default=None,
        description="Owner of the tasks on Airflow's pages; several with commas. "
        "Default: default_owner in airflow.cfg.",
    )
    owner_links: dict[values.Text, Link] = Field(
        default={},
        description="Links of owners on Airflow's pages: owner to https:// or mailto: link.",
    )
    access_control: dict[values.Text, Permissions] = Field(
        default={},
        description="Permissions for this DAG, by role of Airflow's FAB auth manager: a list such "
        "as [can_read, can_edit], or lists below `DAGs` and `DAG Runs`. The role must exist.",
    )
    paused: StrictBool | None = Field(
        default=None,
        description="Whether a new DAG is paused. `run-once` unpauses it; `schedule` does so "
        "unless this is true. Default: dags_are_paused_at_creation in airflow.cfg.",
    )

    date_param: DateParam | None = Field(
        default=None,
        description="Kedro parameter with the date that a run is for, in the DAG's time zone: in"
        " a scheduled run that of the schedule, in a backfill that of the day to fill, in others"
        " the logical date or, without one, the start. A name, or a section.",
    )
    keep_failed: values.Delay | None = Field(
        default=None,
        description="How long a run that has failed keeps its volume, or its folder in"
        " `intermediate_data`, so that it can go on where it stopped: seconds, or text such as 12h"
        " or 3d. Default: 0, the data is deleted at the end of every run; in the sandbox 1d.",
    )
    notify: tuple[NotifyConfig, ...] = Field(
        default=(),
        validation_alias=AliasChoices("notify", "failure_handlers"),
        description="Messages about runs and tasks: who gets which message. The entries of "
        "`failure_handlers` of version 0.8 are understood, also under that name.",
    )

    @model_validator(mode="after")
    def _dag_is_possible(self) -> Self:
        problems: dict[tuple[Any, ...], str] = {
            (key,): reason for key, reason in self._dag_problems().items()
        }
        for index, entry in enumerate(self.notify):
            if "deadline" in entry.on and self.dagrun_timeout is None:
                problems["notify", index, "on"] = (
                    "has `deadline`, which needs `dagrun_timeout`, the longest time of a run"
                )
        if problems:
            raise problems_error(problems)
        return self

    def _dag_problems(self) -> Mapping[str, str]:
        found = {}
        if self.schedule and self.cron_expression:
            found["schedule"] = (
                "contradicts `cron_expression`: write the times as `cron` in `schedule`, and remove"
                " `cron_expression`. In `pipelines`, `cron_expression:` without a value removes"
                " that of `run_config`"
            )
        found |= self._partition_problems()
        if self.catchup and self.start_date is None:
            found["catchup"] = "needs `start_date`, the first day for which there are runs"
        if self.end_date and self.start_date and self.end_date < self.start_date:
            found["end_date"] = f"must not be before `start_date`, {self.start_date}"
        if self.cron_expression == "@continuous" and (self.max_active_runs or 1) > 1:
            found["max_active_runs"] = (
                "must be 1, or omitted: with `cron_expression: @continuous` Airflow lets runs"
                " follow each other"
            )
        owners = [owner.strip() for owner in (self.owner or "").split(",")]
        strangers = [owner for owner in self.owner_links if owner not in owners]
        if self.owner and strangers:
            found["owner_links"] = (
                f"has {strangers[0]!r}, who is not in `owner`: {choice(owners, strangers[0])}"
            )
        return found

    @property
    def dateless_reason(self) -> str | None:
        """Why runs cannot wait for those of other DAGs, which are found by their dates."""
        if self.schedule:
            return (
                "contradicts `schedule`: a run that data starts has no date, so there is no run of"
                " another DAG to wait for. Name the pipelines or their data in `schedule.assets`"
            )
        if self.partitioned:
            return (
                "contradicts `partitioned`: a run of a partition has no logical date, so there is"
                " no run of another DAG to wait for. Wait for data with `schedule` instead"
            )
        return None

    def _partition_problems(self) -> Mapping[str, str]:
        """Return what contradicts `partitioned`, by key."""
        if self.partitioned is None:
            return {}
        found = {}
        if self.schedule and self.schedule.cron:
            found["schedule"] = (
                "has `cron`, which contradicts `partitioned`: a run is for the partition that it"
                " waits for. Remove `cron`, or wait for nothing and write `cron_expression`"
            )
        if not (self.schedule or self.cron_expression):
            found["partitioned"] = (
                "needs `cron_expression`, whose moments are the partitions, or `schedule`"
            )
        if self.cron_expression and (reason := self.partitioned.times_reason(self.cron_expression)):
            found["partitioned"] = reason
        names = [self.date_param.name] if self.date_param else []
        if reason := values.twice_reason(names, {self.partitioned.param: "partitioned"}):
            found["date_param"] = reason
        return found
