"""Run resources: Kubernetes objects of a DAG run, created by a first task, deleted by a last."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from airflow.providers.cncf.kubernetes.hooks.kubernetes import KubernetesHook
from airflow.providers.common.compat.sdk import AirflowException, BaseOperator
from kubernetes.client import CoreV1Api, CustomObjectsApi
from kubernetes.client.exceptions import ApiException


class CreateRunResources(BaseOperator):
    """Creates the Kubernetes objects of a DAG run; existing objects of the run are reused."""

    template_fields: Sequence[str] = ("manifests", "namespace")
    timeout_seconds = 120

    def __init__(
        self,
        *,
        manifests: list[dict[str, Any]],
        namespace: str | None = None,
        kubernetes_conn_id: str | None = "kubernetes_default",
        **kwargs: Any,
    ) -> None:
        super().__init__(**{"retries": 2, "retry_delay": timedelta(seconds=10), **kwargs})
        self.manifests = manifests
        self.namespace = namespace
        self.kubernetes_conn_id = kubernetes_conn_id

    def execute(self, context: Any) -> None:
        """Create or delete the objects."""
        self.connect(context)
        self.act()

    def connect(self, context: Any) -> None:
        """Choose the cluster and namespace as KubernetesPodOperator does."""
        hook = KubernetesHook(conn_id=self.kubernetes_conn_id)
        mounted = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
        in_cluster = mounted.read_text().strip() if mounted.exists() else "default"
        self.namespace = self.namespace or hook.get_namespace() or in_cluster
        self.client = hook.get_conn()
        run, key = context["dag_run"], "kedro-airflow-k8s/"
        self.marks = {f"{key}dag-id": run.dag_id, f"{key}run-id": run.run_id}

    def act(self) -> None:
        """Create the objects in order. After a failure, delete those that this attempt created."""
        made: list[dict[str, Any]] = []
        try:
            for manifest in self.manifests:
                self.create(manifest, made)
        except BaseException:
            self.undo(made)
            raise

    def undo(self, made: list[dict[str, Any]]) -> None:
        """Delete what a setup that fails has created: Airflow runs no teardown after it."""
        for manifest in reversed(made):
            try:
                self.delete(manifest)
            except Exception as error:
                self.log.warning("%s may still exist: %s", self.shown(manifest), error)

    def create(self, manifest: dict[str, Any], made: list[dict[str, Any]]) -> None:
        """Create an object, unless it exists, after one of this name that is being deleted."""
        end = time.monotonic() + self.timeout_seconds
        while (found := self.find(manifest)) and found["metadata"].get("deletionTimestamp"):
            if time.monotonic() > end:
                problem = f"is still being deleted after {self.timeout_seconds} s. See its events,"
                raise AirflowException(f"{self.shown(manifest)} {problem} then clear this task.")
            time.sleep(2)
        if not found:
            made.append(manifest)
            annotations = {**manifest["metadata"].get("annotations", {}), **self.marks}
            metadata = {**manifest["metadata"], "annotations": annotations}
            try:
                self.call("create", manifest, body={**manifest, "metadata": metadata})
            except AirflowException:
                # The object may exist nevertheless: the answer was lost, or an attempt before.
                if not self.find(manifest):
                    raise
        self.log.info("%s: %s.", self.shown(manifest), "exists" if found else "created")

    def delete(self, manifest: dict[str, Any]) -> None:
        """Delete an object of this run, if it exists."""
        deleted = self.find(manifest) and self.call("delete", manifest)
        self.log.info("%s: %s.", self.shown(manifest), "deleted" if deleted else "already gone")

    def find(self, manifest: dict[str, Any]) -> dict[str, Any]:
        """Get an object, empty if there is none. Fail if it belongs to another run."""
        found = self.call("get", manifest)
        if found and not self.marks.items() <= found["metadata"].get("annotations", {}).items():
            problem = "does not belong to this DAG run. Delete it, then clear this task."
            raise AirflowException(f"{self.shown(manifest)} {problem}")
        return found

    def call(self, verb: str, manifest: dict[str, Any], **given: Any) -> dict[str, Any]:
        """Get, create or delete an object. Return an empty result if it does not exist."""
        group, _, version = manifest["apiVersion"].rpartition("/")
        kind, api = manifest["kind"], CustomObjectsApi if group else CoreV1Api
        what = given or {"name": manifest["metadata"]["name"]}
        what |= {"propagation_policy": "Background"} if verb == "delete" else {}
        if group:
            what |= {"group": group, "version": version, "plural": f"{kind.lower()}s"}
        words = "custom_object" if group else re.sub(r"\B(?=[A-Z])", "_", kind).lower()
        method = f"{verb if group else verb.replace('get', 'read')}_namespaced_{words}"
        try:
            found = getattr(api(self.client), method)(namespace=self.namespace, **what)
        except ApiException as error:
            if error.status == 404 and "body" not in given:
                return {}
            reason = f"{error.status} {error.reason} {error.body or ''}"
            raise AirflowException(f"Cannot {verb} {self.shown(manifest)}: {reason}") from error
        return dict(self.client.sanitize_for_serialization(found))

    def shown(self, manifest: dict[str, Any]) -> str:
        """Return the name of an object for a message."""
        return f"{manifest['kind']} {manifest['metadata']['name']} in namespace {self.namespace}"


class DeleteRunResources(CreateRunResources):
    """Deletes the Kubernetes objects of a DAG run; an object that is gone is not an error."""

    def act(self) -> None:
        """Delete the objects, the last one first."""
        for manifest in reversed(self.manifests):
            self.delete(manifest)
