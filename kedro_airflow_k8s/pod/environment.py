"""The environment variables with which a DAG tells its pods what they cannot know by themselves."""

from __future__ import annotations

import json
import os

OWN_VARIABLES = "KEDRO_AIRFLOW_K8S_"
"""How the names of these variables begin; users cannot set such variables."""

CONTRACT_VARIABLE = "KEDRO_AIRFLOW_K8S_CONTRACT"
"""The version of what DAG and pod agree on: these variables and the commands of `__main__`."""

CONTRACT = "2"
"""The one that this version of the plugin writes into DAGs, and understands in a pod."""

TASK_VARIABLE = "KEDRO_AIRFLOW_K8S_TASK"
"""The id of the Airflow task."""

PARAMS_VARIABLE = "KEDRO_AIRFLOW_K8S_PARAMS"
"""The parameters of the DAG run, as JSON: `macros`, `variables`, `form` and `conf`."""

INTERMEDIATE_DATA_VARIABLE = "KEDRO_AIRFLOW_K8S_INTERMEDIATE_DATA"
"""Where the DAG run keeps it: a folder, or a URL of fsspec. Without it nothing is stored."""

PASSED_ON_VARIABLE = "KEDRO_AIRFLOW_K8S_PASSED_ON"
"""A JSON list of the datasets that this task makes and other tasks read, without `@...`.

Without it, those are all outputs of the task that its own nodes do not read.
"""

MLFLOW_RUN_NAME_VARIABLE = "KEDRO_AIRFLOW_K8S_MLFLOW_RUN_NAME"
"""What the MLflow run is called that the DAG run is. Without it, there is none."""

MLFLOW_RUN_VARIABLE = "KEDRO_AIRFLOW_K8S_MLFLOW_RUN"
"""The id of that MLflow run. The pod itself keeps it: MLflow removes its own from the variables."""

MLFLOW_AUDIENCE_VARIABLE = "KEDRO_AIRFLOW_K8S_MLFLOW_AUDIENCE"
"""Whom the Google token is for that MLflow's server wants."""

MLFLOW_GOOGLE_AUTH = "kedro-airflow-k8s-google"
"""What MLFLOW_TRACKING_AUTH says for such tokens: the name of an entry point in setup.cfg."""


ATTEMPT_VARIABLE = "KEDRO_AIRFLOW_K8S_ATTEMPT"
"""The number of the task's attempt, from 1, where a failed run keeps its data on object storage."""

INPUTS_VARIABLE = "KEDRO_AIRFLOW_K8S_INPUTS_FROM"
"""Which datasets are in the folder of another run on object storage: JSON with its `dag_id`, and
its `run_id` and `datasets` if there are any."""

REASON_VARIABLE = "KEDRO_AIRFLOW_K8S_REASON"
"""The file for the cause of a failure, if it is not the one that Kubernetes has by default."""

NO_RETRY = "A retry cannot fix this."
"""How a cause ends with which the task is to fail at once. DAGs look for these words."""

EVENTS_VARIABLE = "KEDRO_AIRFLOW_K8S_EVENTS"
"""A random word that marks events of nodes in the log, if each has a task of its own in Airflow."""

ASSETS_VARIABLE = "KEDRO_AIRFLOW_K8S_ASSETS"
"""A JSON list of the datasets that this task makes and Airflow knows as assets, without `@...`."""

ASSETS_FILE_VARIABLE = "KEDRO_AIRFLOW_K8S_ASSETS_FILE"
"""The file in which the processes of a pod collect what they know of these datasets."""

POD_VARIABLES = {
    "KEDRO_AIRFLOW_K8S_POD": "metadata.name",
    "KEDRO_AIRFLOW_K8S_NAMESPACE": "metadata.namespace",
    "KEDRO_AIRFLOW_K8S_POD_IP": "status.podIP",
}
"""What the first pod of a cluster knows of itself: the fields of its Pod, by variable."""

OWNED_VARIABLE = "KEDRO_AIRFLOW_K8S_OWNED"
"""The name of the run resources, in the first pod of a cluster."""

SPARK_PORT, SPARK_PAGE = 15002, 4040
"""The ports of the server of Spark Connect and of its web page, which are Spark's own."""

ENGINE_VARIABLE = "KEDRO_AIRFLOW_K8S_ENGINE"
"""The settings of the engine of a cluster as JSON, in its first pod."""

VERSIONS_VARIABLE = "KEDRO_AIRFLOW_K8S_CLUSTER_VERSIONS"
"""The versions of the clusters that a task uses: a JSON list of what their first pods have said."""

VERSIONS_LINE = "Versions: "
"""How the line begins with which the first pod of a cluster says it, also as JSON."""

RAW_VARIABLE = "KEDRO_AIRFLOW_K8S_RAW"
"""Set where a failure is to be shown with all frames, as Kedro does."""


def passes_data_on() -> bool:
    """Return whether other tasks may read what this one makes."""
    return INTERMEDIATE_DATA_VARIABLE in os.environ and passed_on() != frozenset()


def passed_on() -> frozenset[str] | None:
    """Return the datasets that other tasks read; None for all outputs of the task."""
    found = os.environ.get(PASSED_ON_VARIABLE)
    return None if found is None else frozenset(json.loads(found))


def folder_to_read(dataset: str, root: str) -> str:
    """Return where a dataset is read that this task does not make.

    Args:
        dataset: Its name without `@...`.
        root: Where the DAG run keeps its intermediate data.
    """
    given = json.loads(os.environ.get(INPUTS_VARIABLE, "{}"))
    if dataset not in given.get("datasets", ()):
        return root
    # Hooks import this module in every process of Kedro.
    import uuid

    # The folders of the runs of a DAG differ in this, as plan/pods.py names them.
    run = uuid.uuid5(uuid.NAMESPACE_OID, f"{given['dag_id']}/{given['run_id']}").hex[:12]
    return root[: -len(run)] + run
