"""The REST API of an Airflow server."""

from kedro_airflow_k8s.airflow_api.client import AirflowClient
from kedro_airflow_k8s.airflow_api.connection import connect
from kedro_airflow_k8s.airflow_api.records import Dag, DagImportError, DagRun, RunState

__all__ = ["AirflowClient", "Dag", "DagImportError", "DagRun", "RunState", "connect"]
