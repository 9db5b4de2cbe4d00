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

from kedro_airflow_k8s.dag.operators.kedro_pod import KedroPodOperator
from kedro_airflow_k8s.dag.operators.run_resources import CreateRunResources

# What is said of a pod that is missing: another task may be making it again.
GONE, BEING_DELETED = "is gone.", "is being deleted."
ENDED = "The task was ended while it made the cluster."


class CreateCluster(CreateRunResources):
    """Creates a cluster for some nodes of the run, or finds it, and waits until it answers.

    It answers when the object of a kind has a condition or a field, or a port is open, as ready
    says, or else when its pods are ready. timeout is in seconds. variables are those of the nodes'
    pods whose values have fields of the cluster's objects.
    """

    template_fields: Sequence[str] = (*CreateRunResources.template_fields, "ready", "variables")
    killed = False
    uid: str | None = None

    def __init__(
        self,
        *,
        timeout: int,
        ready: dict[str, str] | None = None,
        page: int = 0,
        variables: dict[str, str] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.timeout_seconds, self.page = timeout, page
        self.ready, self.variables = ready or {}, variables or {}

    def execute(self, context: Any) -> Any:
        """Create the cluster, unless this is a run of other tasks only. Return its versions."""
        chosen = (context["dag_run"].conf or {}).get("kedro_tasks", self.downstream_task_ids)
        if self.downstream_task_ids.isdisjoint(chosen):
            self.log.info("No cluster is made: this run has only tasks that do not use it.")
            return None
        super().execute(context)
        return self.versions()

    def versions(self) -> str | None:
        """Return what the log of the first pod says about its versions, as JSON."""
        with suppress(Exception):  # The cluster answers nevertheless.
            found = re.search(r"(?m)^Versions: (\{.*\})$", self.log_of(self.pods()[0]))
            return found and found[1]
        return None

    def pods(self) -> list[dict[str, Any]]:
        """Return the pods among the objects. Nodes talk to the first one."""
        return [manifest for manifest in self.manifests if manifest["kind"] == "Pod"]

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

    def on_kill(self) -> None:
        """Delete the cluster. Airflow 3 kills the process a few seconds after this call."""
        self.killed = True
        self.undo(self.manifests)

    def create(self, manifest: dict[str, Any], made: list[dict[str, Any]]) -> None:
        """Create an object, unless the task is to end."""
        if self.killed:
            raise AirflowException(ENDED)
        super().create(manifest, made)

    def revive(self) -> None:
        """Make the cluster again if it is gone, or the pods of it that have ended.

        Another task of its nodes may do the same at this moment.
        """
        end = time.monotonic() + self.timeout_seconds
        while True:
            self.delete_ended()
            for manifest in self.manifests:
                self.create(manifest, [])
            try:
                self.wait_until_ready()
            except AirflowException as error:
                if not str(error).endswith((GONE, BEING_DELETED)) or time.monotonic() > end:
                    raise
            else:
                break
        for pod in self.pods()[:1]:
            self.uid = self.find(pod).get("metadata", {}).get("uid")

    def delete_ended(self) -> None:
        """Delete the pods that have ended; all if the first one has, whose address is gone."""
        seen = [(pod, self.find(pod)) for pod in self.pods()]
        every = any(self.end_of(found) for _, found in seen[:1])
        for pod, found in seen:
            if found and (every or self.end_of(found)):
                name, uid = pod["metadata"]["name"], found["metadata"]["uid"]
                # Another task may have deleted it, or made another of this name.
                with suppress(AirflowException):
                    self.call("delete", pod, name=name, body={"preconditions": {"uid": uid}})

    def wait_until_ready(self) -> None:
        """Wait until the cluster answers, or one of its pods ends."""
        began = time.monotonic()
        while True:
            try:
                problem = self.problem()
                end = self.end(self.pods()) if problem else ""
            except Exception as error:  # Kubernetes may be away for a moment.
                problem, end = str(error), ""
            if not problem:
                break
            if not end and time.monotonic() - began > self.timeout_seconds:
                end = f"NotReady: after {self.timeout_seconds} s, {problem}"
            if self.killed or end:
                self.show_logs()
                raise AirflowException(end or ENDED)
            time.sleep(2)
        self.log.info("The cluster answers after %.0f s.", time.monotonic() - began)
        for pod in self.pods()[:1] if self.page else ():
            name = f"-n {self.namespace} pod/{pod['metadata']['name']} {self.page}"
            address = f"http://localhost:{self.page}"
            self.log.info("Its web page: kubectl port-forward %s, then %s", name, address)

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

    def end(self, pods: Sequence[dict[str, Any]]) -> str:
        """Return which of some pods has ended and why; empty if none has."""
        for manifest in pods:
            if end := self.end_of(self.find(manifest)):
                return f"ClusterLost: {self.shown(manifest)} {end}"
        return ""

    def lost(self) -> str:
        """Return why nodes cannot go on: the first pod has ended or is another, or all others."""
        first, others = self.pods()[:1], self.pods()[1:]
        for pod in first:
            found = self.find(pod)
            if found and self.uid not in (None, found["metadata"]["uid"]):
                return f"ClusterLost: {self.shown(pod)} {GONE}"
        if end := self.end(first):
            return end
        ends = [self.end([pod]) for pod in others]
        return ends[0] if ends and all(ends) else ""

    def end_of(self, found: dict[str, Any]) -> str:
        """Return how a pod has ended; empty if it has not."""
        if not found:
            return GONE
        status = found["status"]
        if found["metadata"].get("deletionTimestamp"):
            return BEING_DELETED
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
        for pod in self.pods():
            with suppress(Exception):  # What went wrong is said in any case.
                text = self.log_of(pod, tail_lines=30)
                self.log.error("The log of %s ends with:\n%s", self.shown(pod), text)

    def log_of(self, manifest: dict[str, Any], **options: Any) -> str:
        """Return the log of a pod."""
        read = CoreV1Api(self.client).read_namespaced_pod_log
        # Some versions of the client return the text of a `bytes` object.
        options["_preload_content"] = False
        text: str = read(manifest["metadata"]["name"], self.namespace, **options).data.decode()
        return text

    def values(self) -> dict[str, str]:
        """Return the variables with the fields of the cluster's objects."""
        return {name: self.value_of(text) for name, text in self.variables.items()}

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
        return re.sub(rf"(?<!\$)\$\((?P<kind>{kinds})\.(?P<path>\w+(\.\w+)*)\)", field, text)

    def field_of(self, found: Any, path: str) -> Any:
        """Return a field of an object by its path, or None."""
        for key in path.split("."):
            found = found.get(key) if isinstance(found, dict) else None
        return found


class ClusterPodOperator(KedroPodOperator):
    """Runs nodes in a pod, some of them with a cluster of the run."""

    clusters: Sequence[str] = ()
    """The names of the clusters. With an argument for it, DAGs would import slower."""
    used: Sequence[Any] = ()
    loss = ""
    over: Any = None
    seen: Any = None
    look_seconds = 10

    def build_pod_request_obj(self, context: Any = None, **options: Any) -> Any:
        """Return the pod when its clusters answer. Those that are gone are made again."""
        self.used, self.loss, self.over = self.found(context), "", threading.Event()
        versions: list[Any] = []
        values: dict[str, str] = {}
        for cluster in self.used:
            cluster.revive()
            versions.append(context["ti"].xcom_pull(task_ids=cluster.task_id))
            values |= cluster.values()
        values["KEDRO_AIRFLOW_K8S_CLUSTER_VERSIONS"] = f"[{', '.join(filter(None, versions))}]"
        variables: Any = self.env_vars
        kept = [variable for variable in variables if variable.name not in values]
        self.env_vars = [*kept, *(k8s.V1EnvVar(name=n, value=text) for n, text in values.items())]
        threading.Thread(target=self.watch, args=(self.over,), daemon=True).start()
        return super().build_pod_request_obj(context, **options)

    def watch(self, over: threading.Event) -> None:
        """Delete the pod when the first pod of a cluster ends: clients of engines wait for it."""
        while not over.wait(self.look_seconds):
            # What cannot be asked now is asked again.
            with suppress(Exception):
                self.loss = self.loss or next(filter(None, (c.lost() for c in self.used)), "")
                if self.loss and self.pod:
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
        if self.over:
            self.over.set()
        super().cleanup(pod, remote_pod, *args, **kwargs)

    def cause(self, pod: Any, error: Any) -> str:
        """Return why a pod failed: if a cluster was lost, that comes first."""
        cause = super().cause(pod, error)
        try:
            used = self.used or (self.found(self.seen) if self.seen else ())
            self.loss = self.loss or next(filter(None, (each.lost() for each in used)), "")
        except Exception as problem:  # whatever it is, the pod has to be deleted
            self.log.warning("The clusters of the task cannot be looked at: %s", problem)
        return f"{self.loss} The pod of the task: {cause}" if self.loss else cause
