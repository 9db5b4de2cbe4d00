"""Finds out which Airflow answers, and makes the client for it."""

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
"""The first version whose API is not known yet."""


class VersionInfo(Record):
    """What both APIs give to anyone, in most set-ups."""

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
        host: The base address, with the path that a proxy may put in front of Airflow's own.
        auth: The kind of credentials; None for what the environment variables are set for.
        tls: Certificates.
        environ: The environment variables.
        warn: Called with each warning, once.
        timeout: Seconds to wait for a connection, and for the next piece of an answer.

    Raises:
        ConfigError: If something needed is missing, before any request.
        AirflowApiError: If nothing answers, or what answers is not an Airflow that this plugin
            knows.
    """
    host = host.rstrip("/")
    if "@" in urlsplit(host).netloc:
        raise ConfigError(
            "The host of Airflow holds a user's name or password: use the environment variables"
            f" {auth_.USERNAME} and {auth_.PASSWORD}."
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
            f"{host} is Airflow {version}, which this kedro-airflow-k8s does not know: install a"
            " newer one."
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
        # Python's own way to write versions, of which semver knows the numbers: 3.1.0rc1, and
        # 2.10.5+composer on Google Cloud.
        numbers = re.match(r"(\d+)\.(\d+)(?:\.(\d+))?", found)
        if numbers:
            return Version(*(int(number or 0) for number in numbers.groups()))
        raise NotAirflow(f"{transport.host} says that its version is {found!r}, which is not one.")
    if all(isinstance(error, NotFound) for error in errors):
        raise NotAirflow(f"{errors[0]} Is there no Airflow at {transport.host}?")
    # An error about the user says more than a path that is not there.
    raise next((e for e in errors if isinstance(e, NotAllowed | NotAuthenticated)), errors[0])
