"""Settings of tasks: how Airflow runs them, which nodes share one, and what they pass on."""

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Any, ClassVar, Literal, get_args
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    AliasChoices,
    BeforeValidator,
    Field,
    GetJsonSchemaHandler,
    StrictBool,
    StrictInt,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import CoreSchema
from typing_extensions import Self

from kedro_airflow_k8s.config import values
from kedro_airflow_k8s.config.errors import choice, problems_error
from kedro_airflow_k8s.config.section import Section
from kedro_airflow_k8s.pod.stores import AZURE, STORES

GROUPING_DEFAULT = "__default__"
"""The key of `grouping` for all pipelines that are not named there."""

RESOURCES_TAG = re.compile(r"resources[.:](.*)", re.DOTALL)
"""A node tagged `resources.big` gets the entry `big` of `run_config.resources`.

With Kedro 0.16 and 0.17, the tag had a colon, which Kedro 1 refuses.
"""

GroupingMode = Literal["none", "memory", "namespace", "pipeline", "tag"]
Runner = Literal["sequential", "thread", "parallel"]


class Grouping(Section):
    """Which nodes of a pipeline share a pod, and how they run there."""

    shorthand: ClassVar[str] = "by"

    by: GroupingMode = Field(
        default="none",
        description="What the nodes of a pod share: `memory`, a `namespace`, the `pipeline` or a"
        " `tag` airflow-k8s.group.<name>. `none` is the same as `tag`.",
    )
    nodes: Literal["hidden", "visible"] = Field(
        default="hidden",
        description="`visible`: each node of a shared pod has a task of its own in Airflow, which"
        " shows its state and its part of the log. `hidden`: a shared pod is one task.",
    )
    runner: Runner = Field(
        default="sequential",
        description="How a pod runs its nodes, as `kedro run --runner`: one after another, or those"
        " that are ready at once in threads (`thread`) or processes (`parallel`).",
    )
    max_workers: StrictInt | None = Field(
        default=None,
        ge=1,
        le=1000,
        description="Most nodes that run at once in a pod. Default: that of Kedro.",
    )

    @model_validator(mode="after")
    def _has_workers(self) -> Self:
        if self.max_workers is not None and self.runner == "sequential":
            reason = "needs `runner: thread` or `runner: parallel`"
            raise problems_error({("max_workers",): reason})
        return self


def _for_all_pipelines(value: Any) -> Any:
    """Return a mapping: one word means all pipelines, no value means the default."""
    if value is None:
        return {}
    if isinstance(value, Mapping):
        return value
    modes = get_args(GroupingMode)
    if value not in modes:
        others = "" if isinstance(value, str) else ", or keys that are pipelines, each with one"
        raise ValueError(choice(modes, value) + others)
    return {GROUPING_DEFAULT: value}


def _store_reason(text: str) -> str | None:
    allowed = "must be a place on object storage, such as s3://bucket/folder"
    try:
        url = urlsplit(text)
    except ValueError:
        return allowed
    if url.scheme not in STORES:
        return f"{allowed}: it begins with one of {', '.join(f'{name}://' for name in STORES)}"
    if not url.hostname:
        return f"{allowed}: the bucket is missing"
    # fsspec takes these for patterns and for stores inside each other; Airflow and Kubernetes put
    # values for braces and dollar signs.
    if not text.isprintable() or any(sign in text for sign in " ?#{}$*[]") or "::" in text:
        return f"{allowed}: without spaces, `?`, `*`, `#`, `$`, `::`, brackets and braces"
    if {".", ".."}.intersection(url.path.split("/")):
        return f"{allowed}: without `.` and `..` as folders"
    # abfs://container@account.dfs.core.windows.net is not a user of a bucket.
    if ":" in url.netloc or ("@" in url.netloc and STORES[url.scheme] is not AZURE):
        return f"{allowed}: keys and passwords do not belong in this file"
    return None


def _checked_store(text: str) -> str:
    reason = _store_reason(text)
    if reason:
        raise ValueError(reason)
    return text.rstrip("/")


class _OrWord:
    """Adds to the JSON Schema of all groupings the one word for all pipelines."""

    def __get_pydantic_json_schema__(
        self, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        word = {"enum": list(get_args(GroupingMode)), "type": "string"}
        return {"anyOf": [word, handler(core_schema)]}


Groupings = Annotated[dict[values.Text, Grouping], BeforeValidator(_for_all_pipelines), _OrWord()]
IntermediateData = Annotated[
    str,
    AfterValidator(_checked_store),
    WithJsonSchema({"type": "string", "pattern": f"^({'|'.join(STORES)})://[^ ?#{{}}$*]+$"}),
]


def _deferrable(value: Any) -> Any:
    found = {"true": True, "false": False}.get(value, value) if isinstance(value, str) else value
    if isinstance(found, bool) or found == "default":
        return found
    raise ValueError("must be true, false or default")


Deferrable = Annotated[
    bool | str,
    BeforeValidator(_deferrable),
    WithJsonSchema({"anyOf": [{"type": "boolean"}, {"const": "default"}]}),
]


def _factor(text: str) -> str:
    number = text.removeprefix("x")
    if not re.fullmatch(r"x[0-9]{1,3}(\.[0-9]{1,3})?", text) or not 1 < float(number) <= 100:
        raise ValueError("must be a factor above 1, such as x2 or x1.5")
    return text


Factor = Annotated[
    str,
    AfterValidator(_factor),
    WithJsonSchema({"type": "string", "pattern": r"^x[0-9]{1,3}(\.[0-9]{1,3})?$"}),
]


class OnOom(Section):
    """What happens to a pod that ran out of memory."""

    memory: Factor | None = Field(
        default=None,
        description="How much more memory the next pod gets, such as x1.5. Default: x2.",
    )
    up_to: values.Size | None = Field(
        default=None, description="Most memory of a pod, such as 64Gi."
    )

    @model_validator(mode="after")
    def _has_an_end(self) -> Self:
        if self.memory is not None and self.up_to is None:
            raise problems_error({("up_to",): "is missing: the most memory of a pod, such as 64Gi"})
        return self

    @property
    def factor(self) -> Decimal:
        """How many times as much memory the next pod gets."""
        return Decimal((self.memory or "x2")[1:])


class TaskConfig(Section):
    """How Airflow runs tasks."""

    also_named: ClassVar[Mapping[str, str]] = {"startup_timeout": "startup_time"}

    startup_time: StrictInt = Field(
        default=600,
        gt=0,
        validation_alias=AliasChoices("startup_time", "startup_timeout"),
        description="Longest time in seconds until a pod starts, after which its task fails.",
    )
    schedule_timeout: values.Duration | None = Field(
        default=None,
        description="Longest time until a machine has room for the pod, such as 2h while a quota is"
        " used up. Default: `startup_time`.",
    )
    retries: StrictInt | None = Field(
        default=None,
        ge=0,
        le=1000,
        description="How often a failed task is repeated. Default: `default_task_retries` of"
        " Airflow.",
    )
    on_oom: OnOom = Field(
        default=OnOom.model_construct(),
        description="Run a pod that ran out of memory again with more, as request and limit, in the"
        " same attempt of the task: `{memory: x2, up_to: 64Gi}`.",
    )
    on_eviction: StrictInt | None = Field(
        default=None,
        ge=0,
        le=100,
        description="How often a pod that was evicted or preempted, or whose machine was drained,"
        " is repeated in the same attempt of the task. Default: 0.",
    )
    retry_delay: values.Delay | None = Field(
        default=None,
        description="Time before a repetition, such as 5m. Default: that of Airflow.",
    )
    retry_exponential_backoff: StrictBool = Field(
        default=False, description="Double the time before each further repetition."
    )
    max_retry_delay: values.Duration | None = Field(
        default=None, description="Longest time before a repetition. Default: no limit."
    )
    execution_timeout: values.Duration | None = Field(
        default=None,
        description="Longest time of one attempt of a task, after which it fails and its pod is"
        " deleted. Default: that of Airflow.",
    )
    pool: values.Text | None = Field(
        default=None,
        description="Airflow pool of the tasks, which limits how many run at once. Default:"
        " `default_pool`.",
    )
    pool_slots: StrictInt | None = Field(
        default=None, ge=1, description="Slots of the pool that a task takes. Default: 1."
    )
    priority_weight: StrictInt | None = Field(
        default=None,
        ge=-(2**31),
        le=2**31 - 1,
        description="Tasks with a larger weight start first. Default: 1.",
    )
    weight_rule: Literal["downstream", "upstream", "absolute"] | None = Field(
        default=None,
        description="What counts as the weight of a task: its own weight alone (`absolute`), or"
        " with those of the tasks after or before it. Default: `downstream`.",
    )
    queue: values.Text | None = Field(
        default=None, description="Queue of Celery workers. Default: that of Airflow."
    )
    executor: values.Text | None = Field(
        default=None,
        description="Executor of the tasks, if Airflow has several. Default: its first one.",
    )
    max_active_tis_per_dag: StrictInt | None = Field(
        default=None,
        ge=1,
        description="How many instances of a task may run at once over all runs. Default: no"
        " limit.",
    )
    deferrable: Deferrable = Field(
        default=False,
        description="true: after ten seconds, Airflow's triggerer waits for the pod, and the task"
        " takes no worker slot. `default`: `default_deferrable` of Airflow decides.",
    )
    poll_interval: values.Duration | None = Field(
        default=None,
        description="With `deferrable`: time between two looks at the pod, at least 10 seconds,"
        " which is the default.",
    )
    on_finish_action: (
        Literal["delete_pod", "delete_succeeded_pod", "keep_pod", "delete_active_pod"] | None
    ) = Field(
        default=None,
        description="What happens to the pod at the end of the task. Default: `delete_pod`.",
    )
    keep_failed_pods: StrictBool = Field(
        default=False,
        description="Keep the pod of a failed task, to look at it: the same as `on_finish_action:"
        " delete_succeeded_pod`.",
    )
    trigger_rule: Literal["all_success", "none_failed", "none_failed_min_one_success"] | None = (
        Field(
            default=None,
            description="When a task of nodes starts: one of the rules that never run a node after"
            " a failed one. Default: `all_success`.",
        )
    )

    @model_validator(mode="after")
    def _one_end_of_pods(self) -> Self:
        action = self.on_finish_action
        if self.keep_failed_pods and action not in (None, "delete_succeeded_pod"):
            reason = f"contradicts `on_finish_action: {action}`: remove one of them"
            raise problems_error({("keep_failed_pods",): reason})
        return self
