"""Settings of assets: which datasets Airflow knows, and which pipelines wait for them."""

from typing import Annotated, Any

from pydantic import BeforeValidator, Field, WithJsonSchema

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


class AssetsConfig(Section):
    """Settings of assets."""

    assets: Assets = Field(
        default=False,
        description="Datasets that Airflow knows as assets: `true` for all of the catalog whose "
        "data outlives a run, on object storage or in a database, or a list of names. Tasks have "
        "them as outlets and inlets. Default: none.",
    )
