"""A Google ID token for MLflow."""

from __future__ import annotations

from airflow.providers.common.compat.sdk import AirflowException

from kedro_airflow_k8s.dag.operators.mlflow_token import MlflowToken


def mlflow_google(audience: str) -> MlflowToken:
    """Return an ID token of the Google account of Airflow's worker."""
    try:
        from google.auth.exceptions import GoogleAuthError
        from google.auth.transport.requests import Request
        from google.oauth2.id_token import fetch_id_token
    except ImportError as error:
        raise AirflowException("MLflow needs google-auth on Airflow's workers.") from error
    try:
        return MlflowToken(fetch_id_token(Request(), audience))
    except GoogleAuthError as error:
        raise AirflowException(
            f"Airflow's worker cannot get a Google ID token for {audience!r}: {error}. Give it a"
            " service account: set GOOGLE_APPLICATION_CREDENTIALS, or use workload identity."
        ) from error
