"""The MLflow run that a DAG run is."""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Mapping, Sequence
from typing import Any

from airflow.providers.common.compat.sdk import BaseOperator, Context

from kedro_airflow_k8s.dag.operators.mlflow_api import MLFLOW_RUN_TAG, MlflowApi, MlflowDown
from kedro_airflow_k8s.dag.operators.mlflow_auth import mlflow_auth


class MlflowOperator(BaseOperator):
    """What starting and ending an MLflow run share: the server, and what the run is called."""

    template_fields: Sequence[str] = ("run_name",)

    def __init__(
        self,
        *,
        tracking_uri: str,
        run_name: str,
        authentication: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.tracking_uri = tracking_uri
        self.run_name = run_name
        self.authentication = dict(authentication or {})

    @property
    def short_name(self) -> str:
        """What the run is called: a database of MLflow has no room for more."""
        return self.run_name[:250]

    def api(self) -> MlflowApi:
        """The connection to the server."""
        return MlflowApi(self.tracking_uri, mlflow_auth(self.tracking_uri, **self.authentication))


class StartMlflowRunOperator(MlflowOperator):
    """Starts the MLflow run of a DAG run, whose id is the task's result; a retry uses it again."""

    def __init__(
        self,
        *,
        experiment: str,
        restore_experiment: bool = True,
        experiment_settings: Mapping[str, Any] | None = None,
        tags: Mapping[str, str],
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.experiment = experiment
        self.restore_experiment = restore_experiment
        self.experiment_settings = dict(experiment_settings or {})
        self.tags = dict(tags)

    def execute(self, context: Context) -> str:
        """Find or create experiment and run.

        Raises:
            RuntimeError: If MLflow refuses, or does not work.
        """
        api = self.api()
        experiment = api.experiment_id(
            self.experiment, self.restore_experiment, self.experiment_settings
        )
        tags = mlflow_tags(context, self.tags)
        for pause in (*api.pauses, None):
            # Also within one try: the answer to a creation may have got lost.
            run_id = api.find_run(experiment, tags[MLFLOW_RUN_TAG])
            if run_id is not None:
                api.call(
                    "POST", "runs/update", run_id=run_id, status="RUNNING", run_name=self.short_name
                )
                self.log.info("MLflow run %s exists: used again.", run_id)
                return run_id
            try:
                made = api.call(
                    "POST",
                    "runs/create",
                    again=False,
                    experiment_id=experiment,
                    start_time=mlflow_now(),
                    run_name=self.short_name,
                    tags=[{"key": key, "value": value} for key, value in tags.items()],
                )
            except MlflowDown:
                if pause is None:
                    raise
                time.sleep(pause)
            else:
                run_id = api.entry(made, "run", "info", "run_id")
                self.log.info(
                    "Started MLflow run %s in experiment %r: %s/#/experiments/%s/runs/%s",
                    run_id,
                    self.experiment,
                    api.uri,
                    experiment,
                    run_id,
                )
                return run_id
        raise AssertionError("The last try returns or raises.")


class EndMlflowRunOperator(MlflowOperator):
    """Ends the MLflow run with the status of the DAG run, whatever pods have written there."""

    template_fields: Sequence[str] = ("run_name", "run_id")

    def __init__(self, *, run_id: str, witness: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.run_id = run_id
        self.witness = witness

    def execute(self, context: Context) -> str:
        """Write the status, and return it.

        Raises:
            RuntimeError: If MLflow refuses, or does not work.
        """
        states = task_states(context)
        if states.get(self.witness) in ("skipped", "failed"):
            # It follows all tasks of Kedro, and after a failure it is upstream_failed. When a DAG
            # run is ended by hand, Airflow skips what waits; run-once marks it as failed.
            status = "KILLED"
        else:
            # Of a task that was cleared alone, the witness knows nothing.
            ends = {states.get(name) for name in (self.witness, *self.upstream_task_ids)}
            status = "FINISHED" if ends == {"success"} else "FAILED"
        self.api().call(
            "POST",
            "runs/update",
            run_id=self.run_id,
            status=status,
            end_time=mlflow_now(),
            run_name=self.short_name,
        )
        self.log.info("MLflow run %s is %s.", self.run_id, status)
        return status


def mlflow_tags(context: Any, tags: Mapping[str, str]) -> dict[str, str]:
    """The tags of a run: those given, and where it comes from in Airflow."""
    run = context["dag_run"]
    # The page of this task is below that of the run.
    link = re.split(r"/tasks/|&task_id=", context["ti"].log_url)[0]
    found = {
        **tags,
        # The same for each try, and not for the DAG of another Airflow.
        MLFLOW_RUN_TAG: hashlib.sha256(f"{link}\n{run.run_id}".encode()).hexdigest()[:32],
        "airflow.dag_id": run.dag_id,
        "airflow.run_id": run.run_id,
        "airflow.url": link,
        # What MLflow shows as the run's description.
        "mlflow.note.content": f"[Run {run.run_id} of DAG {run.dag_id}]({link}) in Airflow.",
    }
    if run.logical_date is not None:
        found["airflow.logical_date"] = run.logical_date.isoformat()
    return found


def mlflow_now() -> int:
    """The time in milliseconds, as MLflow has it."""
    return int(time.time() * 1000)


def task_states(context: Any) -> dict[str, str]:
    """The states of the tasks of the same DAG run that have one, by task id."""
    run = context["dag_run"]
    if hasattr(context["ti"], "get_task_states"):  # Airflow 3
        found = context["ti"].get_task_states(run.dag_id, run_ids=[run.run_id]).get(run.run_id, {})
    else:
        found = {task.task_id: task.state for task in run.get_task_instances()}
    return {name: str(getattr(state, "value", state)) for name, state in found.items() if state}
