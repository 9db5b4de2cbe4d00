"""The operator of pods that make assets: what Airflow is to know of their data."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from kedro_airflow_k8s.dag.operators.kedro_pod import KedroPodOperator


class AssetPodOperator(KedroPodOperator):
    """Runs nodes that make assets, its outlets. Their events describe the data."""

    datasets: Sequence[str] = ()
    """What the catalog calls the outlets. With an argument for it, DAGs would import slower."""

    def execute(self, context: Any) -> Any:
        """Run the pod. A run of other tasks only starts none, so it has no events."""
        if self.task_id not in (context["dag_run"].conf or {}).get("kedro_tasks", [self.task_id]):
            self.outlets = []
        return super().execute(context)

    def cleanup(self, pod: Any, remote_pod: Any, *args: Any, **kwargs: Any) -> None:
        """Take what the pod says of its data. Airflow sends the events if the task succeeds."""
        known: Any = {}
        for status in (remote_pod and remote_pod.status.container_statuses) or ():
            end = status.state.terminated
            if status.name == "base" and end and end.exit_code == 0 and end.message:
                try:
                    left = json.loads(end.message)
                    known = left.pop("assets", {})
                    end.message = json.dumps(left)
                except (ValueError, AttributeError):
                    self.log.info("The pod did not describe its data: %s", end.message)
        self.describe(kwargs["context"], known)
        super().cleanup(pod, remote_pod, *args, **kwargs)

    def describe(self, context: Any, known: Mapping[str, Any]) -> None:
        """Add to each event what is known of the data, of its code and of its MLflow run."""
        commit = next((t for t in context["dag"].tags if t.startswith("commit_sha:")), "")
        common = {"commit": commit.partition(":")[2]}
        common.update({k: value for k, value in known.items() if k == "mlflow_run_id"})
        for dataset, asset in zip(self.datasets, self.outlets, strict=False):
            own = known.get("datasets", {}).get(dataset, {})
            context["outlet_events"][asset].extra.update({"dataset": dataset, **own, **common})
