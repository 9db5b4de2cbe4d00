"""Credentials for MLflow in Airflow variables."""

from __future__ import annotations

from airflow.providers.common.compat.sdk import AirflowException, Variable

from kedro_airflow_k8s.dag.operators.mlflow_token import MlflowToken


def mlflow_vars(*names: str) -> MlflowToken | tuple[bytes, bytes]:
    """Return the user and password, or else the token, from Airflow variables."""
    values = {name: (Variable.get(name, None) or "").rstrip("\r\n") for name in names}
    user = values.get("MLFLOW_TRACKING_USERNAME")
    password = values.get("MLFLOW_TRACKING_PASSWORD")
    if user and password:
        return (user.encode(), password.encode())
    if token := values.get("MLFLOW_TRACKING_TOKEN"):
        return MlflowToken(token)
    raise AirflowException(
        f"Airflow variables {', '.join(names)} have neither user and password nor a token for"
        " MLflow. Create them in Airflow."
    )
