"""Talks to an Airflow server by its REST API."""

from kedro_airflow_k8s.airflow_api.client import (
    AirflowClient,
    Dag,
    DagImportError,
    DagRun,
    RunState,
)
from kedro_airflow_k8s.airflow_api.connection import connect
from kedro_airflow_k8s.airflow_api.transport import Patience

__all__ = ["AirflowClient", "Dag", "DagImportError", "DagRun", "Patience", "RunState", "connect"]
