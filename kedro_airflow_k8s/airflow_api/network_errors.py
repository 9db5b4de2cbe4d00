"""Messages for network errors, without the texts of libraries, which may contain secrets."""

from __future__ import annotations

import http.client
import socket
import ssl
from collections.abc import Iterator

import requests
import urllib3

from kedro_airflow_k8s.airflow_api.response_errors import Failure
from kedro_airflow_k8s.errors import Unreachable

NETWORK_ERRORS = (
    requests.RequestException,
    urllib3.exceptions.HTTPError,
    http.client.HTTPException,
    OSError,
    UnicodeError,
)
"""The errors of a session if there is no answer."""


def network_failure(error: Exception, source: str, *, reached: bool) -> Failure:
    """Return why there is no complete answer.

    Args:
        error: One of `NETWORK_ERRORS`.
        source: The request with its address, for the message.
        reached: Whether this server has answered before. If not, an unknown host or a refused
            connection is probably a wrong address and not a restart, so there is no retry.
    """
    causes = list(_chain(error))
    words, passing = _tls_failure(causes) or _failure(causes, reached)
    return Failure(Unreachable(f"{source}: {words}"), passing=passing)


def _tls_failure(causes: list[BaseException]) -> tuple[str, bool] | None:
    """Return what is wrong with TLS, if anything, and whether the error may be temporary."""
    found = next((cause for cause in causes if isinstance(cause, ssl.SSLError)), None)
    if found is None:
        return None
    if isinstance(found, ssl.SSLCertVerificationError):
        return (
            f"the certificate is not trusted ({found.verify_message}). If a private certificate"
            " authority has issued it, set airflow_tls.ca_bundle in airflow-k8s.yaml or"
            " REQUESTS_CA_BUNDLE. AIRFLOW__CLIENT__SSL_VERIFY=False turns the check off, at your"
            " own risk."
        ), False
    if isinstance(found, ssl.SSLEOFError | ssl.SSLZeroReturnError):
        return "the connection broke off.", True
    reason = (found.reason or "refused").replace("_", " ").lower()
    if "alert" in reason:
        hint = (
            "The server may require a client certificate: set airflow_tls.client_certificate in"
            " airflow-k8s.yaml."
        )
    elif "wrong version" in reason or "http request" in reason:
        hint = "Does this port use http:// and not https://?"
    else:
        hint = "Check host and airflow_tls in airflow-k8s.yaml."
    return f"no TLS connection ({reason}). {hint}", False


def _failure(causes: list[BaseException], reached: bool) -> tuple[str, bool]:
    """Return what else is wrong, and whether the error may be temporary."""

    def among(*kinds: type[BaseException]) -> bool:
        return any(isinstance(cause, kinds) for cause in causes)

    if among(requests.exceptions.ProxyError, urllib3.exceptions.ProxyError):
        return "the proxy in HTTPS_PROXY or HTTP_PROXY does not answer.", reached
    if among(requests.exceptions.InvalidURL, urllib3.exceptions.LocationValueError):
        return "the address is invalid.", False
    if among(UnicodeError, requests.exceptions.InvalidHeader):
        return "the address or the credentials contain characters that cannot be sent.", False
    if among(socket.gaierror):
        return "the host is unknown to DNS. Is it spelled correctly? Is a VPN needed?", reached
    if among(ConnectionRefusedError):
        return "the connection was refused. Is Airflow running, and is the port correct?", reached
    if among(requests.Timeout, urllib3.exceptions.TimeoutError, TimeoutError):
        return "the request timed out.", True
    for cause in causes:
        if isinstance(cause, OSError) and cause.strerror:
            return f"the connection broke off ({cause.strerror.lower()}).", True
    return "the connection or the answer broke off.", True


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield the error and its causes: urllib3 keeps them as `reason` or as arguments."""
    seen: set[int] = set()
    waiting: list[object] = [error]
    while waiting:
        found = waiting.pop(0)
        if not isinstance(found, BaseException) or id(found) in seen:
            continue
        seen.add(id(found))
        yield found
        waiting += [found.__cause__, found.__context__, getattr(found, "reason", None), *found.args]
