"""Chooses the credentials, and has those that need no cloud library."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from typing import Literal
from urllib.parse import urlsplit

from kedro_airflow_k8s.airflow_api.cloud_auth import GoogleCredentials, MwaaCredentials
from kedro_airflow_k8s.airflow_api.records import Record
from kedro_airflow_k8s.airflow_api.transport import Credentials, Transport
from kedro_airflow_k8s.config.addresses import is_on_this_machine
from kedro_airflow_k8s.config.model import AirflowAuth
from kedro_airflow_k8s.errors import ConfigError, NotAirflow, NotAuthenticated, NotFound, Refused

TOKEN = "AIRFLOW_API_TOKEN"
USERNAME = "AIRFLOW_API_USERNAME"
PASSWORD = "AIRFLOW_API_PASSWORD"

Kind = Literal["token", "password", "google", "aws", "none"]


def auth_kind(auth: AirflowAuth | None, environ: Mapping[str, str]) -> Kind:
    """Return the kind in the config, or else the one that the environment variables are for.

    Raises:
        ConfigError: If a variable that is needed is not set.
    """
    if auth is not None:
        kind: Kind = auth.type
    elif environ.get(TOKEN):
        kind = "token"
    else:
        kind = "password" if environ.get(USERNAME) or environ.get(PASSWORD) else "none"
    needed = {"token": [TOKEN], "password": [USERNAME, PASSWORD]}.get(kind, [])
    missing = [name for name in needed if not environ.get(name)]
    if missing:
        raise ConfigError(
            f"The environment variable {' and '.join(missing)} is empty. Authentication with"
            f" `{kind}` needs {' and '.join(needed)}."
        )
    return kind


def credentials(
    kind: Kind, auth: AirflowAuth | None, environ: Mapping[str, str], transport: Transport
) -> Credentials:
    """Return the credentials; none for a password, because the login depends on the version."""
    if kind == "token":
        return Token(environ[TOKEN], transport)
    if kind == "google":
        return GoogleCredentials(transport.secrets)
    if kind == "aws" and auth is not None:
        return MwaaCredentials(auth.environment or "", auth.region, transport)
    return Anonymous()


def warn_of_clear_text(host: str, kind: Kind, warn: Callable[[str], None]) -> None:
    """Warn if credentials would be sent over a network without encryption."""
    if urlsplit(host).scheme == "http" and kind != "none" and not is_on_this_machine(host):
        warn(
            f"The connection to {host} is not encrypted. Others can read your credentials on the"
            " network. Use https:// if Airflow supports it."
        )


class Anonymous(Credentials):
    """No credentials."""

    advice = (
        f"Set {TOKEN}, or {USERNAME} and {PASSWORD}, in the environment, or airflow_auth in"
        " airflow-k8s.yaml."
    )

    def headers(self) -> Mapping[str, str]:
        """Return nothing."""
        return {}


class Token(Credentials):
    """A bearer token from elsewhere."""

    advice = f"Is the token in {TOKEN} one of this server, and has it not expired?"

    def __init__(self, token: str, transport: Transport) -> None:
        token = token.strip()
        transport.secrets.add(token)
        # requests would repeat the token in its error.
        if not (token.isascii() and token.isprintable()) or " " in token:
            raise ConfigError(f"{TOKEN} contains characters that are not valid in a token.")
        self._token = token

    def headers(self) -> Mapping[str, str]:
        """Return the bearer token."""
        return {"Authorization": f"Bearer {self._token}"}


class BasicAuth(Credentials):
    """A user of Airflow 2, whose name and password are sent with every request."""

    advice = (
        f"Are {USERNAME} and {PASSWORD} right, and is basic_auth among the server's"
        " [api] auth_backends?"
    )

    def __init__(self, user: str, password: str, transport: Transport) -> None:
        pair = base64.b64encode(f"{user}:{password}".encode()).decode()
        transport.secrets.add(password, pair)
        self._headers = {"Authorization": f"Basic {pair}"}

    def headers(self) -> Mapping[str, str]:
        """Return basic authentication."""
        return self._headers


class AccessToken(Record):
    """The token that Airflow 3 returns for a user's name and password."""

    access_token: str


class PasswordLogin(Credentials):
    """A user of Airflow 3, whose name and password are exchanged for a token of up to a day."""

    advice = f"Are {USERNAME} and {PASSWORD} right?"

    def __init__(self, user: str, password: str, transport: Transport) -> None:
        transport.secrets.add(password)
        self._user, self._password = user, password
        self._transport = transport
        self._token: str | None = None

    def headers(self) -> Mapping[str, str]:
        """Return the token, which is requested when it is first needed."""
        if self._token is None:
            self._token = self._log_in()
            self._transport.secrets.add(self._token)
        return {"Authorization": f"Bearer {self._token}"}

    def renew(self) -> bool:
        """Log in again with the next request."""
        had_one = self._token is not None
        self._token = None
        return had_one

    def _log_in(self) -> str:
        body = {"username": self._user, "password": self._password}
        try:
            answer = self._transport.send("POST", "auth/token", json=body, anonymous=True)
        except (NotFound, NotAirflow, Refused) as error:
            raise NotAuthenticated(
                f"This Airflow does not support login with a user and password. Use {TOKEN}."
                f" {error}"
            ) from None
        return answer.read(AccessToken).access_token
