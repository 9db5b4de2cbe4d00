"""The operator of pods that Airflow's triggerer may wait for."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import Any

from airflow.providers.common.compat.sdk import AirflowException, AirflowTaskTimeout
from kubernetes.client import models as k8s
from kubernetes.client.exceptions import ApiException

from kedro_airflow_k8s.dag.operators.kedro_pod import KedroPodOperator


class DeferredPodOperator(KedroPodOperator):
    """Runs Kedro in a pod that the triggerer waits for, if it takes more than ten seconds."""

    least_interval = patience = 10

    def invoke_defer_method(self, last_log_time: Any = None, context: Any = None) -> None:
        """Let the trigger wait, unless the pod ends within ten seconds.

        The trigger looks at the pod at once, and then at most once in ten seconds.
        """
        # Airflow 3 fails a task that resumes before the executor has reported that it waits, which
        # can take 5 seconds. Old providers give no context, and cannot end the task here.
        least, given = self.least_interval, {"context": context} if context else {}
        end = time.monotonic() + (self.patience if given else 0)
        while self.pod and time.monotonic() < end:
            if self.pod.status and self.pod.status.phase in ("Succeeded", "Failed"):
                break
            time.sleep(1)
            with suppress(AirflowException, ApiException):  # The trigger finds out.
                self.pod = self.pod_manager.read_pod(self.pod)
        self.poll_interval = max(self.poll_interval, least)
        self.startup_check_interval_seconds = max(self.startup_check_interval_seconds, least)
        super().invoke_defer_method(last_log_time, **given)

    def cause(self, pod: Any, error: Any) -> str:
        """Return why a pod failed, also if it was too late for the trigger."""
        late = "the task's execution_timeout deadline" in str(error)
        return super().cause(pod, AirflowTaskTimeout() if late else error)

    def trigger_reentry(self, context: Any, event: dict[str, Any]) -> Any:
        """Continue when the trigger has ended. The events of a pod outlive it."""
        if event["status"] == "timeout":
            # The pod may run: its log is read, and not followed to its end.
            self.logging_interval = 1
        try:
            return super().trigger_reentry(context, event)
        except AirflowException:
            if self.pod is not None:
                raise
        name = k8s.V1ObjectMeta(name=event["name"], namespace=event["namespace"])
        raise AirflowException(self.cause(k8s.V1Pod(metadata=name, status=k8s.V1PodStatus()), None))
