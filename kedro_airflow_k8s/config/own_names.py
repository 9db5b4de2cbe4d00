"""The names by which commands recognize what this plugin made: DAGs, tasks and pods."""

from __future__ import annotations

import hashlib

TAG_VERSION = "generated_with_kedro_airflow_k8s"
TAG_COMMIT = "commit_sha"
TAG_EXPERIMENT = "experiment_name"
TAG_FINGERPRINT = "fingerprint"
"""The tag with a hash of the DAG's text, which shows whether Airflow has parsed this file."""

TASK_ANNOTATION = "kedro-airflow-k8s/task-id"
"""Annotation with the id of the Airflow task, on every pod; a label could be too short for it."""

RUN_LABEL = "kedro-airflow-k8s/run"
"""Label with the name of the run, on the pods of a run that must all be on one machine."""

LABEL_PREFIX = "kedro-airflow-k8s/"
"""How the labels begin by which pods are found, and their costs added up."""

BASE_CONTAINER = "base"
"""The container that runs the nodes. KubernetesPodOperator has this name for it."""

DATA_VOLUME = "data"
"""The name of the run's volume in its pods."""

SHARED_MEMORY_VOLUME = "shared-memory"
SHARED_MEMORY_PATH = "/dev/shm"  # noqa: S108 - the path in the pod, not a temporary file
SECRET_VOLUME = "secret-"
CONFIG_MAP_VOLUME = "config-map-"
OWN_VOLUMES = (DATA_VOLUME, SHARED_MEMORY_VOLUME)
"""Volumes of pods that the DAG makes, besides those of Secrets and ConfigMaps."""


def own_volume_reason(name: str) -> str | None:
    """Return why a volume of the user's cannot have a name, or None if it can."""
    if name in OWN_VOLUMES or name.startswith((SECRET_VOLUME, CONFIG_MAP_VOLUME)):
        return "is the name of a volume that the DAG makes itself: choose another"
    return None


START_MLFLOW = "start_mlflow_run"
CREATE_VOLUME = "create_volume"
FILL_VOLUME = "data_volume_init"
DELETE_VOLUME = "delete_volume"
DELETE_DATA = "delete_intermediate_data"
END_MLFLOW = "end_mlflow_run"
ALL_SUCCEEDED = "all_succeeded"
FAIL_RUN = "fail_run"
TEARDOWN_TASKS = (END_MLFLOW, FAIL_RUN, DELETE_DATA, DELETE_VOLUME)
"""The tasks that run at the end of each run, whether it succeeded or failed."""

OWN_TASKS = (START_MLFLOW, CREATE_VOLUME, FILL_VOLUME, ALL_SUCCEEDED, *TEARDOWN_TASKS)
"""The tasks around those of Kedro nodes."""

CLUSTER_LABEL = "kedro-airflow-k8s/cluster"
"""Label with the name of a cluster in its run, on the pods of the cluster."""

ROLE_LABEL = "kedro-airflow-k8s/role"
"""Label of these pods: `head` on the one that nodes talk to, `worker` on the others."""

CREATE_CLUSTER = "create_cluster_"
DELETE_CLUSTER = "delete_cluster_"
"""How the ids of tasks begin that make and delete a cluster. Its name comes after that."""


def is_teardown(task_id: str) -> bool:
    """Return whether a task runs at the end of each run, whether it succeeded or failed."""
    return task_id in TEARDOWN_TASKS or task_id.startswith(DELETE_CLUSTER)


def is_own_task(task_id: str) -> bool:
    """Return whether a task is one around those of Kedro nodes."""
    return task_id in OWN_TASKS or task_id.startswith((CREATE_CLUSTER, DELETE_CLUSTER))


HASH_LENGTH = 6
"""Characters of the hash in a name that had to be shortened or spelled in another way."""


def digest(text: str, length: int = HASH_LENGTH) -> str:
    """Return the first hexadecimal digits of a text's SHA-256."""
    # Kedro allows lone surrogates, which UTF-8 cannot encode.
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:length]
