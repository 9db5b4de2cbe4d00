"""DAGs around an MLflow run, of the form that the plugin compiles; `MLFLOW_PROXY` is its address.

The ids of those in which a task fails begin with `failing`.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any

from airflow.providers.common.compat.sdk import DAG, BaseOperator, Context
from airflow.providers.common.compat.standard.operators import PythonOperator

from kedro_airflow_k8s.dag.operators.compat import EmptyOperator
from kedro_airflow_k8s.dag.operators.mlflow import MlflowExperiment
from kedro_airflow_k8s.dag.operators.mlflow_connection import mlflow_connection
from kedro_airflow_k8s.dag.operators.mlflow_vars import mlflow_vars
from kedro_airflow_k8s.plan.mlflow import AIRFLOW_TAGS, RUN_NAME

AUTHENTICATIONS: dict[str, Callable[[], Any]] = {
    "fine": lambda: mlflow_vars("MLFLOW_TRACKING_TOKEN"),
    "failing": lambda: mlflow_vars("MLFLOW_TRACKING_TOKEN"),
    "missing_variables": lambda: mlflow_vars("MLFLOW_TRACKING_PASSWORD"),
    "missing_connection": lambda: mlflow_connection("nowhere"),
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


for dag_id, auth in AUTHENTICATIONS.items():
    with DAG(
        dag_id=dag_id,
        schedule=None,
        start_date=datetime(2025, 1, 1, tzinfo=timezone.utc),
        catchup=False,
    ) as dag:
        mlflow = MlflowExperiment(
            os.environ["MLFLOW_PROXY"],
            {"name": f"{os.environ['MLFLOW_EXPERIMENT']} {dag_id}"},
            auth=auth,
        )
        start = PythonOperator(
            task_id="start_mlflow_run",
            python_callable=mlflow.start_run,
            op_kwargs={
                "run_name": RUN_NAME,
                "tags": {"kedro.pipeline": "__default__", **AIRFLOW_TAGS},
            },
        ).as_setup()
        all_succeeded = EmptyOperator(task_id="all_succeeded")
        end = PythonOperator(
            task_id="end_mlflow_run",
            python_callable=mlflow.end_run,
            op_args=[start.output],
        ).as_teardown(setups=start)
        log = LogOperator(
            task_id="log", mlflow_run="{{ ti.xcom_pull(task_ids='start_mlflow_run') }}"
        )
        start >> log >> all_succeeded >> end
        log >> end
    globals()[dag_id] = dag
