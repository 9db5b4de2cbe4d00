"""A small Kubernetes API on loopback, for the sandbox: each pod is a process of this machine."""

from kedro_airflow_k8s.sandbox.cluster.cluster import (
    ClaimRecord,
    ClusterContent,
    EventRecord,
    LocalCluster,
    PodRecord,
)
from kedro_airflow_k8s.sandbox.cluster.files import PodImage

__all__ = [
    "ClaimRecord",
    "ClusterContent",
    "EventRecord",
    "LocalCluster",
    "PodImage",
    "PodRecord",
]
