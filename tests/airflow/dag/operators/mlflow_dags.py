"""DAGs around an MLflow run, of the form that the plugin compiles; `MLFLOW_PROXY` is its address.

The ids of those in which a task fails begin with `failing`.
"""

from __future__ import annotations

import os
from datetime import datetime, timezone
from typing import Any

from airflow.providers.common.compat.sdk import DAG, BaseOperator, Context

from kedro_airflow_k8s.dag.operators.empty import EmptyOperator  # type: ignore[attr-defined]
from kedro_airflow_k8s.dag.operators.mlflow import EndMlflowRunOperator, StartMlflowRunOperator

AUTHENTICATIONS: dict[str, dict[str, Any]] = {
    "fine": {"type": "vars"},
    "failing": {"type": "vars"},
    "missing_variables": {"type": "vars", "params": ["MLFLOW_TRACKING_PASSWORD"]},
    "missing_connection": {"type": "connection", "connection": "nowhere"},
}


class LogOperator(BaseOperator):
    """Says which run it would log to, and fails in a DAG of which that is wanted."""

    template_fields = ("mlflow_run",)

    def __init__(self, *, mlflow_run: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.mlflow_run = mlflow_run

    def execute(self, context: Context) -> str:
        """Return the id of the run."""
        if context["dag_run"].dag_id.startswith("failing"):
            raise ValueError("no prices today")
        return self.mlflow_run


for dag_id, authentication in AUTHENTICATIONS.items():
    with DAG(
        dag_id=dag_id,
        schedule=None,
        start_date=datetime(2025, 1, 1, tzinfo=timezone.utc),
        catchup=False,
    ) as dag:
        run_id = "{{ ti.xcom_pull(task_ids='start_mlflow_run') }}"
        common: dict[str, Any] = {
            "tracking_uri": os.environ["MLFLOW_PROXY"],
            "run_name": "{{ dag.dag_id }} {{ run_id }}",
            "authentication": authentication,
        }
        start = StartMlflowRunOperator(
            task_id="start_mlflow_run",
            experiment=f"{os.environ['MLFLOW_EXPERIMENT']} {dag_id}",
            tags={"kedro.pipeline": "__default__"},
            **common,
        ).as_setup()  # type: ignore[no-untyped-call]
        witness = EmptyOperator(task_id="all_succeeded")
        end = EndMlflowRunOperator(
            task_id="end_mlflow_run", run_id=run_id, witness=witness.task_id, **common
        ).as_teardown(setups=start)
        start >> LogOperator(task_id="log", mlflow_run=run_id) >> witness >> end
    globals()[dag_id] = dag
