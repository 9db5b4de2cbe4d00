"""A small Kubernetes API on loopback, for the sandbox: each pod is a process of this machine."""

from kedro_airflow_k8s.sandbox.cluster.files import PodImage
from kedro_airflow_k8s.sandbox.cluster.local import (
    ClaimRecord,
    EventRecord,
    Existing,
    LocalCluster,
    PodRecord,
)
from kedro_airflow_k8s.sandbox.cluster.reports import NOTICE

__all__ = [
    "NOTICE",
    "ClaimRecord",
    "EventRecord",
    "Existing",
    "LocalCluster",
    "PodImage",
    "PodRecord",
]
