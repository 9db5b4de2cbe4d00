"""Google id tokens for MLflow in a pod: MLflow finds this by its entry point in setup.cfg.

Airflow's workers have a token of their own; one that came with the pod would end within the hour.
"""

from __future__ import annotations

import os
import threading
from typing import Any

import requests

from kedro_airflow_k8s.pod.environment import MLFLOW_AUDIENCE_VARIABLE, MLFLOW_GOOGLE_AUTH


class GoogleTokenProvider:
    """What MLflow asks for, by the name in MLFLOW_TRACKING_AUTH.

    Source: `RequestAuthProvider` of https://mlflow.org/docs/latest/ml/plugins/
    """

    def get_name(self) -> str:
        """Return the name."""
        return MLFLOW_GOOGLE_AUTH

    def get_auth(self) -> requests.auth.AuthBase:
        """Return what requests takes: one for all requests of the process."""
        return _AUTH


class GoogleToken(requests.auth.AuthBase):
    """A token of the pod's Google account, which is renewed before it ends."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._credentials: Any = None

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Put the token into a request.

        Raises:
            RuntimeError: If the pod has no Google account, or lacks google-auth.
        """
        try:
            from google.auth.exceptions import GoogleAuthError
            from google.auth.transport.requests import Request
            from google.oauth2.id_token import fetch_id_token_credentials
        except ImportError as error:
            raise RuntimeError(
                "google-auth is not installed in the image. MLflow needs a Google token"
                " (run_config.mlflow.authentication). Add google-auth to requirements.txt."
            ) from error
        audience = os.environ[MLFLOW_AUDIENCE_VARIABLE]
        fetch: Any = fetch_id_token_credentials
        with self._lock:
            try:
                self._credentials = self._credentials or fetch(audience, Request())
                if not self._credentials.valid:
                    self._credentials.refresh(Request())
            except GoogleAuthError as error:
                raise RuntimeError(
                    f"There is no Google id token for {audience!r} in this pod: {error}. Its"
                    " service account (run_config.service_account_name) must be a Google one by"
                    " workload identity."
                ) from error
            request.headers["Authorization"] = f"Bearer {self._credentials.token}"
        return request


_AUTH = GoogleToken()
