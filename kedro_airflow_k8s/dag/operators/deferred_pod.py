"""The operator of pods that Airflow's triggerer may wait for."""

from __future__ import annotations

from typing import Any

from airflow.providers.common.compat.sdk import AirflowException
from kubernetes.client import models as k8s

from kedro_airflow_k8s.dag.operators.kedro_pod import KedroPodOperator


class DeferredPodOperator(KedroPodOperator):
    """A pod that may be gone before a worker reads its status, such as one that was preempted."""

    least_interval = 10

    def invoke_defer_method(self, *args: Any, **kwargs: Any) -> None:
        """Let the trigger wait. It looks at the pod at most once in ten seconds."""
        # Airflow 3 fails a task that resumes before the executor has reported that it waits, which
        # can take 5 seconds. The trigger looks at once, too early to find an end, and then later.
        least = self.least_interval
        self.poll_interval = max(self.poll_interval, least)
        self.startup_check_interval_seconds = max(self.startup_check_interval_seconds, least)
        super().invoke_defer_method(*args, **kwargs)

    def trigger_reentry(self, context: Any, event: dict[str, Any]) -> Any:
        """Continue when the trigger has ended. The events of a pod outlive it."""
        try:
            return super().trigger_reentry(context, event)
        except AirflowException:
            if self.pod is not None:
                raise
        name = k8s.V1ObjectMeta(name=event["name"], namespace=event["namespace"])
        raise AirflowException(self.cause(k8s.V1Pod(metadata=name, status=k8s.V1PodStatus()), None))
