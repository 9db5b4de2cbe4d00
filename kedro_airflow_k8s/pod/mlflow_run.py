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
from importlib import import_module
from typing import Any

from kedro_airflow_k8s.pod.environment import MLFLOW_RUN_NAME_VARIABLE

RETRIES_VARIABLE = "MLFLOW_HTTP_REQUEST_MAX_RETRIES"

VERSION_TAG = "kedro.dataset_version."
"""How the tags begin that name the version of a dataset."""


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


def tag_version(run_id: str, dataset: str, version: str) -> None:
    """Tag the run with the version of a dataset that this pod has saved.

    Args:
        run_id: The run.
        dataset: The name of the dataset.
        version: The version.
    """
    mlflow: Any = import_module("mlflow")
    with _little_patience():
        try:
            mlflow.MlflowClient().set_tag(run_id, f"{VERSION_TAG}{dataset}", version)
        except mlflow.MlflowException as error:
            logging.getLogger(__name__).warning(
                "The MLflow run has no tag with the version of '%s': %s", dataset, error
            )


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
    try:
        with _little_patience():
            status = str(mlflow.MlflowClient().get_run(run_id).info.status)
    except mlflow.MlflowException as error:
        os.environ[RETRIES_VARIABLE] = "0"
        logging.getLogger(__name__).warning(
            "MLflow does not answer at the end of this pod: %s The task end_mlflow_run writes the"
            " status of the run.",
            error,
        )
        return ""
    # Airflow ends a run before its pods only by hand. Any other end is that of another pod, which
    # is about to write RUNNING again.
    return status if status == "KILLED" else "RUNNING"


@contextmanager
def _little_patience() -> Iterator[None]:
    """Let MLflow try for seconds, not for the minutes of its default."""
    patience = os.environ.get(RETRIES_VARIABLE)
    os.environ[RETRIES_VARIABLE] = "2"
    try:
        yield
    finally:
        os.environ.pop(RETRIES_VARIABLE)
        if patience is not None:
            os.environ[RETRIES_VARIABLE] = patience
