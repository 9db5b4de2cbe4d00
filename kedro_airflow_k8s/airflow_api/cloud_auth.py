"""Credentials for Google Cloud Composer and Amazon MWAA, from their own libraries."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from types import ModuleType
from typing import Any

from kedro_airflow_k8s.airflow_api.secrecy import Secrets
from kedro_airflow_k8s.airflow_api.transport import Credentials, Transport
from kedro_airflow_k8s.errors import ConfigError, NotAirflow, NotAuthenticated, NotFound, Refused

SCOPE = "https://www.googleapis.com/auth/cloud-platform"
# https://docs.aws.amazon.com/mwaa/latest/userguide/access-mwaa-apache-airflow-rest-api.html
MWAA_LOG_IN = ("pluginsv2/aws_mwaa/login", "aws_mwaa/login")
"""Where MWAA's web server exchanges a token for a cookie: on Airflow 3, and on 2."""


class GoogleCredentials(Credentials):
    """Google's application default credentials, which Cloud Composer takes as a bearer token."""

    advice = (
        "Google's credentials are valid, but this Airflow does not accept them: is the account a"
        " user of the Composer environment?"
    )

    def __init__(self, secrets: Secrets) -> None:
        self._auth = _library("google.auth", "google", "google-auth", "gcp")
        self._exceptions = importlib.import_module("google.auth.exceptions")
        self._secrets = secrets
        self._credentials: Any = None

    def headers(self) -> Mapping[str, str]:
        """Return a token that lasts for an hour or less, renewed before it expires."""
        problem = ""
        try:
            if self._credentials is None:
                self._credentials, _ = self._auth.default(scopes=[SCOPE])
            if not self._credentials.valid:
                self._refresh()
        except self._exceptions.DefaultCredentialsError:
            problem = "found no credentials. Run `gcloud auth application-default login`"
        except self._exceptions.GoogleAuthError as error:
            problem = f"got no token ({type(error).__name__}). Have its credentials expired?"
        if problem:  # outside of the handler: the library's error may contain a secret
            raise NotAuthenticated(f"airflow_auth is `google`, but Google's library {problem}.")
        self._secrets.add(self._credentials.token)
        return {"Authorization": f"Bearer {self._credentials.token}"}

    def renew(self) -> bool:
        """Request another token, although this one has not expired yet."""
        self._credentials = None
        return True

    def _refresh(self) -> None:
        transport = importlib.import_module("google.auth.transport.requests")
        self._credentials.refresh(transport.Request())


class MwaaCredentials(Credentials):
    """A session with an MWAA environment, begun with AWS credentials."""

    advice = (
        "AWS's credentials are valid, but this Airflow does not accept them: do they allow"
        " airflow:CreateWebLoginToken, and is `host` that of the environment?"
    )

    forbidden_when_expired = True

    def __init__(self, environment: str, region: str | None, transport: Transport) -> None:
        self._session = _library("botocore.session", "aws", "botocore", "aws")
        self._exceptions = importlib.import_module("botocore.exceptions")
        self._environment, self._region = environment, region
        self._transport = transport
        self._headers: dict[str, str] | None = None

    def headers(self) -> Mapping[str, str]:
        """Return the server's token for AWS's token; on Airflow 2 it is in the cookies."""
        if self._headers is None:
            self._headers = self._log_in()
        return self._headers

    def renew(self) -> bool:
        """Begin another session with the next request."""
        had_one = self._headers is not None
        self._headers = None
        return had_one

    def _log_in(self) -> dict[str, str]:
        problem = ""
        for path in MWAA_LOG_IN:
            form = {"token": self._web_token()}
            try:
                answer = self._transport.send(
                    "POST", path, data=form, anonymous=True, text_too=True, once=True
                )
            except (NotFound, NotAirflow, Refused) as error:
                problem = str(error)
                continue
            token = answer.cookies.get("_token")
            self._transport.secrets.add(*answer.cookies.values())
            return {"Authorization": f"Bearer {token}"} if token else {}
        raise NotAuthenticated(f"{self._transport.host} is not a web server of MWAA. {problem}")

    def _web_token(self) -> str:
        """Return a token that the web server accepts once, within a minute."""
        problem = ""
        try:
            client = self._session.get_session().create_client("mwaa", region_name=self._region)
            token: str = client.create_web_login_token(Name=self._environment)["WebToken"]
        except self._exceptions.NoCredentialsError:
            problem = "found no credentials. Run `aws configure` or `aws sso login`"
        except self._exceptions.NoRegionError:
            problem = "has no region. Set airflow_auth.region or AWS_REGION"
        except self._exceptions.ClientError as error:
            said = error.response.get("Error", {})
            problem = f"was refused ({said.get('Code')}: {said.get('Message')})"
        except self._exceptions.BotoCoreError as error:
            problem = f"got no token ({type(error).__name__})"
        if problem:  # outside of the handler: the library's error may contain a secret
            problem = self._transport.secrets.hide(problem)
            raise NotAuthenticated(
                f"airflow_auth is `aws` for the MWAA environment {self._environment!r}, but AWS's"
                f" library {problem}."
            )
        self._transport.secrets.add(token)
        return token


def _library(module: str, kind: str, package: str, extra: str) -> ModuleType:
    try:
        return importlib.import_module(module)
    except ImportError:
        pass
    raise ConfigError(
        f"airflow_auth is `{kind}`, but {package} is not installed. Run"
        f" `pip install 'kedro-airflow-k8s[{extra}]'`."
    )
