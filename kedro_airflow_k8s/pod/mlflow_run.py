"""The MLflow run that all pods of a DAG run log to: Airflow starts it, names it and ends it.

Imported only in the pods of such a run. kedro-mlflow and MLflow end a run with their process; here,
the status that the run had before is written again, and Airflow writes the last one.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from kedro_airflow_k8s.pod.environment import MLFLOW_RUN_NAME_VARIABLE

RETRIES_VARIABLE = "MLFLOW_HTTP_REQUEST_MAX_RETRIES"


def keep_name(context: Any) -> None:
    """Keep kedro-mlflow from renaming the run to the pipeline of this pod.

    Args:
        context: Kedro's context, to which kedro-mlflow has added its configuration.
    """
    config = getattr(context, "mlflow", None)
    if config is not None:
        config.tracking.run.name = os.environ[MLFLOW_RUN_NAME_VARIABLE]
        # It would be another run than the one in MLFLOW_RUN_ID.
        config.tracking.run.id = None


def leave(run_id: str) -> None:
    """End what this process logs to the run, before kedro-mlflow does, and leave it as it is.

    What hooks log after that, such as kedro-mlflow's model of a pipeline, resumes the run.
    """
    # Imported by now, by kedro-mlflow or by the nodes' modules, or nothing has been logged.
    mlflow: Any = sys.modules.get("mlflow")
    if mlflow is None:
        return
    status = _status(mlflow, run_id)
    _end_runs(mlflow, run_id, status, "FINISHED")
    os.environ["MLFLOW_RUN_ID"] = run_id


@contextmanager
def status_kept(run_id: str) -> Iterator[None]:
    """Write the status of the run again after kedro-mlflow has ended it, as it does on an error."""
    mlflow: Any = sys.modules.get("mlflow")
    status = _status(mlflow, run_id) if mlflow else ""
    yield
    if status:
        _end_runs(mlflow, run_id, status, "FAILED")
        with suppress(mlflow.MlflowException):
            mlflow.MlflowClient().update_run(run_id, status)


def _end_runs(mlflow: Any, run_id: str, status: str, others: str) -> None:
    """End the active runs of this thread: the shared one with a status, others with another."""
    while run := mlflow.active_run():
        # It is not active any more, even if MLflow does not answer.
        with suppress(mlflow.MlflowException):
            mlflow.end_run(status if run.info.run_id == run_id else others)


def _status(mlflow: Any, run_id: str) -> str:
    """Return the status of the run, which Airflow may have ended already; empty if unknown."""
    # It is worth seconds, not the minutes that MLflow tries by default.
    patience = os.environ.get(RETRIES_VARIABLE, "")
    os.environ[RETRIES_VARIABLE] = "2"
    try:
        status = str(mlflow.MlflowClient().get_run(run_id).info.status)
    except mlflow.MlflowException as error:
        os.environ[RETRIES_VARIABLE] = "0"
        logging.getLogger(__name__).warning(
            "MLflow does not answer at the end of this pod: %s The task end_mlflow_run writes the"
            " status of the run.",
            error,
        )
        return ""
    os.environ.pop(RETRIES_VARIABLE)
    if patience:
        os.environ[RETRIES_VARIABLE] = patience
    # Airflow ends a run before its pods only by hand. Any other end is that of another pod, which
    # is about to write RUNNING again.
    return status if status == "KILLED" else "RUNNING"
