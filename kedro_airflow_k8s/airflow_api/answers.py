"""What an answer says: the words of the server, and the error that they stand for."""

from __future__ import annotations

import contextlib
import html
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
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
"""How many characters of a server's words a message repeats at most."""

PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})
"""Statuses that may be gone a moment later."""

_ERRORS: dict[int, type[AirflowApiError]] = {
    400: Refused,
    401: NotAuthenticated,
    403: NotAllowed,
    404: NotFound,
    405: Refused,
    406: Refused,
    409: Conflict,
    410: NotFound,
    413: Refused,
    415: Refused,
    422: Refused,
    **dict.fromkeys(PASSING, ServerFailed),
}
# Airflow 3 says 403 also of a token that it cannot read or that has expired.
_BAD_TOKEN = re.compile(r"(?i)\b(token|jwt|credentials|expired|log ?in)\b")
_LOG_IN = re.compile(
    r"(?i)log[-_]?in|sign[-_]?in|\bo?auth|\bsso\b|\bsaml|\boidc|accounts\.google\.com"
)
_TITLE = re.compile(r"(?is)<(title|h1)[^>]*>(.*?)</\1>")
_TAG = re.compile(r"<[^>]*>")


@dataclass(frozen=True)
class Failure:
    """Why a request has not got what it wanted.

    Attributes:
        error: What to raise if nothing helps.
        passing: Whether the same request may succeed in a moment.
        unknown_user: Whether other credentials may help.
        wait: Seconds that the server asks to wait.
    """

    error: AirflowApiError
    passing: bool = False
    unknown_user: bool = False
    wait: float | None = None


@dataclass(frozen=True)
class Judge:
    """Tells the failures among answers.

    Attributes:
        host: The base address of the server.
        secrets: What to keep out of messages.
        advice: What to do about an answer that one is not known.
    """

    host: str
    secrets: Secrets
    advice: Callable[[], str]

    def failure(
        self, response: requests.Response, source: str, *, accepted: bool
    ) -> Failure | None:
        """Why this is no good answer, by its status; None if it is one.

        Args:
            response: The answer.
            source: What it is the answer to, for the message.
            accepted: Whether the server has accepted our credentials before.
        """
        status = response.status_code
        if 200 <= status < 300:
            return None
        if 300 <= status < 400:
            return self._redirect(response, source)
        kind = self._kind(response, accepted)
        text = f"{source}: {status} {response.reason or ''}".rstrip()
        words = self.words(response)
        said = f": {words}" if words else ""
        said += "" if said.endswith((".", "!", "?", "…")) else "."
        if kind is NotAuthenticated:
            error = kind(f"Airflow does not know who is asking ({text}){said} {self.advice()}")
            return Failure(error, unknown_user=True)
        if kind is NotAirflow:
            return Failure(kind(f"{text}{said} {self._look_at_host()}"))
        if kind is NotAllowed:
            return Failure(kind(f"Airflow does not let this user do this ({text}){said}"))
        passing = status in PASSING
        wait = seconds_to_wait(response.headers) if passing else None
        return Failure(kind(f"{text}{said}"), passing=passing, wait=wait)

    def not_json(self, response: requests.Response, source: str) -> Failure:
        """Why a good answer cannot be read."""
        kind = content_type(response)
        if is_json(response):
            error = f"{source}: the answer broke off or is not JSON, though it says that it is."
            return Failure(Unreachable(error), passing=True)
        title = self.words(response)
        page = f" the page {title!r}" if is_html(response) and title else f" {kind or 'no type'}"
        return Failure(
            NotAirflow(f"{source}: came back with{page} in place of JSON. {self._look_at_host()}")
        )

    def words(self, response: requests.Response) -> str:
        """What the server itself says, as one line without secrets."""
        text = response.text
        if is_json(response):
            with contextlib.suppress(ValueError):
                text = _json_words(json.loads(response.content))
        elif is_html(response):
            found = _TITLE.search(text)
            text = html.unescape(_TAG.sub(" ", found[2])) if found else ""
        text = " ".join("".join(c if c.isprintable() else " " for c in text).split())
        # Hidden first: a cut would leave the beginning of a secret that nothing recognizes.
        text = self.secrets.hide(text)
        return text if len(text) <= WORDS else f"{text[:WORDS]}…"

    @staticmethod
    def _kind(response: requests.Response, accepted: bool) -> type[AirflowApiError]:
        status = response.status_code
        kind = _ERRORS.get(status, ServerFailed if status >= 500 else AirflowApiError)
        if kind is NotFound and not is_json(response):
            return NotAirflow
        if kind is NotAllowed and is_json(response):
            # Airflow 2.11 says the same where it does not know the user.
            unsaid = content_type(response) == "application/problem+json" and not accepted
            if unsaid or _BAD_TOKEN.search(response.text):
                return NotAuthenticated
        return kind

    def _redirect(self, response: requests.Response, source: str) -> Failure:
        """Why a redirect is not followed: what it leads to is no API, and gets no credentials."""
        here = urlsplit(response.url)
        there = urlsplit(urljoin(response.url, response.headers.get("Location", "")))
        # Neither the user nor the query: log-in pages get secrets in them.
        place = self.secrets.hide(f"{there.scheme}://{there.netloc.rpartition('@')[2]}{there.path}")
        said = f"{source}: {response.status_code}, sent on to {place}"
        if _LOG_IN.search(f"{there.netloc}{there.path}") and there.path != here.path:
            error = f"{said}, which looks like a page to log in. {self.advice()}"
            return Failure(NotAirflow(error), unknown_user=True)
        if (here.netloc, here.path) == (there.netloc, there.path) and here.scheme == there.scheme:
            error = (
                f"{said}: a redirect to itself, which would go on for ever. The proxy in front of"
                " Airflow is wrongly set up, often about https."
            )
        elif here.hostname == there.hostname and (here.scheme, there.scheme) == ("http", "https"):
            error = f"{said}. Write the host with https:// in front."
        else:
            error = f"{said}. {self._look_at_host()}"
        return Failure(NotAirflow(error))

    def _look_at_host(self) -> str:
        return (
            f"Is {self.host} the base address of Airflow itself, with the path that a proxy may put"
            " in front of it? What answers there does not look like Airflow's API."
        )


def content_type(response: requests.Response) -> str:
    """The type of the answer's body, without parameters, in small letters."""
    return response.headers.get("Content-Type", "").partition(";")[0].strip().lower()


def is_json(response: requests.Response) -> bool:
    """Whether the answer says that it is JSON."""
    kind = content_type(response)
    return kind == "application/json" or kind.endswith("+json")


def is_html(response: requests.Response) -> bool:
    """Whether the answer is a page for a browser, whatever it says that it is."""
    start = response.content[:200].lstrip().lower()
    typed = content_type(response) == "text/html" and start.startswith(b"<")
    return typed or start.startswith((b"<!doctype html", b"<html"))


def seconds_to_wait(headers: Mapping[str, str]) -> float | None:
    """What a Retry-After header asks for, in either of its forms (RFC 9110, 10.2.3)."""
    text = headers.get("Retry-After", "").strip()
    if text.isdecimal():
        return float(text)
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=timezone.utc)
    return max(0.0, (moment - datetime.now(timezone.utc)).total_seconds())


def _json_words(data: Any) -> str:
    """The words in any of the forms that errors of Airflow 2.11 and 3 have.

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
