"""A bearer token for requests."""

from __future__ import annotations

from airflow.providers.common.compat.sdk import AirflowException
from requests import PreparedRequest
from requests.auth import AuthBase


class MlflowToken(AuthBase):
    """Sends a token with each request."""

    def __init__(self, token: str) -> None:
        if not (token.isascii() and token.isprintable()):
            raise AirflowException("The token for MLflow contains an invalid character.")
        self.header = f"Bearer {token}"

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        """Add the token to a request."""
        request.headers["Authorization"] = self.header
        return request
