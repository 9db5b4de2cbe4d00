"""What can be known of a run before the deploy: checks of pipelines, their plans and settings.

A check is a function of a `Subject` that yields findings. It reads only what is installed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from kedro_airflow_k8s.checks import (
    assets,
    clusters,
    data,
    dataset_keys,
    elsewhere,
    image,
    image_config,
    left_out,
    mlflow,
    parameters,
    pods,
    run_command,
    scheduling,
    storage,
    tags,
    types,
)
from kedro_airflow_k8s.checks.findings import Finding
from kedro_airflow_k8s.checks.subject import Subject

CHECKS: tuple[Callable[[Subject], Iterator[Finding]], ...] = (
    data.lost_data,
    data.hooks_disabled,
    data.memory_inputs,
    data.unknown_datasets,
    parameters.unknown_parameters,
    parameters.runtime_parameters,
    parameters.unknown_run_parameters,
    data.unknown_credentials,
    types.types_not_installed,
    types.stores_not_installed,
    dataset_keys.wrong_keys,
    left_out.unknown_datasets,
    storage.outside_volume,
    storage.empty_volume,
    storage.not_kept,
    storage.other_run,
    storage.local_input,
    storage.same_file,
    storage.overwritten,
    assets.not_assets,
    pods.other_image,
    elsewhere.mlflow_models,
    elsewhere.lost_checkpoints,
    elsewhere.versions_of_other_runs,
    scheduling.split_claim,
    scheduling.read_write_once_pod,
    scheduling.id_collisions,
    tags.unknown_tags,
    clusters.unknown_clusters,
    clusters.cluster_pods,
    clusters.cluster_images,
    clusters.cluster_packages,
    clusters.spark_context,
    clusters.spark_in_memory,
    image_config.left_out_datasets,
    image_config.left_out_parameters,
    image_config.left_out_credentials,
    image_config.left_out_mlflow,
    image.left_out_inputs,
    image.kedro_datasets,
    image.mount_path,
    mlflow.mlflow_server,
    mlflow.mlflow_experiment,
    mlflow.mlflow_settings,
    mlflow.mlflow_credentials,
    mlflow.mlflow_login,
    run_command.run_command,
    mlflow.mlflow_parameters,
)


def check_pipeline(subject: Subject) -> list[Finding]:
    """Return all findings about one pipeline and its DAG."""
    name = subject.pipeline.name
    return [replace(finding, pipeline=name) for check in CHECKS for finding in check(subject)]
