"""Addresses and messages without secrets."""

from __future__ import annotations

import os
import re
from urllib.parse import unquote

from kedro_airflow_k8s.pod.stores import AZURE

HIDDEN = "***"
"""What stands in place of a secret."""

_SECRET_VARIABLE = re.compile("SECRET|TOKEN|KEY|PASSW|CONNECTION_STRING|SAS")
_USER_INFO = re.compile(r"([\w+.-]+:)?//([^/\s]+)@")
_JSON_WEB_TOKEN = re.compile(r"\beyJ[\w-]+\.[\w-]*\.?[\w-]*")
_SPARK_TOKEN = re.compile(r"(?i)(;token=)[^;\s]+")
_QUERY = re.compile(r"\?[^\s\"'<>]+")
_NAMED_SECRET = re.compile(
    r"(?i)\b(sig|token|password|secret|accountkey|account_key|access_key|authorization)"
    r"(\"?\s*[=:]\s*\"?|\s+bearer\s+)\S+"
)


def without_secrets(text: str, *secrets: str) -> str:
    """Return a message in which `***` replaces credentials, as far as they can be recognized.

    Besides those of `without_credentials`, these are the values of environment variables with
    names such as AWS_SECRET_ACCESS_KEY, query strings, and values such as those of `token=...`.

    Args:
        text: The message, for example of a client library.
        secrets: More texts to hide.
    """
    environment = (
        value
        for name, value in os.environ.items()
        if len(value) >= 8 and _SECRET_VARIABLE.search(name)
    )
    for secret in filter(None, (*secrets, *environment)):
        text = text.replace(secret, HIDDEN).replace(unquote(secret), HIDDEN)
    text = _QUERY.sub(f"?{HIDDEN}", without_credentials(text))
    return _NAMED_SECRET.sub(rf"\1={HIDDEN}", text)


def without_credentials(text: str) -> str:
    """Return a text in which `***` replaces JSON Web Tokens, and what is secret in URLs.

    That is the user and the password, and the token in an address of Spark Connect.
    """

    def hide(found: re.Match[str]) -> str:
        protocol, user = found[1] or "", found[2]
        return found[0] if _is_container(protocol[:-1], user) else f"{protocol}//{HIDDEN}@"

    text = _SPARK_TOKEN.sub(rf"\1{HIDDEN}", _JSON_WEB_TOKEN.sub(HIDDEN, text))
    return _USER_INFO.sub(hide, text)


def shown_url(url: str) -> str:
    """Return a URL in which `***` replaces the user name, the password and the query string."""
    protocol, separator, rest = url.partition("://")
    authority, slash, path = rest.partition("/")
    user, at, host = authority.rpartition("@")
    if at and not _is_container(protocol, user):
        user = HIDDEN
    return protocol + separator + user + at + host + slash + re.sub(r"\?.*", f"?{HIDDEN}", path)


def _is_container(protocol: str, user: str) -> bool:
    """Return whether this is Azure's abfs://container@account.dfs.core.windows.net."""
    return protocol.lower() in AZURE.protocols and ":" not in user
