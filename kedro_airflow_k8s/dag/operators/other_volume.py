"""The volume of another run, from which a run of a part of a DAG takes data."""

from __future__ import annotations

from typing import Any

from kubernetes.client import models as k8s


def mount_other(context: Any) -> None:
    """Mount the volume that create_volume has found, if the run takes data from another run."""
    task, claim = context["task"], context["ti"].xcom_pull(task_ids="create_volume")
    if claim:
        name, path = "kedro-airflow-k8s-other", "/mnt/kedro-other"
        source = k8s.V1PersistentVolumeClaimVolumeSource(claim_name=claim)
        task.volumes.append(k8s.V1Volume(name=name, persistent_volume_claim=source))
        task.volume_mounts.append(k8s.V1VolumeMount(name=name, mount_path=path, read_only=True))
        task.arguments.append(path)
