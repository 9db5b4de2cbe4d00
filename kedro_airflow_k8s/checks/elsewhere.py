"""Checks of data that is in another place than the catalog makes believe."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from kedro_airflow_k8s.checks.findings import JSON_HAS_ALL, Finding
from kedro_airflow_k8s.checks.subject import Subject
from kedro_airflow_k8s.config.wording import first_of, listed
from kedro_airflow_k8s.project.files import local_path
from kedro_airflow_k8s.project.parameters import has_stand_in

# The second is its name before kedro-mlflow 0.12.
_MLFLOW_MODEL = re.compile(r"kedro_mlflow\.(?:\w+\.)+MlflowModel(?:Tracking|Logger)Data[sS]et")
_INCREMENTAL = re.compile(r"(?:kedro_datasets\.)?partitions\.(?:\w+\.)?IncrementalDataset")


def mlflow_models(subject: Subject) -> Iterator[Finding]:
    """Find models that only the process that has logged them can load from MLflow."""
    for dataset, (output, maker) in subject.made.items():
        entry = subject.catalog.get(output)
        readers = subject.readers_elsewhere(dataset)
        if entry is None or not readers or not _MLFLOW_MODEL.fullmatch(entry.type):
            continue
        config = subject.config_of(output) or {}
        # `run_id` and `artifact_path` are keys of older versions, which look in the MLflow run.
        if _section(config, "load_args").get("model_uri") or config.get("run_id"):
            continue
        yield Finding(
            code="lost-data",
            severity="warning" if "artifact_path" in config else "error",
            where=f"dataset {output!r}",
            problem=f"Node {maker!r} logs the model to MLflow, and {listed(readers)} reads it in"
            f" another pod. {entry.type} without a model_uri only remembers what its own process"
            " has logged.",
            consequence="The model is in MLflow, but the other task cannot find it, and fails.",
            fix="Let the nodes share a task (run_config.grouping, or a tag airflow-k8s.group.x), or"
            " remove the entry and log the model in addition to passing it on.",
        )


def lost_checkpoints(subject: Subject) -> Iterator[Finding]:
    """Find incremental datasets whose checkpoint ends with the pod or the run."""
    for name, entry in subject.catalog.items():
        if not _INCREMENTAL.fullmatch(entry.type):
            continue
        config = subject.config_of(name) or {}
        checkpoint = config.get("checkpoint")
        own = checkpoint.get("filepath") if isinstance(checkpoint, Mapping) else None
        place = local_path(str(own)) if own else local_path(entry.path)
        if place is not None:
            yield Finding(
                code="lost-checkpoint",
                severity="warning",
                where=f"dataset {name!r}",
                problem=f"Its checkpoint is at {place}, on the disk of a pod or on the volume of"
                " the run.",
                consequence="The checkpoint is deleted with it, and each run processes all"
                " partitions again.",
                fix="Store the checkpoint on object storage (checkpoint.filepath).",
            )


def versions_of_other_runs(subject: Subject) -> Iterator[Finding]:
    """Find versioned data that tasks pass on over shared storage, in runs without records of it."""
    recorded = subject.plan.storage.intermediate_data is not None
    if recorded or subject.plan.schedule.max_active_runs == 1:
        return
    shared = []
    for dataset, (output, _) in subject.made.items():
        entry = subject.catalog.get(output)
        if entry is None or not subject.readers_elsewhere(dataset) or not entry.path:
            continue
        config = subject.config_of(output) or {}
        of_all_runs = local_path(entry.path) is None and not has_stand_in(entry.path)
        if config.get("versioned") is True and of_all_runs:
            shared.append(output)
    if shared:
        them, kind = ("it", "dataset") if len(shared) == 1 else ("them", "datasets")
        yield Finding(
            code="other-version",
            severity="warning",
            where=f"{kind} {first_of(shared, JSON_HAS_ALL)}",
            problem=f"Tasks pass {them} on as versions on storage that all runs share. This DAG has"
            " no place where a run can record which version it has saved, so a task loads the"
            " latest.",
            consequence="If two runs overlap, a task may load what the other run has saved.",
            fix="Remove run_config.volume.disabled or set run_config.intermediate_data: each task"
            " then loads the version that its own run has saved. Or let the nodes share a task, or"
            " set run_config.max_active_runs: 1.",
            names=tuple(shared),
        )


def _section(config: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found = config.get(key)
    return found if isinstance(found, Mapping) else {}
