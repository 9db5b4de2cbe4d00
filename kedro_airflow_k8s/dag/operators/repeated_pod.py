"""The operator of pods that are repeated, in one attempt of the task, for some causes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from airflow.providers.common.compat.sdk import AirflowException
from kubernetes.client import models as k8s

from kedro_airflow_k8s.dag.operators.deferred_pod import DeferredPodOperator

# The reasons that Kubernetes gives for pods that lost their machine, and ours if it gives none.
LOST = (
    *("Evicted", "EvictionByEvictionAPI", "TaintManagerEviction", "DeletionByTaintManager"),
    *("Preempted", "Preempting", "PreemptionByScheduler", "Terminated", "TerminationByKubelet"),
    *("DeletionByPodGC", "NodeLost", "Deleted"),
)


class RepeatedPodOperator(DeferredPodOperator):
    """Starts another pod if one ran out of memory or lost its machine. No retry is used up.

    on_oom are the sizes of memory to try after that of the resources, on_eviction how many pods
    may lose their machine.
    """

    def __init__(self, *, on_oom: Sequence[str] = (), on_eviction: int = 0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.on_oom, self.on_eviction = on_oom, on_eviction
        self.ooms = self.evictions = 0

    def execute(self, context: Any) -> Any:
        """Run pods until one ends well, or for another cause."""
        return self.repeat(super().execute, context)

    def trigger_reentry(self, context: Any, event: dict[str, Any]) -> Any:
        """Continue when the trigger has ended, which has kept the numbers of pods that failed."""
        if self.trigger_kwargs:  # A pod that ended before its task was deferred: repeat() goes on.
            return super().trigger_reentry(context, event)
        self.ooms, self.evictions = event.get("ooms", 0), event.get("evictions", 0)
        return self.repeat(super().trigger_reentry, context, event)

    def repeat(self, run: Any, *args: Any) -> Any:
        """Run or continue with a pod, then run those after it."""
        while True:
            self.trigger_kwargs = {"ooms": self.ooms, "evictions": self.evictions}
            if self.ooms:
                memory = {"memory": self.on_oom[self.ooms - 1]}
                given: Any = self.container_resources
                self.container_resources = k8s.V1ResourceRequirements(
                    requests=(given.requests or {}) | memory, limits=(given.limits or {}) | memory
                )
            try:
                result = run(*args)
            except AirflowException as error:
                if not self.is_repeated(str(error)):
                    raise
            else:
                if self.ooms:
                    self.log.info("Enough memory: %s", self.on_oom[self.ooms - 1])
                return result
            self.pod = self.remote_pod = self.pod_request_obj = None
            run, args = super().execute, args[:1]

    def is_repeated(self, cause: str) -> bool:
        """Return whether another pod is to start, and count it."""
        reason = cause.partition(":")[0]
        if reason in LOST and self.evictions < self.on_eviction:
            self.evictions += 1
            number = f"number {self.evictions} of {self.on_eviction}"
        elif reason == "OOMKilled" and self.ooms < len(self.on_oom):
            self.ooms += 1
            number = f"with {self.on_oom[self.ooms - 1]} of memory"
        else:
            return False
        self.log.warning("%s Another pod starts, %s.", cause, number)
        return True
