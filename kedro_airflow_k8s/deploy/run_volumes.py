"""Whether the cluster still has the volume of a run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from kedro_airflow_k8s.deploy.kubernetes import Kubectl
from kedro_airflow_k8s.deploy.left_data import VOLUME, objects
from kedro_airflow_k8s.errors import ClusterError


@dataclass(frozen=True)
class RunVolumes:
    """The volumes of runs on a cluster that is asked if it can be.

    Attributes:
        kubectl: How it is reached.
        namespace: The namespace of the pods; None for that of the context.
        warn: Called with a message if a volume is missing, but perhaps the cluster is another one.
    """

    kubectl: Kubectl
    namespace: str | None
    warn: Callable[[str], object]

    def loss(self, dag_id: str, run_id: str) -> str:
        """Return why the volume of a run is gone, or nothing if it is there or unknown.

        Raises:
            ClusterError: If the user has named a context, and the cluster cannot be asked.
        """
        try:
            api, default = self.kubectl.connect()
            namespace = self.namespace or default
            if any(found.run_id == run_id for found in objects(api, VOLUME, namespace, {dag_id})):
                return ""
        except ClusterError:
            if self.kubectl.context is not None:
                raise
            return ""
        lacks = f"The cluster has no volume of run {run_id} in namespace {namespace}"
        if self.kubectl == Kubectl(None, None):
            self.warn(
                f"{lacks}. It is the cluster that kubectl uses. If it is that of the run, the data"
                " of the run is gone."
            )
            return ""
        return f"{lacks}: it was deleted."
