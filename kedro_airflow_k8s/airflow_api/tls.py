"""The TLS settings: how to verify the server's certificate, and the client certificate."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import urllib3

from kedro_airflow_k8s.config.model import AirflowTls
from kedro_airflow_k8s.errors import ConfigError

SSL_VERIFY = "AIRFLOW__CLIENT__SSL_VERIFY"
_TRUE = ("", "true", "t", "1", "yes", "on")
_FALSE = ("false", "f", "0", "no", "off")


@dataclass(frozen=True)
class Tls:
    """What requests takes as `verify` and as `cert`."""

    verify: bool | str = True
    certificate: str | tuple[str, str] | None = None


def tls_settings(tls: AirflowTls, environ: Mapping[str, str], warn: Callable[[str], None]) -> Tls:
    """Return the settings of a connection, from the config and the environment.

    Raises:
        ConfigError: If a file is missing, or an environment variable is invalid.
    """
    key = _file("airflow_tls.client_key", tls.client_key)
    shown = _file("airflow_tls.client_certificate", tls.client_certificate)
    certificate = (shown, key) if shown and key else shown
    bundle = _file("airflow_tls.ca_bundle", tls.ca_bundle)
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        bundle = bundle or _file(f"The environment variable {name}", environ.get(name))
    if _verified(environ.get(SSL_VERIFY, "")):
        return Tls(bundle or True, certificate)
    warn(
        f"{SSL_VERIFY} turns off the check of certificates. Others on the network can then read and"
        " change everything, including credentials. To trust a private certificate safely, set"
        " airflow_tls.ca_bundle in airflow-k8s.yaml."
    )
    # Our warning says more, and is shown once.
    urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
    return Tls(verify=False, certificate=certificate)


def _verified(text: str) -> bool:
    word = text.strip().lower()
    if word not in _TRUE + _FALSE:
        raise ConfigError(f"The environment variable {SSL_VERIFY} must be True or False.")
    return word in _TRUE


def _file(name: str, path: str | None) -> str | None:
    if not path:
        return None
    found = Path(path).expanduser()
    # requests also takes a folder of certificates, as OpenSSL does.
    if not found.exists():
        raise ConfigError(f"{name}: there is no file {path!r}.")
    return str(found)
