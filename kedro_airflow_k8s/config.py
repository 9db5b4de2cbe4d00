"""What the rest of the plugin needs of `airflow-k8s.yaml`: load it, warn about it, describe it.

The committed JSON Schema is written anew by
`python -m kedro_airflow_k8s.config > kedro_airflow_k8s/airflow-k8s.schema.json`.
"""

import json
import re
import sys
from difflib import get_close_matches
from typing import Any

from pydantic import ValidationError

from kedro_airflow_k8s import config_values as values
from kedro_airflow_k8s import kubernetes_rules as k8s
from kedro_airflow_k8s.config_errors import refusal, shown_path
from kedro_airflow_k8s.config_mlflow import MLFLOW_CONNECTION, server_reason
from kedro_airflow_k8s.config_model import (
    RESOURCES_DEFAULT,
    AirflowAuth,
    AirflowTls,
    ExternalDependency,
    PluginConfig,
    RunConfig,
    TriggerParam,
)
from kedro_airflow_k8s.config_pods import (
    AccessMode,
    ResourcesConfig,
    SecretConfig,
    Toleration,
    VolumeConfig,
)
from kedro_airflow_k8s.config_tasks import GROUPING_DEFAULT, GroupingMode
from kedro_airflow_k8s.config_values import FILL_PATH, UTC, cron_reason
from kedro_airflow_k8s.errors import ConfigError

__all__ = [
    "FILL_PATH",
    "GROUPING_DEFAULT",
    "MLFLOW_CONNECTION",
    "RESOURCES_DEFAULT",
    "UTC",
    "AccessMode",
    "AirflowAuth",
    "AirflowTls",
    "ExternalDependency",
    "GroupingMode",
    "PluginConfig",
    "ResourcesConfig",
    "RunConfig",
    "SecretConfig",
    "Toleration",
    "TriggerParam",
    "VolumeConfig",
    "config_warnings",
    "cron_reason",
    "json_schema",
    "load_config",
    "server_reason",
]

_IN_BYTES = ("memory", "ephemeral-storage")


def load_config(data: Any, source: str) -> PluginConfig:
    """The typed form of the merged content of the configuration files.

    Args:
        data: What the files say, as plain dicts, lists and scalars.
        source: What to call the files in a message, such as `conf/base/airflow-k8s.yaml`.

    Raises:
        ConfigError: Something in it is unknown or impossible; the message lists everything.
    """
    try:
        return PluginConfig.model_validate(data)
    except ValidationError as error:
        raise ConfigError(refusal(error, PluginConfig, data, source)) from None


def config_warnings(config: PluginConfig) -> list[str]:
    """What loads but will hardly do what its author wanted, each with its path and the reason."""
    run = config.run_config
    found = []
    if run.volume.disabled:
        idle = sorted(run.volume.model_fields_set - {"disabled"})
        found += [f"run_config.volume.{key}: has no effect, the volume is disabled" for key in idle]
    elif values.is_suspiciously_small(run.volume.size):
        found.append(_smallness("run_config.volume.size", run.volume.size))
    if run.keep_intermediate_data and run.intermediate_data is None:
        found.append(
            "run_config.keep_intermediate_data: has no effect without run_config.intermediate_data:"
            " what is on the volume of a run is deleted with it"
        )
    for name, resources in run.resources.items():
        found += _resource_warnings(name, resources)
    return found


def _resource_warnings(name: str, resources: ResourcesConfig) -> list[str]:
    at = ("run_config", "resources", name)
    found = []
    if name != RESOURCES_DEFAULT and get_close_matches(name, [RESOURCES_DEFAULT], cutoff=0.8):
        found.append(
            f"{shown_path(at)}: looks like {RESOURCES_DEFAULT}, but only that exact name serves "
            "nodes without a tag"
        )
    if not re.fullmatch(r"[\w.-]+", name):
        found.append(
            f"{shown_path(at)}: no node can choose it: Kedro's tags hold only letters, digits, "
            "`-`, `_` and `.`"
        )
    for field in ("node_selectors", "labels", "annotations"):
        for key, value in getattr(resources, field).items():
            # Kubernetes compares the keys of annotations in lower case.
            reason = k8s.label_key_reason(key.lower() if field == "annotations" else key)
            if reason:
                path = shown_path((*at, field, key))
                found.append(f"{path}: Kubernetes will refuse this key: {reason}")
            reason = k8s.label_value_reason(value) if field != "annotations" else None
            if reason:
                path = shown_path((*at, field, key))
                found.append(f"{path}: Kubernetes will refuse the value {value!r}: it {reason}")
    for field in ("requests", "limits"):
        for key, amount in getattr(resources, field).items():
            if key in _IN_BYTES and values.is_suspiciously_small(amount):
                found.append(_smallness(shown_path((*at, field, key)), amount))
    return found


def _smallness(path: str, amount: str) -> str:
    return f"{path}: {amount!r} is less than 1 MiB; a unit such as Mi or Gi may be missing"


def json_schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) by which editors complete and check `airflow-k8s.yaml`.

    It accepts whatever the model accepts, save the values under a disabled volume, and texts for
    numbers and truth values, which are for what comes from the environment.
    """
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **PluginConfig.model_json_schema(),
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(json_schema(), indent=2) + "\n")
