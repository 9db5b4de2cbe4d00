"""Messages for failures of a remote place: the cause, what is stored there now, and the fix."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal

from kedro_airflow_k8s.errors import UploadError
from kedro_airflow_k8s.pod.redaction import without_secrets
from kedro_airflow_k8s.upload.stores import ACCESS, KNOWN, Target


class NoAnswerError(Exception):
    """A store that did not answer in time."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"no answer in {seconds:g} s")


_NETWORK_ERRORS = {
    "ClientConnectionError",  # aiohttp
    "ConnectionError",  # builtin, requests, botocore
    "HTTPClientError",  # botocore
    "ServiceRequestError",  # azure
    "ServiceResponseError",  # azure
    "TimeoutError",
    "TransportError",  # google.auth
    "gaierror",
}
_LOGIN_ERRORS = re.compile(r"Credential|Token|Authentication|GoogleAuthError|ProfileNotFound|SSO")
_LOGIN_CODES = {"InvalidToken", "ExpiredToken", "TokenRefreshRequired", "InvalidClientTokenId"}


def remote_failure(
    error: Exception, target: Target, action: Literal["write to", "read", "delete"] = "write to"
) -> UploadError:
    """Return the error to show for one that a client library raised."""
    writing = action == "write to"
    store, where = target.store, f"Cannot {action} {target.shown}"
    name = store.title if store else target.protocol
    again = "upload" if writing else "try"
    # One put stores all or nothing, so these hold however the request ended.
    one_put = bool(store) and writing
    untouched = " An existing file was not changed." if one_put else ""
    whole = " Airflow sees the old file or the whole new one, never a part." if one_put else ""
    if isinstance(error, NoAnswerError):
        return UploadError(
            f"{where}: {name} gave {error}. Check the network, the "
            f"proxy and the credentials, and {again} again.{whole}"
        )
    words = _words(error, target)
    if isinstance(error, ImportError):
        install = f"pip install 'kedro-airflow-k8s[{store.extra}]' " if store else ""
        return UploadError(f"{where}: a package is missing. {install}({words}).{untouched}")
    if isinstance(error, NotImplementedError) or re.search("(?i)read.only", words):
        cannot = "read" if action == "read" else "written to"
        return UploadError(f"{where}: {name} cannot be {cannot}. `output` can be {KNOWN}.")
    causes = list(_causes(error))
    names = {base.__name__ for cause in causes for base in type(cause).__mro__}
    status = next((code for code in map(_status, causes) if code), 0)
    if store and (status == 404 or isinstance(error, FileNotFoundError)):
        bucket = target.authority.partition("@")[0]
        return UploadError(
            f"{where}: the {store.bucket} '{bucket}' does not exist. Create it, or correct "
            f"`output`.{untouched}"
        )
    if names & _NETWORK_ERRORS:
        return UploadError(
            f"{where}: {name} cannot be reached ({words}). Check the network, the proxy and the "
            f"endpoint, and {again} again.{whole}"
        )
    if status in (401, 403) or isinstance(error, PermissionError) or any(map(_is_login, causes)):
        return UploadError(
            f"{where}: {name} denied access ({words}). To fix this, "
            f"{_advice(target, action)}.{untouched}"
        )
    if status >= 500:
        return UploadError(
            f"{where}: {name} failed with status {status} ({words})."
            f" {again.capitalize()} again later.{whole}"
        )
    return UploadError(f"{where}: {words}. Correct `output`, or fix the cause.{whole}")


def _advice(target: Target, action: str) -> str:
    if target.store is None:
        return "check the user and the permissions"
    access = ACCESS[target.store]
    allowed = {"read": "read objects", "delete": access.deleting}.get(action, access.writing)
    return f"{access.login}, and allow {access.identity} to {allowed} there"


def _is_login(cause: BaseException) -> bool:
    """Return whether an error is about credentials."""
    response = getattr(cause, "response", None)
    code = response.get("Error", {}).get("Code") if isinstance(response, dict) else None
    return (
        code in _LOGIN_CODES
        or _LOGIN_ERRORS.search(type(cause).__name__) is not None
        # gcsfs raises a plain OSError for 403, adlfs a ValueError when nothing is configured.
        or str(cause).startswith(("Forbidden:", "unable to connect to account"))
    )


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__


def _status(error: BaseException) -> int:
    """Return the HTTP status that an exception carries, or 0."""
    response = getattr(error, "response", None)  # botocore's is a dict
    if isinstance(response, dict):
        value = response.get("ResponseMetadata", {}).get("HTTPStatusCode")
    else:  # azure, aiohttp and gcsfs, in this order
        attributes = (getattr(error, name, None) for name in ("status_code", "status", "code"))
        value = next((value for value in attributes if value), None)
    return int(value) if isinstance(value, int | str) and str(value).isdigit() else 0


def _words(error: Exception, target: Target) -> str:
    """Return what the server or the client library said: one short line without credentials."""
    text = (isinstance(error, OSError) and error.strerror) or str(error)
    lines = [line.strip() for line in str(text).splitlines() if line.strip()]
    if len(lines) > 1 and lines[0].startswith(("Forbidden:", "Bad Request:")):
        lines = lines[1:]  # gcsfs puts the address of the request first
    password = "" if target.store else target.authority.rpartition("@")[0].rpartition(":")[2]
    line = without_secrets(lines[0] if lines else type(error).__name__, password)
    return (line if len(line) <= 200 else line[:197] + "...").rstrip(".")
