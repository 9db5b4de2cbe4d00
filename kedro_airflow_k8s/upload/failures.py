"""What went wrong with a remote place, in words: the cause, what is there now, and the way out."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from urllib.parse import unquote

from kedro_airflow_k8s.errors import UploadError
from kedro_airflow_k8s.upload.stores import KNOWN, Store, Target


class NoAnswerError(Exception):
    """So many seconds passed without an answer."""

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


def remote_failure(error: Exception, target: Target, *, reading: bool = False) -> UploadError:
    """The error to show for one that a client library raised; reading leaves all as it was."""
    store, where = target.store, f"Cannot {'read' if reading else 'write to'} {target.shown}"
    name = target.protocol if store is None else store.title
    again = "try" if reading else "upload"
    # One put stores all or nothing, so these hold however the request ended.
    one_put = bool(store) and not reading
    untouched = " What was there is untouched." if one_put else ""
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
        cannot = "read" if reading else "written to"
        return UploadError(f"{where}: {name} cannot be {cannot}. `output` may be {KNOWN}.")
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
    if _is_login(error, causes, status):
        advice = _advice(store, reading) if store else "check the user and the rights"
        return UploadError(
            f"{where}: {name} gives no access ({words}). To get it: {advice}.{untouched}"
        )
    if status >= 500:
        return UploadError(
            f"{where}: {name} failed with status {status} ({words})."
            f" {again.capitalize()} again later.{whole}"
        )
    return UploadError(f"{where}: {words}. Correct `output` or what is said there.{whole}")


def _advice(store: Store, reading: bool) -> str:
    may = "read what is" if reading else store.writing
    return f"{store.login}, and let {store.identity} {may} there"


def _is_login(error: Exception, causes: list[BaseException], status: int) -> bool:
    if status in (401, 403) or isinstance(error, PermissionError):
        return True
    for cause in causes:
        response = getattr(cause, "response", None)
        code = response.get("Error", {}).get("Code") if isinstance(response, dict) else None
        if code in _LOGIN_CODES or _LOGIN_ERRORS.search(type(cause).__name__):
            return True
        # gcsfs raises a plain OSError for 403, adlfs a ValueError when nothing is configured.
        if str(cause).startswith(("Forbidden:", "unable to connect to account")):
            return True
    return False


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__


def _status(error: BaseException) -> int:
    """The HTTP status an exception carries, 0 when it carries none."""
    response = getattr(error, "response", None)  # botocore's is a dict
    if isinstance(response, dict):
        value = response.get("ResponseMetadata", {}).get("HTTPStatusCode")
    else:  # azure, aiohttp and gcsfs, in this order
        attributes = (getattr(error, name, None) for name in ("status_code", "status", "code"))
        value = next((value for value in attributes if value), None)
    return int(value) if isinstance(value, int | str) and str(value).isdigit() else 0


def _words(error: Exception, target: Target) -> str:
    """What the server or the client library said: one short line without credentials."""
    text = (isinstance(error, OSError) and error.strerror) or str(error)
    lines = [line.strip() for line in str(text).splitlines() if line.strip()]
    if len(lines) > 1 and lines[0].startswith(("Forbidden:", "Bad Request:")):
        lines = lines[1:]  # gcsfs puts the address of the request first
    line = _without_secrets(lines[0] if lines else type(error).__name__, target)
    return (line if len(line) <= 200 else line[:197] + "...").rstrip(".")


def _without_secrets(text: str, target: Target) -> str:
    if target.store is None and "@" in target.authority:
        password = target.authority.rpartition("@")[0].rpartition(":")[2]
        for value in filter(None, (password, unquote(password))):
            text = text.replace(value, "***")
    for name, value in os.environ.items():
        if len(value) >= 8 and re.search(r"SECRET|TOKEN|KEY|PASSW|CONNECTION_STRING|SAS", name):
            text = text.replace(value, "***")
    text = re.sub(r"//[^/\s@]+@", "//***@", text)
    text = re.sub(r"\?[^\s\"'<>]+", "?***", text)
    secret = r"sig|token|password|secret|accountkey|account_key|access_key|authorization"
    return re.sub(rf"(?i)\b({secret})(\"?\s*[=:]\s*\"?|\s+bearer\s+)\S+", r"\1=***", text)
