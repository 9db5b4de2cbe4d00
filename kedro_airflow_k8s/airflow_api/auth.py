"""Which credentials to use, and those that need no cloud's library."""

from __future__ import annotations

import base64
import ipaddress
from collections.abc import Callable, Mapping
from typing import Literal
from urllib.parse import urlsplit

from semver import Version

from kedro_airflow_k8s.airflow_api.cloud_auth import GoogleCredentials, MwaaCredentials
from kedro_airflow_k8s.airflow_api.transport import Call, Credentials, Transport
from kedro_airflow_k8s.config.model import AirflowAuth
from kedro_airflow_k8s.errors import ConfigError, NotAirflow, NotAuthenticated, NotFound, Refused

TOKEN = "AIRFLOW_API_TOKEN"
USERNAME = "AIRFLOW_API_USERNAME"
PASSWORD = "AIRFLOW_API_PASSWORD"

Kind = Literal["token", "password", "google", "aws", "none"]


def auth_kind(auth: AirflowAuth | None, environ: Mapping[str, str]) -> Kind:
    """What the config says, or else what the environment variables are set for.

    Raises:
        ConfigError: If a variable that is needed is not set.
    """
    if auth is None:
        if environ.get(TOKEN):
            return "token"
        if environ.get(USERNAME) or environ.get(PASSWORD):
            _both(environ)
            return "password"
        return "none"
    if auth.type == "token" and not environ.get(TOKEN):
        raise ConfigError(
            f"airflow_auth is `token`, and the environment variable {TOKEN} is empty."
        )
    if auth.type == "password":
        _both(environ)
    return auth.type


def first_credentials(
    kind: Kind, auth: AirflowAuth | None, environ: Mapping[str, str], transport: Transport
) -> Credentials:
    """What asks for the version: nothing yet where the log-in depends on the version."""
    if kind == "token":
        return Token(environ[TOKEN], transport)
    if kind == "google":
        return GoogleCredentials(transport.secrets)
    if kind == "aws" and auth is not None:
        return MwaaCredentials(auth.environment or "", auth.region, transport)
    return Nobody()


def final_credentials(
    kind: Kind, version: Version, environ: Mapping[str, str], transport: Transport
) -> Credentials | None:
    """What asks for all else, if it is not what has asked for the version."""
    if kind != "password":
        return None
    user, password = environ[USERNAME], environ[PASSWORD]
    return (UserOf3 if version.major >= 3 else UserOf2)(user, password, transport)


def warn_of_clear_text(host: str, kind: Kind, warn: Callable[[str], None]) -> None:
    """Say so where credentials would cross a network that anybody can read on."""
    url = urlsplit(host)
    if url.scheme == "http" and kind != "none" and not _on_this_machine(url.hostname or ""):
        warn(
            f"{host} is not encrypted: whoever is on the way there can read your credentials. Use"
            " https:// if Airflow has it."
        )


def _on_this_machine(name: str) -> bool:
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return name == "localhost" or name.endswith(".localhost")


def _both(environ: Mapping[str, str]) -> None:
    missing = [name for name in (USERNAME, PASSWORD) if not environ.get(name)]
    if missing:
        raise ConfigError(
            f"The environment variable {' and '.join(missing)} is empty: to log in to Airflow with"
            f" a password set both {USERNAME} and {PASSWORD}."
        )


class Nobody(Credentials):
    """No credentials."""

    advice = (
        f"Set {TOKEN}, or {USERNAME} and {PASSWORD}, in the environment, or airflow_auth in"
        " airflow-k8s.yaml."
    )

    def headers(self) -> Mapping[str, str]:
        """Nothing."""
        return {}


class Token(Credentials):
    """A bearer token that somebody else has got for us."""

    advice = f"Is the token in {TOKEN} one of this server, and has it not expired?"

    def __init__(self, token: str, transport: Transport) -> None:
        token = token.strip()
        transport.secrets.add(token)
        # requests would repeat the token in its error.
        if not (token.isascii() and token.isprintable()) or " " in token:
            raise ConfigError(f"{TOKEN} holds characters that no token has.")
        self._token = token

    def headers(self) -> Mapping[str, str]:
        """The bearer token."""
        return {"Authorization": f"Bearer {self._token}"}


class UserOf2(Credentials):
    """A user of Airflow 2, whose name and password go with every request."""

    advice = (
        f"Are {USERNAME} and {PASSWORD} right, and is basic_auth among the server's"
        " [api] auth_backends?"
    )

    def __init__(self, user: str, password: str, transport: Transport) -> None:
        pair = base64.b64encode(f"{user}:{password}".encode()).decode()
        transport.secrets.add(password, pair)
        self._headers = {"Authorization": f"Basic {pair}"}

    def headers(self) -> Mapping[str, str]:
        """Basic authentication."""
        return self._headers


class UserOf3(Credentials):
    """A user of Airflow 3, whose name and password get a token that lasts for a day or less."""

    advice = f"Are {USERNAME} and {PASSWORD} right?"

    def __init__(self, user: str, password: str, transport: Transport) -> None:
        transport.secrets.add(password)
        self._user, self._password = user, password
        self._transport = transport
        self._token: str | None = None

    def headers(self) -> Mapping[str, str]:
        """The token, got when it is first needed."""
        if self._token is None:
            self._token = self._log_in()
            self._transport.secrets.add(self._token)
        return {"Authorization": f"Bearer {self._token}"}

    def renew(self) -> bool:
        """Log in once more with the next request."""
        had_one = self._token is not None
        self._token = None
        return had_one

    def _log_in(self) -> str:
        body = {"username": self._user, "password": self._password}
        try:
            answer = self._transport.send(Call("POST", "auth/token", body=body, anonymous=True))
        except (NotFound, NotAirflow, Refused) as error:
            raise NotAuthenticated(
                f"This Airflow gives no token for a user's name and password: use {TOKEN}. {error}"
            ) from None
        return answer.record.text("access_token")
