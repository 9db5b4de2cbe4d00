"""Converts a server's error responses to exceptions with the server's message."""

from __future__ import annotations

import contextlib
import html
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urljoin, urlsplit

import requests

from kedro_airflow_k8s.airflow_api.secrecy import Secrets
from kedro_airflow_k8s.errors import (
    AirflowApiError,
    Conflict,
    NotAirflow,
    NotAllowed,
    NotAuthenticated,
    NotFound,
    Refused,
    ServerFailed,
    Unreachable,
)

WORDS = 600
"""The most characters of a server's message that an exception repeats."""

PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})
"""Statuses of errors that may be temporary."""

_ERRORS: dict[int, type[AirflowApiError]] = {
    **dict.fromkeys((400, 405, 406, 413, 415, 422), Refused),
    401: NotAuthenticated,
    403: NotAllowed,
    **dict.fromkeys((404, 410), NotFound),
    409: Conflict,
    **dict.fromkeys(PASSING, ServerFailed),
}
_MESSAGES: dict[type[AirflowApiError], str] = {
    NotAuthenticated: "Airflow did not accept the credentials ({request}){words} {advice}",
    NotAllowed: "Airflow denied this user the permission ({request}){words}",
    NotAirflow: "{request}{words} {host_hint}",
}
# Airflow 3 also answers 403 to a token that it cannot read or that has expired.
_BAD_TOKEN = re.compile(r"(?i)\b(token|jwt|credentials|expired|log ?in)\b")
_LOG_IN = re.compile(
    r"(?i)log[-_]?in|sign[-_]?in|\bo?auth|\bsso\b|\bsaml|\boidc|accounts\.google\.com"
)
_TITLE = re.compile(r"(?is)<(title|h1)[^>]*>(.*?)</\1>")
_TAG = re.compile(r"<[^>]*>")


@dataclass(frozen=True)
class Failure:
    """The failure of a request.

    Attributes:
        error: The error to raise if there is no other attempt.
        passing: Whether the same request may succeed in a moment.
        unknown_user: Whether other credentials may help.
        response: The response, if there was one.
    """

    error: AirflowApiError
    passing: bool = False
    unknown_user: bool = False
    response: requests.Response | None = None


@dataclass(frozen=True)
class ResponseErrors:
    """Finds the failures among responses.

    Attributes:
        host: The base address of the server.
        secrets: The secrets to hide in messages.
        advice: What to do if the server does not accept the credentials.
    """

    host: str
    secrets: Secrets
    advice: Callable[[], str]

    def failure(
        self, response: requests.Response, source: str, *, accepted: bool
    ) -> Failure | None:
        """Return why a response is an error by its status; None if it is not.

        Args:
            response: The response.
            source: The request, for the message.
            accepted: Whether the server has accepted our credentials before.
        """
        status = response.status_code
        if 200 <= status < 300:
            return None
        if 300 <= status < 400:
            return self._redirect(response, source)
        kind = self._kind(response, accepted)
        words = self.words(response)
        words = f": {words}" if words else ""
        words += "" if words.endswith((".", "!", "?", "…")) else "."
        message = _MESSAGES.get(kind, "{request}{words}").format(
            request=f"{source}: {status} {response.reason or ''}".rstrip(),
            words=words,
            advice=self.advice(),
            host_hint=self._host_hint,
        )
        return Failure(
            kind(message),
            passing=status in PASSING,
            unknown_user=kind is NotAuthenticated,
            response=response,
        )

    def not_json(self, response: requests.Response, source: str) -> Failure:
        """Return why a response that is not an error cannot be read."""
        if is_json(response):
            error = (
                f"{source}: the answer is not valid JSON. The connection may have been interrupted."
            )
            return Failure(Unreachable(error), passing=True)
        title = self.words(response)
        page = f"the page {title!r}" if is_html(response) and title else content_type(response)
        return Failure(
            NotAirflow(
                f"{source}: the answer is {page or 'of unknown type'}, not JSON. {self._host_hint}"
            )
        )

    def words(self, response: requests.Response) -> str:
        """Return the server's own message, as one line without secrets."""
        text = response.text
        if is_json(response):
            with contextlib.suppress(ValueError):
                text = _json_words(json.loads(response.content))
        elif is_html(response):
            found = _TITLE.search(text)
            text = html.unescape(_TAG.sub(" ", found[2])) if found else ""
        text = " ".join("".join(c if c.isprintable() else " " for c in text).split())
        # Hide secrets first: the beginning of a secret would not be recognized after the cut.
        text = self.secrets.hide(text)
        return text if len(text) <= WORDS else f"{text[:WORDS]}…"

    @staticmethod
    def _kind(response: requests.Response, accepted: bool) -> type[AirflowApiError]:
        status = response.status_code
        kind = _ERRORS.get(status, ServerFailed if status >= 500 else AirflowApiError)
        if kind is NotFound and not is_json(response):
            return NotAirflow
        if kind is NotAllowed and is_json(response):
            # Airflow 2.11 gives the same answer for an unknown user.
            unsaid = content_type(response) == "application/problem+json" and not accepted
            if unsaid or _BAD_TOKEN.search(response.text):
                return NotAuthenticated
        return kind

    def _redirect(self, response: requests.Response, source: str) -> Failure:
        """Return the failure of a redirect: another server must not get the credentials."""
        here = urlsplit(response.url)
        there = urlsplit(urljoin(response.url, response.headers.get("Location", "")))
        # Neither the user nor the query: those of login pages may contain secrets.
        place = self.secrets.hide(f"{there.scheme}://{there.netloc.rpartition('@')[2]}{there.path}")
        said = f"{source}: {response.status_code}, redirected to {place}"
        if _LOG_IN.search(f"{there.netloc}{there.path}") and there.path != here.path:
            error = f"{said}, which looks like a login page. {self.advice()}"
            return Failure(NotAirflow(error), unknown_user=True)
        if here.hostname == there.hostname and (here.scheme, there.scheme) == ("http", "https"):
            hint = "Write the host with https:// in front."
        else:
            hint = self._host_hint
        return Failure(NotAirflow(f"{said}. {hint}"))

    @property
    def _host_hint(self) -> str:
        return (
            f"The server at {self.host} does not look like Airflow's API. Is this the base address"
            " of Airflow, including the path that a proxy adds?"
        )


def content_type(response: requests.Response) -> str:
    """Return the type of a response's body, without parameters, in lower case."""
    return response.headers.get("Content-Type", "").partition(";")[0].strip().lower()


def is_json(response: requests.Response) -> bool:
    """Return whether the response has the type of JSON."""
    kind = content_type(response)
    return kind == "application/json" or kind.endswith("+json")


def is_html(response: requests.Response) -> bool:
    """Return whether the response is a page for a browser, whatever its type."""
    start = response.content[:200].lstrip().lower()
    typed = content_type(response) == "text/html" and start.startswith(b"<")
    return typed or start.startswith((b"<!doctype html", b"<html"))


def _json_words(data: Any) -> str:
    """Return the message in any of the formats of errors from Airflow 2.11 and 3.

    Airflow 3: `detail` is a text, a list of {loc, msg}, or an object with `reason` or `message`;
    for unknown addresses `error`. Airflow 2.11: RFC 7807 with `title` and `detail`.
    """
    if isinstance(data, list):
        return "; ".join(filter(None, map(_json_words, data)))
    if not isinstance(data, dict):
        return "" if data is None else str(data)
    if "msg" in data:
        place = ".".join(str(part) for part in data.get("loc") or ())
        return f"{place}: {data['msg']}" if place else str(data["msg"])
    parts: list[str] = []
    for key in ("reason", "title", "message", "detail", "error"):
        words = _json_words(data.get(key))
        if words and not any(words in part for part in parts):
            parts.append(words)
    return ": ".join(parts)
