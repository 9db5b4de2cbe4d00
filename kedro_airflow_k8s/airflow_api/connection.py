"""Finds out the version of Airflow, and creates the client for it."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

from semver import Version

from kedro_airflow_k8s.airflow_api import auth as auth_
from kedro_airflow_k8s.airflow_api.airflow2 import Airflow2Client
from kedro_airflow_k8s.airflow_api.airflow3 import Airflow3Client
from kedro_airflow_k8s.airflow_api.client import AirflowClient
from kedro_airflow_k8s.airflow_api.records import Record
from kedro_airflow_k8s.airflow_api.tls import tls_settings
from kedro_airflow_k8s.airflow_api.transport import TIMEOUT, Transport
from kedro_airflow_k8s.config.model import AirflowAuth, AirflowTls
from kedro_airflow_k8s.errors import (
    AirflowApiError,
    ConfigError,
    NotAirflow,
    NotAllowed,
    NotAuthenticated,
    NotFound,
)

OLDEST = Version(2, 11)
NEXT_MAJOR = Version(4)
"""The first version that is not supported yet."""


class VersionInfo(Record):
    """The version, which both APIs usually return without authentication."""

    version: str


def connect(
    host: str,
    auth: AirflowAuth | None,
    tls: AirflowTls,
    *,
    environ: Mapping[str, str] = os.environ,
    warn: Callable[[str], None],
    timeout: tuple[float, float] = TIMEOUT,
) -> AirflowClient:
    """Return a client for the Airflow that answers at an address.

    Args:
        host: The base address, including the path that a proxy adds.
        auth: The kind of credentials; None for the one that the environment variables are for.
        tls: Certificates.
        environ: The environment variables.
        warn: Called with each warning, once.
        timeout: Seconds to wait for a connection, and for the next piece of an answer.

    Raises:
        ConfigError: If something needed is missing, before any request.
        AirflowApiError: If there is no answer, or not that of a supported Airflow.
    """
    host = host.rstrip("/")
    if "@" in urlsplit(host).netloc:
        raise ConfigError(
            "The host of Airflow contains a user name or password. Remove it, and use the"
            f" environment variables {auth_.USERNAME} and {auth_.PASSWORD}."
        )
    kind = auth_.auth_kind(auth, environ)
    settings = tls_settings(tls, environ, warn)
    auth_.warn_of_clear_text(host, kind, warn)
    transport = Transport(host, settings, timeout)
    transport.credentials = auth_.credentials(kind, auth, environ, transport)
    version = _version(transport)
    if version < OLDEST:
        raise AirflowApiError(
            f"{host} is Airflow {version}. kedro-airflow-k8s needs {OLDEST.major}.{OLDEST.minor} or"
            " newer."
        )
    if version >= NEXT_MAJOR:
        raise AirflowApiError(
            f"{host} is Airflow {version}, which this version of kedro-airflow-k8s does not"
            " support. Install a newer version."
        )
    if kind == "password":
        log_in = auth_.BasicAuth if version.major == 2 else auth_.PasswordLogin
        user, password = environ[auth_.USERNAME], environ[auth_.PASSWORD]
        transport.credentials = log_in(user, password, transport)
    return (Airflow2Client if version.major == 2 else Airflow3Client)(transport, version)


def _version(transport: Transport) -> Version:
    errors: list[AirflowApiError] = []
    for api in ("api/v2", "api/v1"):
        try:
            found = transport.get(f"{api}/version").read(VersionInfo).version
        except (NotFound, NotAirflow, NotAllowed, NotAuthenticated) as error:
            errors.append(error)
            continue
        # A version of Python's format, such as 3.1.0rc1, or 2.10.5+composer on Google Cloud. semver
        # gets only the numbers.
        numbers = re.match(r"(\d+)\.(\d+)(?:\.(\d+))?", found)
        if numbers:
            return Version(*(int(number or 0) for number in numbers.groups()))
        raise NotAirflow(f"{transport.host} reports an invalid version, {found!r}.")
    if all(isinstance(error, NotFound) for error in errors):
        raise NotAirflow(f"{errors[0]} Is there no Airflow at {transport.host}?")
    # An error about the user says more than a missing path.
    raise next((e for e in errors if isinstance(e, NotAllowed | NotAuthenticated)), errors[0])
