"""What makes Airflow's workers known to MLflow."""

from __future__ import annotations

from typing import Any

import requests
from airflow.providers.common.compat.sdk import AirflowNotFoundException, BaseHook, Variable

MLFLOW_VARIABLES = (
    "MLFLOW_TRACKING_USERNAME",
    "MLFLOW_TRACKING_PASSWORD",
    "MLFLOW_TRACKING_TOKEN",
)


def mlflow_auth(uri: str, type: str = "none", **where: Any) -> Any:  # noqa: A002
    """What requests takes to make the caller known to MLflow.

    Args:
        uri: The address of MLflow.
        type: `none`, `vars` (Airflow variables), `connection` (an Airflow connection) or `google`
            (an id token of the worker's Google account).
        where: `params`, the names of the variables; `connection`, its id; `audience`, of the token.

    Raises:
        RuntimeError: If there are none.
    """
    if type == "google":
        return BearerToken(google_id_token(where.get("audience") or uri))
    if type == "connection":
        source = f"Airflow connection {where['connection']!r}"
        try:
            found = BaseHook.get_connection(where["connection"])
        except AirflowNotFoundException as error:
            raise RuntimeError(
                f"{source} does not exist. Create it, with what MLflow at {uri} wants: a login and"
                " a password, or a password alone for a token."
            ) from error
        user, password = found.login, found.password
        token = None if user else password
    elif type == "vars":
        names = where.get("params") or MLFLOW_VARIABLES
        values = {name: Variable.get(name, None) for name in names}
        user, password, token = (values.get(name) for name in MLFLOW_VARIABLES)
        source = f"Airflow variables {', '.join(names)}"
    else:
        return None
    # What is pasted often ends with a line, which no header may have.
    user, password, token = (value and value.rstrip("\r\n") for value in (user, password, token))
    # In the order, and with the encoding, of MLflow in the pods.
    if user and password:
        return (user.encode(), password.encode())
    if token and not (token.isascii() and token.isprintable()):
        raise RuntimeError(f"{source}: the token for MLflow has characters that no token has.")
    if token:
        return BearerToken(token)
    raise RuntimeError(
        f"{source}: there is no user with a password, and no token, for MLflow at {uri}. Create"
        " them in Airflow."
    )


class BearerToken(requests.auth.AuthBase):
    """Sends a token with each request."""

    def __init__(self, token: str) -> None:
        self.token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Put it into a request."""
        request.headers["Authorization"] = f"Bearer {self.token}"
        return request


def google_id_token(audience: str) -> str:
    """A Google id token of the account that GOOGLE_APPLICATION_CREDENTIALS or the machine has.

    Raises:
        RuntimeError: If there is none to be had.
    """
    try:
        from google.auth.exceptions import GoogleAuthError
        from google.auth.transport.requests import Request
        from google.oauth2.id_token import fetch_id_token
    except ImportError as error:
        raise RuntimeError(
            "A Google token for MLflow needs the package google-auth on Airflow's workers."
        ) from error
    try:
        return str(fetch_id_token(Request(), audience))  # type: ignore[no-untyped-call]
    except GoogleAuthError as error:
        raise RuntimeError(
            f"There is no Google id token for {audience!r} on this worker: {error}. It needs a"
            " service account, by GOOGLE_APPLICATION_CREDENTIALS or by the machine it runs on."
        ) from error
