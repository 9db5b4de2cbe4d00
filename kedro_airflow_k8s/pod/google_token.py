"""Google id tokens for MLflow in a pod: MLflow finds this by its entry point in setup.cfg.

Airflow's workers have a token of their own; one that came with the pod would end within the hour.
"""

from __future__ import annotations

import os
import threading
import time
from typing import Any

import requests

from kedro_airflow_k8s.pod.environment import MLFLOW_AUDIENCE_VARIABLE, MLFLOW_GOOGLE_AUTH

FRESH_SECONDS = 1800
"""After that long, a new token is fetched; Google's are valid for an hour."""


class GoogleTokenProvider:
    """What MLflow asks for, by the name in MLFLOW_TRACKING_AUTH.

    Source: `RequestAuthProvider` of https://mlflow.org/docs/latest/ml/plugins/
    """

    def get_name(self) -> str:
        """The name."""
        return MLFLOW_GOOGLE_AUTH

    def get_auth(self) -> requests.auth.AuthBase:
        """What requests takes."""
        return _AUTH


class GoogleToken(requests.auth.AuthBase):
    """Puts a token of the pod's Google account into each request."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._token = ""
        self._until = 0.0

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Put it into a request."""
        with self._lock:
            if time.monotonic() >= self._until:
                self._token = fetch_token(os.environ[MLFLOW_AUDIENCE_VARIABLE])
                self._until = time.monotonic() + FRESH_SECONDS
            request.headers["Authorization"] = f"Bearer {self._token}"
        return request


_AUTH = GoogleToken()


def fetch_token(audience: str) -> str:
    """A new id token for an audience.

    Raises:
        RuntimeError: If the pod has no Google account, or lacks google-auth.
    """
    try:
        from google.auth.exceptions import GoogleAuthError
        from google.auth.transport.requests import Request
        from google.oauth2.id_token import fetch_id_token
    except ImportError as error:
        raise RuntimeError(
            "MLflow wants a Google token (run_config.mlflow.authentication), and google-auth is not"
            " installed in the image: add it to requirements.txt."
        ) from error
    try:
        fetch: Any = fetch_id_token
        return str(fetch(Request(), audience))
    except GoogleAuthError as error:
        raise RuntimeError(
            f"There is no Google id token for {audience!r} in this pod: {error}. Its service"
            " account (run_config.service_account_name) has to be a Google one by workload"
            " identity."
        ) from error
