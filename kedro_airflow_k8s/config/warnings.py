"""Doubts about a configuration that loads."""

from __future__ import annotations

import re

from kedro_airflow_k8s.config import kubernetes as k8s
from kedro_airflow_k8s.config import values
from kedro_airflow_k8s.config.errors import shown_path
from kedro_airflow_k8s.config.model import RESOURCES_DEFAULT, PluginConfig
from kedro_airflow_k8s.config.pods import ResourcesConfig
from kedro_airflow_k8s.config.wording import Nearest

_IN_BYTES = ("memory", "ephemeral-storage")
# `default` may well be the name of an entry of its own.
_LIKE_DEFAULT = 0.8


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
    if name != RESOURCES_DEFAULT and Nearest([RESOURCES_DEFAULT], _LIKE_DEFAULT).find(name):
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
