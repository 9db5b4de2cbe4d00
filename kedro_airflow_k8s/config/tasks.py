"""Settings of tasks: the nodes that share one, and the data that they pass on."""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal, get_args
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, WithJsonSchema

from kedro_airflow_k8s.config import values
from kedro_airflow_k8s.config.errors import choice
from kedro_airflow_k8s.pod.stores import AZURE, STORES

GROUPING_DEFAULT = "__default__"
"""The key of `grouping` for all pipelines that are not named there."""

RESOURCES_TAG = re.compile(r"resources[.:](.*)", re.DOTALL)
"""A node tagged `resources.big` gets the entry `big` of `run_config.resources`.

With Kedro 0.16 and 0.17, the tag had a colon, which Kedro 1 refuses.
"""

GroupingMode = Literal["none", "memory", "namespace", "pipeline"]


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


Grouping = Annotated[
    dict[values.Text, GroupingMode],
    BeforeValidator(_for_all_pipelines),
    WithJsonSchema(
        {
            "anyOf": [
                {"enum": list(get_args(GroupingMode)), "type": "string"},
                {
                    "type": "object",
                    "additionalProperties": {
                        "enum": list(get_args(GroupingMode)),
                        "type": "string",
                    },
                },
            ]
        }
    ),
]
IntermediateData = Annotated[
    str,
    AfterValidator(_checked_store),
    WithJsonSchema({"type": "string", "pattern": f"^({'|'.join(STORES)})://[^ ?#{{}}$*]+$"}),
]
