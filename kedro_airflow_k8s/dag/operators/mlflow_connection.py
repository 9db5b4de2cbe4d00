"""Credentials for MLflow in an Airflow connection."""

from __future__ import annotations

from airflow.providers.common.compat.sdk import AirflowException, BaseHook

from kedro_airflow_k8s.dag.operators.mlflow_token import MlflowToken


def mlflow_connection(conn_id: str) -> MlflowToken | tuple[bytes, bytes]:
    """Return the login and password of an Airflow connection, or only the password as a token."""
    found = BaseHook.get_connection(conn_id)
    login, password = (text and text.rstrip("\r\n") for text in (found.login, found.password))
    if not password:
        raise AirflowException(
            f"Airflow connection {conn_id!r} has no password for MLflow. Set its login and"
            " password, or set a token as its password."
        )
    return (login.encode(), password.encode()) if login else MlflowToken(password)
