"""What can be known of a run before the deploy: checks of pipelines, their plans and configuration.

A check is a function of a `Subject` that yields findings. It reads nothing but what is installed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from kedro_airflow_k8s.checks.collisions import same_file, told_apart_by_hash
from kedro_airflow_k8s.checks.config_variables import config_variables
from kedro_airflow_k8s.checks.dataset_types import types_not_installed
from kedro_airflow_k8s.checks.findings import Finding
from kedro_airflow_k8s.checks.handed_on import hooks_disabled, lost_data
from kedro_airflow_k8s.checks.inputs import (
    memory_inputs,
    unknown_credentials,
    unknown_datasets,
    unknown_parameters,
)
from kedro_airflow_k8s.checks.local_paths import empty_volume, laptop_path, outside_volume
from kedro_airflow_k8s.checks.machines import read_write_once_pod, split_claim
from kedro_airflow_k8s.checks.mlflow import MLFLOW_CHECKS
from kedro_airflow_k8s.checks.settings import check_settings, unknown_pipelines
from kedro_airflow_k8s.checks.subject import Subject
from kedro_airflow_k8s.checks.tags import unknown_resources, unknown_tags
from kedro_airflow_k8s.checks.volume_of_run import not_kept, other_run

__all__ = [
    "Subject",
    "check_pipeline",
    "check_settings",
    "config_variables",
    "unknown_pipelines",
    "unknown_resources",
]

CHECKS: tuple[Callable[[Subject], Iterator[Finding]], ...] = (
    lost_data,
    hooks_disabled,
    memory_inputs,
    unknown_datasets,
    unknown_parameters,
    unknown_credentials,
    types_not_installed,
    outside_volume,
    empty_volume,
    not_kept,
    other_run,
    laptop_path,
    split_claim,
    read_write_once_pod,
    unknown_tags,
    told_apart_by_hash,
    same_file,
    *MLFLOW_CHECKS,
)


def check_pipeline(subject: Subject) -> list[Finding]:
    """All findings about one pipeline and its DAG."""
    return [finding for check in CHECKS for finding in check(subject)]
