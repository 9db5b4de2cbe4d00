"""The clusters of a run, such as one of Spark, and the pods of the nodes that use them."""

from __future__ import annotations

import re
import socket
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from airflow.providers.common.compat.sdk import AirflowException
from kubernetes.client import CoreV1Api
from kubernetes.client import models as k8s
from kubernetes.client.exceptions import ApiException

from kedro_airflow_k8s.dag.operators.kedro_pod import KedroPodOperator
from kedro_airflow_k8s.dag.operators.run_resources import CreateRunResources


class CreateCluster(CreateRunResources):
    """Creates a cluster for some nodes of the run, or finds it, and waits until it answers.

    It answers when the object of a kind has a condition or a field, or a port is open, as ready
    says, or else when its pods are ready. timeout is in seconds.
    """

    template_fields: Sequence[str] = (*CreateRunResources.template_fields, "ready")

    def __init__(
        self, *, timeout: int, ready: dict[str, str] | None = None, page: int = 0, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.timeout_seconds, self.ready, self.page = timeout, ready or {}, page

    def execute(self, context: Any) -> Any:
        """Create the cluster, unless this is a run of other tasks only."""
        chosen = (context["dag_run"].conf or {}).get("kedro_tasks", self.downstream_task_ids)
        if self.downstream_task_ids.isdisjoint(chosen):
            self.log.info("No cluster is made: this run has only tasks that do not use it.")
            return None
        super().execute(context)
        return self.versions()

    def versions(self) -> str | None:
        """Return what the log of the first pod says about its versions, as JSON."""
        for manifest in self.manifests:
            if manifest["kind"] == "Pod":
                with suppress(ApiException):
                    found = re.search(r"(?m)^Versions: (\{.*\})$", self.log_of(manifest))
                    return found and found[1]
        return None

    def find_for(self, context: Any) -> None:
        """Find the cluster for a task of its nodes, without changing it."""
        self.render_template_fields(context)
        self.connect(context)

    def act(self) -> None:
        """Create the cluster. Delete it if it does not answer."""
        super().act()
        try:
            self.wait_until_ready()
        except BaseException:
            self.undo(self.manifests)
            raise

    def revive(self) -> None:
        """Make the cluster again if it is gone, or the pods of it that have ended."""
        pods = [manifest for manifest in self.manifests if manifest["kind"] == "Pod"]
        ended = [pod for pod in pods if self.end_of(self.find(pod))]
        # The others look for the first pod at its old address.
        for pod in pods if pods[:1] == ended[:1] else ended:
            self.delete(pod)
        super().act()
        self.wait_until_ready()

    def wait_until_ready(self) -> None:
        """Wait until the cluster answers, or one of its pods ends."""
        began = time.monotonic()
        while problem := self.problem():
            if time.monotonic() - began > self.timeout_seconds:
                self.show_logs()
                raise AirflowException(f"NotReady: after {self.timeout_seconds} s, {problem}")
            if end := self.end():
                self.show_logs()
                raise AirflowException(end)
            time.sleep(2)
        self.log.info("The cluster answers after %.0f s.", time.monotonic() - began)
        pod = next((m["metadata"]["name"] for m in self.manifests if m["kind"] == "Pod"), "")
        if self.page and pod:
            forward = f"kubectl port-forward -n {self.namespace} pod/{pod} {self.page}"
            self.log.info("Its web page: %s, then http://localhost:%s", forward, self.page)

    def problem(self) -> str:
        """Return what the cluster still lacks; empty if it answers."""
        if port := self.ready.get("port"):
            host, _, number = port.rpartition(":")
            # A worker of Airflow can be in another namespace.
            host += "" if "." in host else f".{self.namespace}"
            try:
                socket.create_connection((host, int(number)), timeout=5).close()
            except OSError as error:
                return f"{port} does not answer: {error}"
            return ""
        kind = self.ready.get("kind", self.manifests[0]["kind"]) if self.ready else "Pod"
        looked_at = [manifest for manifest in self.manifests if manifest["kind"] == kind]
        for manifest in looked_at[:1] if self.ready else looked_at:
            found = self.find(manifest)
            path, _, value = self.ready.get("field", "").partition("=")
            wanted = self.ready.get("condition", "Ready")
            conditions = found.get("status", {}).get("conditions") or []
            states = {each["type"]: each for each in conditions}
            if path and str(self.field_of(found, path)) != value:
                return f"{self.shown(manifest)} has {path}={self.field_of(found, path)}"
            if not path and states.get(wanted, {}).get("status") != "True":
                why = self.waits_for(found) or states.get(wanted, {}).get("message") or ""
                return f"{self.shown(manifest)} is not {wanted}. {why}".strip()
        return ""

    def waits_for(self, found: dict[str, Any]) -> str:
        """Return why the containers of a pod have not started."""
        status = found.get("status", {})
        states = [each.get("state", {}) for each in status.get("containerStatuses") or []]
        waiting = [each["waiting"] for each in states if "waiting" in each]
        waiting += [c for c in status.get("conditions") or [] if c["type"] == "PodScheduled"]
        return next((f"{w.get('reason')}: {w['message']}" for w in waiting if w.get("message")), "")

    def end(self, first: int | None = None) -> str:
        """Return which pod, of all or the first ones, has ended and why; empty if none has."""
        pods = [manifest for manifest in self.manifests if manifest["kind"] == "Pod"]
        for manifest in pods[:first]:
            if end := self.end_of(self.find(manifest)):
                return f"ClusterLost: {self.shown(manifest)} {end}"
        return ""

    def end_of(self, found: dict[str, Any]) -> str:
        """Return how a pod has ended; empty if it has not."""
        if not found:
            return "is gone."
        status = found["status"]
        if found["metadata"].get("deletionTimestamp"):
            return "is being deleted."
        if status.get("phase") not in ("Failed", "Succeeded"):
            return ""
        states = [each.get("state", {}) for each in status.get("containerStatuses") or []]
        ends = [each["terminated"] for each in states if "terminated" in each]
        ends = [status, *ends] if status.get("reason") else ends
        said: dict[str, Any] = next((each for each in ends if each.get("reason")), {})
        last = (said.get("message") or "").strip().split("\n")[-1]
        return f"has ended: {said.get('reason', status['phase'])}. {last}".strip()

    def show_logs(self) -> None:
        """Write the last lines of each pod to the log: the pods are deleted with the cluster."""
        for manifest in self.manifests:
            if manifest["kind"] != "Pod":
                continue
            with suppress(ApiException):
                text = self.log_of(manifest, tail_lines=30)
                self.log.error("The log of %s ends with:\n%s", self.shown(manifest), text)

    def log_of(self, manifest: dict[str, Any], **options: Any) -> str:
        """Return the log of a pod."""
        read = CoreV1Api(self.client).read_namespaced_pod_log
        return str(read(manifest["metadata"]["name"], self.namespace, **options))

    def value_of(self, text: str) -> str:
        """Return a text with the fields of the cluster's objects for references to them."""

        def field(reference: re.Match[str]) -> str:
            manifest = next(m for m in self.manifests if m["kind"] == reference["kind"])
            value = self.field_of(self.find(manifest), reference["path"])
            if value is None:
                problem = f"has no field {reference['path']}, which the nodes' pods get."
                raise AirflowException(f"{self.shown(manifest)} {problem}")
            return str(value).replace("$", "$$")

        kinds = "|".join(re.escape(manifest["kind"]) for manifest in self.manifests)
        return re.sub(rf"\$\((?P<kind>{kinds})\.(?P<path>\w+(\.\w+)*)\)", field, text)

    def field_of(self, found: Any, path: str) -> Any:
        """Return a field of an object by its path, or None."""
        for key in path.split("."):
            found = found.get(key) if isinstance(found, dict) else None
        return found


class ClusterPodOperator(KedroPodOperator):
    """Runs nodes in a pod, some of them with a cluster of the run."""

    clusters: Sequence[str] = ()
    """The names of the clusters. With an argument for it, DAGs would import slower."""
    seen: Any = None
    look_seconds = 10

    def execute(self, context: Any) -> Any:
        """Run the pod when the clusters answer. Those that are gone are made again."""
        chosen = (context["dag_run"].conf or {}).get("kedro_tasks", [self.task_id])
        clusters = self.found(context) if self.task_id in chosen else []
        variables: Any = self.env_vars
        versions = []
        for cluster in clusters:
            cluster.revive()
            versions.append(context["ti"].xcom_pull(task_ids=cluster.task_id))
            for variable in variables:
                variable.value = variable.value and cluster.value_of(variable.value)
        text = f"[{', '.join(each for each in versions if each)}]"
        name = "KEDRO_AIRFLOW_K8S_CLUSTER_VERSIONS"
        self.env_vars = [*variables, k8s.V1EnvVar(name=name, value=text)]
        over = threading.Event()
        threading.Thread(target=self.watch, args=(clusters, over), daemon=True).start()
        try:
            return super().execute(context)
        finally:
            over.set()

    def watch(self, clusters: Sequence[Any], over: threading.Event) -> None:
        """Delete the pod when the first pod of a cluster ends: clients of engines wait for it."""
        while not over.wait(self.look_seconds):
            # What cannot be asked now is asked again.
            with suppress(Exception):
                if self.pod and any(cluster.end(first=1) for cluster in clusters):
                    pod = self.pod.metadata
                    self.client.delete_namespaced_pod(pod.name, pod.namespace)
                    return

    def found(self, context: Any) -> list[Any]:
        """Return the tasks that make the clusters, to ask Kubernetes for these."""
        tasks = [self.dag.task_dict.get(f"create_cluster_{name}") for name in self.clusters]
        made: list[Any] = [task for task in tasks if task is not None]
        for task in made:
            task.find_for(context)
        return made

    def cleanup(self, pod: Any, remote_pod: Any, *args: Any, **kwargs: Any) -> None:
        """Keep the context, which says where to look for the clusters."""
        self.seen = kwargs["context"]
        super().cleanup(pod, remote_pod, *args, **kwargs)

    def cause(self, pod: Any, error: Any) -> str:
        """Return why a pod failed: if a cluster has ended, that comes first."""
        cause = super().cause(pod, error)
        if self.seen is None:
            return cause
        try:
            ends = [end for cluster in self.found(self.seen) if (end := cluster.end())]
        except Exception as problem:  # whatever it is, the pod has to be deleted
            self.log.warning("The clusters of the task cannot be looked at: %s", problem)
            return cause
        return f"{ends[0]} The pod of the task: {cause}" if ends else cause
