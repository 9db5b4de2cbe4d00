"""The MLflow run that all pods of a DAG run log to: Airflow starts it, names it and ends it.

Imported only in the pods of such a run.
"""

from __future__ import annotations

import os
import sys
from typing import Any

from kedro_airflow_k8s.pod.environment import MLFLOW_RUN_NAME_VARIABLE


def keep_name(context: Any) -> None:
    """Keep kedro-mlflow from renaming the run to the pipeline of this pod.

    Args:
        context: Kedro's context, to which kedro-mlflow has added its configuration.
    """
    config = getattr(context, "mlflow", None)
    if config is not None:
        # A database of MLflow has no room for more.
        config.tracking.run.name = os.environ[MLFLOW_RUN_NAME_VARIABLE][:250]
        # It would be another run than the one in MLFLOW_RUN_ID.
        config.tracking.run.id = None


def keep_open(run_id: str) -> None:
    """Keep what runs in this pod from ending the run, which other pods still log to.

    kedro-mlflow ends it after each pod, and MLflow itself when Python ends. By now it is imported,
    by kedro-mlflow or by the nodes' modules; whoever imports it later leaves a status that Airflow
    corrects at the end.

    Args:
        run_id: The id of the run.
    """
    mlflow: Any = sys.modules.get("mlflow")
    if mlflow is None:
        return
    set_terminated = mlflow.MlflowClient.set_terminated

    def set_terminated_unless_shared(client: Any, run: str, *args: Any, **options: Any) -> None:
        if run != run_id:
            set_terminated(client, run, *args, **options)

    mlflow.MlflowClient.set_terminated = set_terminated_unless_shared
