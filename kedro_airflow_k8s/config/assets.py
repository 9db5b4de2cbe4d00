"""Settings of assets: which datasets Airflow knows, and which pipelines wait for them."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

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
