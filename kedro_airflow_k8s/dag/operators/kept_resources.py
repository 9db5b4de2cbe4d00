"""Run resources that stay for some time after a failure, so that the run can go on."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from typing import Any

from kedro_airflow_k8s.dag.operators.run_resources import CreateRunResources, DeleteRunResources
from kedro_airflow_k8s.dag.operators.task_states import task_states

KEEP_UNTIL = "kedro-airflow-k8s/keep-until"


class ResumeRunResources(CreateRunResources):
    """Creates the objects of a run, or reuses those that it has kept since its failure."""

    def __init__(self, *, keep: timedelta, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.keep = keep

    def execute(self, context: Any) -> Any:
        """Create or reuse the objects. Return the volume of the run that this one takes data of."""
        self.run_of = (context["ti"], context["dag_run"])
        conf = context["dag_run"].conf or {}
        below = [each.task_id for each in self.get_flat_relatives(upstream=False)]
        states = task_states(*self.run_of, context["dag_run"].run_id)
        ran = [task_id for task_id in below if states.get(task_id) == "success"]
        self.succeeded = [task_id for task_id in ran if task_id in conf.get("kedro_tasks", ran)]
        super().execute(context)
        other = conf.get("kedro_inputs_from")
        return self.volume_of(other["run_id"]) if other and not self.succeeded else None

    def volume_of(self, run_id: str) -> Any:
        """Find the volume of another run of this DAG."""
        marks = {**self.marks, "kedro-airflow-k8s/run-id": run_id}.items()
        for item in self.listed(self.manifests[0]):
            if marks <= item["metadata"].get("annotations", {}).items():
                return item["metadata"]["name"]
        self.log.warning("The volume of run %s is gone, with what this run takes of it.", run_id)
        return None

    def listed(self, manifest: dict[str, Any]) -> Any:
        """List the objects of this kind of all runs."""
        ours = "app.kubernetes.io/managed-by=kedro-airflow-k8s"
        return self.call("list", manifest, label_selector=ours)["items"]

    def act(self) -> None:
        """Delete what has expired of earlier runs, then create or reuse the objects."""
        for manifest in self.manifests:
            try:
                self.delete_expired(manifest)
            except Exception as error:
                self.log.warning("Expired data of other runs may still exist. %s", error)
            found = self.find(manifest)
            if found and not self.succeeded and KEEP_UNTIL in found["metadata"]["annotations"]:
                self.delete(manifest)  # Every task runs again.
            elif not found and self.succeeded:
                problem = "%s is gone, with what these tasks have stored there: %s."
                self.log.warning(problem, self.shown(manifest), ", ".join(self.succeeded))
        super().act()

    def delete_expired(self, manifest: dict[str, Any]) -> None:
        """Delete objects of this kind that ended runs of this DAG have left for too long."""
        for item in self.listed(manifest):
            metadata = {"annotations": {}, **item["metadata"]}
            dag_id, run_id = (metadata["annotations"].get(mark) for mark in self.marks)
            created = datetime.fromisoformat(metadata["creationTimestamp"].replace("Z", "+00:00"))
            until = metadata["annotations"].get(KEEP_UNTIL, (created + self.keep).isoformat())
            over = datetime.fromisoformat(until) < datetime.now(timezone.utc)
            if dag_id != self.run_of[1].dag_id or not over:
                continue
            # A run that this Airflow does not know may be one of another Airflow.
            states = {str(state) for state in task_states(*self.run_of, run_id).values()}
            ends = {"success", "failed", "upstream_failed", "skipped", "removed"}
            if states and states <= ends:
                expired = {**manifest, "metadata": metadata}
                self.call("delete", expired, name=metadata["name"])
                self.log.info("%s: expired, deleted.", self.shown(expired))


class KeepRunResources(DeleteRunResources):
    """Deletes the objects of a run, or marks until when they are kept."""

    template_fields: Sequence[str] = (*DeleteRunResources.template_fields, "until")

    def __init__(self, *, until: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.until = until

    def act(self) -> None:
        """Delete the objects, unless there is a time until which they are kept."""
        if not self.until:
            super().act()
        for manifest in self.manifests if self.until else []:
            if self.find(manifest):
                body = {"metadata": {"annotations": {KEEP_UNTIL: self.until}}}
                self.call("patch", manifest, name=manifest["metadata"]["name"], body=body)
                self.log.info("%s: kept until %s.", self.shown(manifest), self.until)
