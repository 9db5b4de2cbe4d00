"""The PersistentVolumeClaim that one DAG run owns."""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from airflow.providers.cncf.kubernetes.hooks.kubernetes import KubernetesHook
from airflow.providers.common.compat.sdk import BaseOperator, Context
from kubernetes.client.exceptions import ApiException
from urllib3.exceptions import HTTPError


class VolumeOperator(BaseOperator):
    """What creating and deleting a volume share: where it is, and whose it is."""

    template_fields: Sequence[str] = ("volume_name", "namespace")
    annotation_keys = ("kedro-airflow-k8s/dag-id", "kedro-airflow-k8s/run-id")

    def __init__(
        self,
        *,
        volume_name: str,
        namespace: str | None = None,
        kubernetes_conn_id: str | None = "kubernetes_default",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.volume_name = volume_name
        self.namespace = namespace
        self.kubernetes_conn_id = kubernetes_conn_id

    def execute(self, context: Context) -> Any:
        """Find the cluster and the namespace as KubernetesPodOperator finds them, and act there.

        Raises:
            RuntimeError: If Kubernetes refuses, or the claim belongs to somebody else.
        """
        hook = KubernetesHook(conn_id=self.kubernetes_conn_id)
        namespace = self.namespace or hook.get_namespace() or incluster_namespace() or "default"
        run = context["dag_run"]
        annotations = dict(zip(self.annotation_keys, (run.dag_id, run.run_id), strict=True))
        try:
            return self.act(hook.core_v1_client, namespace, annotations)
        except ApiException as error:
            raise RuntimeError(
                f"Kubernetes refused work on volume {self.volume_name} in namespace {namespace}:"
                f" {error.status} {error.reason} {error.body or ''}"
            ) from error

    @abstractmethod
    def act(self, client: Any, namespace: str, run: dict[str, str]) -> Any:
        """Do the operator's work; `run` holds the annotations that say whose a claim is."""

    def find_claim(self, client: Any, namespace: str, run: dict[str, str]) -> Any | None:
        """The run's claim, or None if there is none.

        Raises:
            RuntimeError: If a claim of that name belongs to somebody else.
        """
        try:
            claim = client.read_namespaced_persistent_volume_claim(self.volume_name, namespace)
        except ApiException as error:
            if error.status == 404:
                return None
            raise
        found = claim.metadata.annotations or {}
        if any(found.get(key) != value for key, value in run.items()):
            raise RuntimeError(
                f"Volume {self.volume_name} in namespace {namespace} does not belong to this DAG"
                " run: it is left alone. Delete or rename it, then clear this task."
            )
        return claim

    def delete_claim(self, client: Any, namespace: str) -> bool:
        """Delete the claim; False if it was gone already."""
        try:
            client.delete_namespaced_persistent_volume_claim(self.volume_name, namespace)
        except ApiException as error:
            if error.status == 404:
                return False
            raise
        return True


class CreateVolumeOperator(VolumeOperator):
    """Creates the volume of a DAG run; one that this run has already is used again."""

    deletion_seconds = 120

    def __init__(
        self,
        *,
        size: str,
        access_modes: Sequence[str],
        storage_class: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.size = size
        self.access_modes = list(access_modes)
        self.storage_class = storage_class

    def act(self, client: Any, namespace: str, run: dict[str, str]) -> str:
        """Create the claim and return its name."""
        claim = self.find_claim(client, namespace, run)
        if claim is not None and claim.metadata.deletion_timestamp:
            self.wait_for_deletion(client, namespace, run)
            claim = None
        if claim is not None:
            self.log.info("Volume %s in %s exists: used again.", self.volume_name, namespace)
            return self.volume_name
        self.log.info(
            "Creating volume %s in namespace %s: %s, %s, storage class %s.",
            self.volume_name,
            namespace,
            self.size,
            "/".join(self.access_modes),
            self.storage_class or "of the cluster's default",
        )
        try:
            client.create_namespaced_persistent_volume_claim(namespace, self.claim_manifest(run))
        except ApiException as error:
            if error.status == 409 and self.find_claim(client, namespace, run) is not None:
                return self.volume_name
            self.remove_leftover(client, namespace, run)
            raise
        except BaseException:
            # The answer was lost, the claim may be there: no teardown follows a failed setup.
            self.remove_leftover(client, namespace, run)
            raise
        return self.volume_name

    def wait_for_deletion(self, client: Any, namespace: str, run: dict[str, str]) -> None:
        """Wait until a claim that is being deleted is gone.

        Raises:
            RuntimeError: If it is not gone in time.
        """
        self.log.info("Volume %s is being deleted: waiting for its end.", self.volume_name)
        deadline = time.monotonic() + self.deletion_seconds
        while self.find_claim(client, namespace, run) is not None:
            if time.monotonic() > deadline:
                raise RuntimeError(
                    f"Volume {self.volume_name} in namespace {namespace} is still being deleted"
                    f" after {self.deletion_seconds} seconds: a pod that uses it keeps it alive."
                    " Delete that pod, then clear this task."
                )
            time.sleep(2)

    def claim_manifest(self, run: dict[str, str]) -> dict[str, Any]:
        """The claim as Kubernetes wants it."""
        spec: dict[str, Any] = {
            "accessModes": self.access_modes,
            "resources": {"requests": {"storage": self.size}},
        }
        if self.storage_class is not None:
            spec["storageClassName"] = self.storage_class
        return {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": {
                "name": self.volume_name,
                "labels": {"app.kubernetes.io/managed-by": "kedro-airflow-k8s"},
                "annotations": run,
            },
            "spec": spec,
        }

    def remove_leftover(self, client: Any, namespace: str, run: dict[str, str]) -> None:
        """Delete what a failed creation may have left; what goes wrong here is only logged."""
        try:
            if self.find_claim(client, namespace, run) is not None:
                self.delete_claim(client, namespace)
        except (ApiException, HTTPError, RuntimeError) as error:
            self.log.warning("Volume %s may be left behind: %s", self.volume_name, error)


class DeleteVolumeOperator(VolumeOperator):
    """Deletes the volume of a DAG run; one that is gone already is fine."""

    def act(self, client: Any, namespace: str, run: dict[str, str]) -> None:
        """Delete the claim."""
        claim = self.find_claim(client, namespace, run)
        if claim is not None and self.delete_claim(client, namespace):
            self.log.info("Deleted volume %s in namespace %s.", self.volume_name, namespace)
        else:
            self.log.info("Volume %s in %s is gone already.", self.volume_name, namespace)


def incluster_namespace() -> str | None:
    """The namespace of the pod that Airflow runs in, or None outside a cluster."""
    try:
        return Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace").read_text().strip()
    except OSError:
        return None
