"""The operator of pods that run Kedro: a task that fails says why in one line."""

from __future__ import annotations

import json
import sys
import time
from typing import Any

from airflow.providers.cncf.kubernetes.operators.pod import KubernetesPodOperator
from airflow.providers.common.compat.sdk import AirflowException, AirflowFailException
from kubernetes.client import VersionApi
from kubernetes.client.exceptions import ApiException


class KedroPodOperator(KubernetesPodOperator):
    """Runs Kedro in a pod. The error of a task that fails is the cause in one line."""

    def execute(self, context: Any) -> Any:
        """Run the pod. In a run of other tasks only, which its conf names, succeed without one."""
        chosen = (context["dag_run"].conf or {}).get("kedro_tasks", [self.task_id])
        if self.task_id in chosen or self.is_setup or self.is_teardown:
            return super().execute(context)
        self.log.info("No pod was started: this run has only the tasks %s.", ", ".join(chosen))
        return None

    def get_or_create_pod(self, pod_request_obj: Any, context: Any) -> Any:
        """Create the pod. While a quota is exceeded, try again within the schedule timeout."""
        end = time.monotonic() + self.schedule_timeout_seconds
        while True:
            try:
                return super().get_or_create_pod(pod_request_obj, context)
            except ApiException as error:
                if "exceeded quota" not in (error.body or ""):
                    raise
                if time.monotonic() > end:
                    message = json.loads(error.body)["message"]
                    raise AirflowException(f"QuotaExceeded: {message}") from None
            time.sleep(10)

    def cleanup(self, pod: Any, remote_pod: Any, *args: Any, **kwargs: Any) -> None:
        """Find out why the pod failed, before it is deleted, or keep what it has used."""
        for status in (remote_pod and remote_pod.status.container_statuses) or ():
            end = status.state.terminated
            if status.name == "base" and end and end.exit_code == 0 and end.message:
                kwargs["context"]["ti"].xcom_push("usage", end.message)
        failed = remote_pod and not self._killed and remote_pod.status.phase != "Succeeded"
        cause = self.cause(remote_pod, sys.exc_info()[1]) if failed else ""
        try:
            super().cleanup(pod, remote_pod, *args, **kwargs)
        except AirflowException:
            final = ("InvalidImageName", "ErrImageNeverPull", "PluginMissing", "DeletedByHand")
            sure = cause.partition(":")[0] in final or cause.endswith("A retry cannot fix this.")
            raise (AirflowFailException if sure else AirflowException)(cause) from None

    def cause(self, pod: Any, error: Any) -> str:
        """Return why a pod failed: the first reason that Kubernetes gives, with its message."""
        if type(error).__name__ == "AirflowTaskTimeout":
            return f"DeadlineExceeded: The task took longer than {self.execution_timeout}."
        events: list[Any] = []
        deleted = "Deleted"
        try:
            events = self.pod_manager.read_pod_events(pod).items
            if not pod.metadata.deletion_timestamp:
                pod = self.pod_manager.read_pod(pod)
            if pod.metadata.deletion_timestamp:
                # Before 1.26, Kubernetes does not say that a machine is being drained.
                minor = VersionApi(self.client.api_client).get_code().minor
                deleted += "ByHand" if int(minor.rstrip("+")) >= 26 else ""
        except Exception as problem:  # whatever it is, the pod has to be deleted
            if getattr(problem, "status", None) == 404:
                error = "Deleted: The pod is gone, and no event says why."
        lost = ("Evicted", "Preempted", "TaintManagerEviction")
        conditions = {c.type: c for c in pod.status.conditions or ()}
        found = [event for event in events if event.reason in lost]
        found += [pod.status, conditions.get("DisruptionTarget")]
        if pod.metadata.deletion_timestamp and not any(each and each.reason for each in found):
            return f"{deleted}: The pod was deleted while it ran."
        states = [status.state for status in pod.status.container_statuses or ()]
        found += [s.terminated for s in states if s.terminated and s.terminated.exit_code]
        found += [s.waiting for s in states if s.waiting and s.waiting.message]
        found += [conditions.get("PodScheduled")]
        if pod.status.phase == "Pending":
            found += [event for event in reversed(events) if event.type == "Warning"]
        end = next((each for each in found if each and each.reason), None)
        return self.words(pod, end) if end else str(error).split("\n")[0]

    def words(self, pod: Any, end: Any) -> str:
        """Return the reason and the message of an end in one line."""
        message = (end.message or "").strip()
        if "No module named" in message and "kedro_airflow_k8s" in message:
            return (
                "PluginMissing: The image has no kedro-airflow-k8s, or an older version. Add the"
                " version that compiled the DAG to its requirements, then build and push it."
            )
        if end.reason == "OOMKilled":
            limit = (pod.spec.containers[0].resources.limits or {}).get("memory", "the machine's")
            return f"OOMKilled: The container ran out of memory. Its limit is {limit}."
        if end.reason == "Error":
            return message.split("\n")[-1] or f"Error: exit code {end.exit_code}"
        return f"{end.reason}: {' '.join(message.split())}"
