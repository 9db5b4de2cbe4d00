"""Why no whole answer came, without the words of libraries: they may repeat what is secret."""

from __future__ import annotations

import http.client
import socket
import ssl
from collections.abc import Iterator

import requests
import urllib3

from kedro_airflow_k8s.airflow_api.answers import Failure
from kedro_airflow_k8s.errors import Unreachable

NETWORK_ERRORS = (
    requests.RequestException,
    urllib3.exceptions.HTTPError,
    http.client.HTTPException,
    OSError,
    UnicodeError,
)
"""What a session raises where there is no answer."""


def network_failure(error: Exception, host: str, source: str, *, reached: bool) -> Failure:
    """Why no whole answer came.

    Args:
        error: One of `NETWORK_ERRORS`.
        host: The base address of the server.
        source: The request, for the message.
        reached: Whether this server has answered before. If not, an unknown name or a refused
            connection is more likely a wrong address than a restart, and final.
    """
    causes = list(_chain(error))
    found = _untrusted(causes, host) or _by_type(causes, host, reached)
    return Failure(Unreachable(f"{source}: {found[0]}"), passing=found[1])


def _untrusted(causes: list[BaseException], host: str) -> tuple[str, bool] | None:
    """What is wrong with TLS, if anything is, and whether it may pass."""
    for cause in causes:
        if isinstance(cause, ssl.SSLCertVerificationError):
            said = (
                f"the certificate of {host} is not trusted ({cause.verify_message}). If an"
                " authority of your own has issued it, give its certificates as"
                " airflow_tls.ca_bundle in airflow-k8s.yaml or in REQUESTS_CA_BUNDLE;"
                " AIRFLOW__CLIENT__SSL_VERIFY=False turns the check off, at your own risk."
            )
            return said, False
        if isinstance(cause, ssl.SSLEOFError | ssl.SSLZeroReturnError):
            return "the connection broke off.", True
        if isinstance(cause, ssl.SSLError):
            reason = (cause.reason or "").replace("_", " ").lower()
            if "alert" in reason:
                advice = (
                    "The server refused: it may want a certificate of yours, which is"
                    " airflow_tls.client_certificate in airflow-k8s.yaml."
                )
            elif "wrong version" in reason or "http request" in reason:
                advice = "Does this port speak http:// and not https://?"
            else:
                advice = "Look at host and airflow_tls in airflow-k8s.yaml."
            return f"no TLS connection with {host} ({reason or 'refused'}). {advice}", False
    return None


def _by_type(causes: list[BaseException], host: str, reached: bool) -> tuple[str, bool]:
    if _any(causes, requests.exceptions.ProxyError, urllib3.exceptions.ProxyError):
        return "the proxy of HTTPS_PROXY or HTTP_PROXY does not answer.", reached
    if _any(causes, requests.exceptions.InvalidURL, urllib3.exceptions.LocationValueError):
        return f"{host} is no address.", False
    if _any(causes, UnicodeError):
        return f"{host} or the credentials hold characters that cannot be sent.", False
    if _any(causes, socket.gaierror, urllib3.exceptions.NameResolutionError):
        return f"the name in {host} is not known to DNS. Is it spelled right? VPN?", reached
    if _any(causes, ConnectionRefusedError):
        return f"nothing listens at {host}. Is Airflow running, and the port right?", reached
    if _any(causes, requests.Timeout, urllib3.exceptions.TimeoutError, TimeoutError):
        return "no answer came in time.", True
    if _any(causes, requests.exceptions.InvalidHeader):
        return "the credentials hold characters that cannot be sent.", False
    for cause in causes:
        if isinstance(cause, OSError) and cause.strerror and not isinstance(cause, ssl.SSLError):
            return f"the connection broke off ({cause.strerror.lower()}).", True
    return "the connection or the answer broke off.", True


def _any(causes: list[BaseException], *kinds: type[BaseException]) -> bool:
    return any(isinstance(cause, kinds) for cause in causes)


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The error and all that it stands for: urllib3 keeps causes as `reason` or as arguments."""
    seen: set[int] = set()
    waiting: list[object] = [error]
    while waiting:
        found = waiting.pop(0)
        if not isinstance(found, BaseException) or id(found) in seen:
            continue
        seen.add(id(found))
        yield found
        waiting += [found.__cause__, found.__context__, getattr(found, "reason", None), *found.args]
