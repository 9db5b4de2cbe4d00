"""Settings of assets: which datasets Airflow knows, and which pipelines wait for them."""

import re
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema, model_validator

from kedro_airflow_k8s.config import values
from kedro_airflow_k8s.config.section import Section


def _names_or_all(value: Any) -> Any:
    """Check `assets`: a union of types would report a mistake once for each of them."""
    if isinstance(value, str) and value.lower() in ("true", "false"):
        return value.lower() == "true"
    if isinstance(value, bool):
        return value
    if not isinstance(value, list | tuple) or not all(isinstance(n, str) and n for n in value):
        raise ValueError("must be true, false, or a list of names of datasets")
    if len(set(value)) < len(value):
        raise ValueError("must not have duplicates")
    return tuple(value)


Assets = Annotated[
    bool | tuple[str, ...],
    BeforeValidator(_names_or_all),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "boolean"},
                {
                    "type": "array",
                    "items": {"type": "string", "minLength": 1},
                    "uniqueItems": True,
                },
            ]
        }
    ),
]


def _times_only(cron: str) -> str:
    if cron in ("@once", "@continuous"):
        raise ValueError(f"must be times: {cron} cannot be combined with assets")
    return cron


class ScheduleConfig(Section):
    """Data that a pipeline waits for."""

    assets: Annotated[tuple[values.Text, ...], values.Distinct] = Field(
        min_length=1,
        json_schema_extra={"uniqueItems": True},
        description="What the pipeline waits for: names of datasets that are assets of other "
        "pipelines, or names of registered pipelines. A pipeline means those of its assets that "
        "this one reads, or all of them if it reads none.",
    )
    when: Literal["any", "all"] = Field(
        default="all",
        description="Start a run when there is new data for `all` of them, or for `any`.",
    )
    cron: Annotated[values.Cron, AfterValidator(_times_only)] | None = Field(
        default=None,
        description="Times at which a run starts as well: a cron expression of five fields or a "
        "preset of Airflow such as @daily. Default: none.",
    )


PARTITION_KEYS = {"daily": "%Y-%m-%d", "hourly": "%Y-%m-%dT%H", "cron": "%Y-%m-%dT%H:%M:%S"}
"""The format of partition keys, by what a partition is."""

_TIMES = {"daily": "@daily", "hourly": "@hourly"}
"""The schedule of a pipeline that has no other."""

_ONE_A_DAY = re.compile(r"\d+ +\d+ +.+|@(?!hourly).+")
_ONE_AN_HOUR = re.compile(r"\d+ .+|@.+")


class PartitionedConfig(Section):
    """Partitions: each run makes one part of the data, which has a key."""

    shorthand: ClassVar[str] = "by"

    by: Literal["daily", "hourly", "cron"] = Field(
        description="What a run makes: the partition of a day, of an hour, or of a moment of "
        "`cron_expression`. Keys are such as 2026-01-31, 2026-01-31T06 and 2026-01-31T06:30:00.",
    )
    param: values.Parameter = Field(
        default="partition_key",
        description="Name of the Kedro parameter with the partition key, with dots if it is "
        "nested.",
    )

    @property
    def key_format(self) -> str:
        """How partition keys are written, in the directives of strftime."""
        return PARTITION_KEYS[self.by]

    def times_reason(self, cron: str) -> str | None:
        """Return why the runs of a schedule cannot have partitions, or None if they can."""
        if cron in ("@once", "@continuous"):
            return f"needs times, which {cron} does not have"
        fits = {"daily": _ONE_A_DAY, "hourly": _ONE_AN_HOUR}.get(self.by)
        if fits is None or fits.fullmatch(" ".join(cron.split())):
            return None
        span = {"daily": "a day", "hourly": "an hour"}[self.by]
        return (
            f"is {self.by}, but {cron!r} can have several runs in {span}, which would make the same"
            " partition: write one minute"
            + (" and one hour" if self.by == "daily" else "")
            + ", or `partitioned: cron`"
        )


def _not_times(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    raise ValueError("must have the key `assets`: times alone are `cron_expression`")


class AssetsConfig(Section):
    """Settings of assets."""

    assets: Assets = Field(
        default=False,
        description="Datasets that Airflow knows as assets: `true` for all of the catalog whose "
        "data outlives a run, on object storage or in a database, or a list of names. Tasks have "
        "them as outlets and inlets. Default: none.",
    )
    schedule: Annotated[ScheduleConfig | None, BeforeValidator(_not_times)] = Field(
        default=None,
        description="Start the pipeline when other pipelines have made new data, in place of "
        "`cron_expression`.",
    )
    partitioned: PartitionedConfig | None = Field(
        default=None,
        description="Make each run one partition of the data, on Airflow 3.3 and later, or 3.2 if "
        "`timezone` is UTC: `daily`, `hourly`, or `cron` for each moment of `cron_expression`. "
        "Without `cron_expression`, the first two run at midnight and at full hours. With "
        "`schedule`, a run is for the partition that it waits for.",
    )

    @model_validator(mode="before")
    @classmethod
    def _times_of_partitions(cls, data: Any) -> Any:
        if not isinstance(data, Mapping):
            return data
        found = data.get("partitioned")
        by = found.get("by") if isinstance(found, Mapping) else found
        if not isinstance(by, str) or data.get("cron_expression") or data.get("schedule"):
            return data
        return {**data, "cron_expression": _TIMES[by]} if by in _TIMES else data
