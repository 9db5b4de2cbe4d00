"""How requests travel: a timeout on each, repeats with pauses, and failures as messages."""

from __future__ import annotations

import json
import random
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import requests
from requests.auth import AuthBase

from kedro_airflow_k8s.airflow_api.answers import Failure, Judge, is_html, is_json
from kedro_airflow_k8s.airflow_api.network import NETWORK_ERRORS, network_failure
from kedro_airflow_k8s.airflow_api.records import Record
from kedro_airflow_k8s.airflow_api.secrecy import Secrets
from kedro_airflow_k8s.airflow_api.tls import Tls
from kedro_airflow_k8s.errors import NotAllowed

ATTEMPTS = 5
"""How often a request is made at most, the repeat with fresh credentials included."""

FIRST_PAUSE = 0.5
LONGEST_PAUSE = 60.0
"""Seconds; also where the server asks for more."""


@dataclass(frozen=True)
class Patience:
    """How long to wait for a server, in seconds.

    Attributes:
        connect: For a connection.
        read: For the next piece of an answer.
        sleep: Passes the time between two attempts.
        jitter: A number from 0 to 1, another one each time, so that clients do not march in step.
    """

    connect: float = 10.0
    read: float = 60.0
    sleep: Callable[[float], None] = time.sleep
    jitter: Callable[[], float] = random.random

    def pause(self, attempt: int, asked: float | None) -> None:
        """Wait after a failed attempt, counted from 1, or for as long as the server has asked."""
        doubled = FIRST_PAUSE * 2 ** (attempt - 1) * (0.5 + self.jitter() / 2)
        self.sleep(min(doubled if asked is None else asked, LONGEST_PAUSE))


class Credentials(ABC):
    """Makes the plugin known to the server."""

    advice: str
    """What to do where the server does not accept them."""

    forbidden_when_expired = False
    """Whether the server then says 403, as if they were not enough."""

    @abstractmethod
    def headers(self) -> Mapping[str, str]:
        """What to add to a request. May talk to a server to get it."""

    def renew(self) -> bool:
        """Forget what may have expired. False if another attempt would send the same again."""
        return False


@dataclass(frozen=True)
class Call:
    """A request. All that we send is safe to send twice.

    Attributes:
        method: Of HTTP.
        path: Below the base address.
        params: The query.
        body: Sent as JSON.
        form: Sent as a form, in place of JSON.
        anonymous: Whether it goes without credentials.
        text_too: Whether the answer need not be JSON.
        once: Whether it is not repeated, because what it sends works once only.
    """

    method: str
    path: str
    params: Mapping[str, Any] | None = None
    body: Mapping[str, Any] | None = field(default=None, repr=False)
    form: Mapping[str, str] | None = field(default=None, repr=False)
    anonymous: bool = False
    text_too: bool = False
    once: bool = False


@dataclass(frozen=True)
class Answer:
    """A good answer: its JSON, or its text where that was allowed, and the cookies it sets."""

    data: Any
    cookies: Mapping[str, str] = field(repr=False)
    source: str

    @property
    def record(self) -> Record:
        """The JSON object that it is."""
        return Record(self.data, self.source)


class Transport:
    """Sends requests to one server.

    Attributes:
        host: The base address, without a slash at the end.
        credentials: What makes us known; may be replaced.
        secrets: What never appears in an error.
    """

    def __init__(
        self, host: str, session: requests.Session, tls: Tls, patience: Patience, secrets: Secrets
    ) -> None:
        self.host = host
        self.secrets = secrets
        self.credentials: Credentials | None = None
        self._session = session
        self._tls = tls
        self._patience = patience
        self._judge = Judge(host, secrets, self._advice)
        self._reached = False
        self._accepted = False

    def get(self, path: str, params: Mapping[str, Any] | None = None) -> Record:
        """The JSON object at a path."""
        return self.send(Call("GET", path, params)).record

    def send(self, call: Call) -> Answer:
        """The good answer to a request, repeated where that may help.

        Raises:
            AirflowApiError: If there is none.
        """
        renewed = call.anonymous
        attempt = 1
        while True:
            outcome = self._attempt(call)
            if isinstance(outcome, Answer):
                return outcome
            if attempt == ATTEMPTS or call.once:
                break
            if not renewed and self._renew(outcome):
                renewed = True
            elif outcome.passing:
                self._patience.pause(attempt, outcome.wait)
            else:
                break
            attempt += 1
        # Not where it was caught: an error of a library in the chain would tell its own words.
        raise outcome.error

    def _renew(self, failure: Failure) -> bool:
        """Whether the same request may succeed because the credentials are new."""
        credentials = self.credentials
        if credentials is None:
            return False
        doubtful = credentials.forbidden_when_expired and isinstance(failure.error, NotAllowed)
        return (failure.unknown_user or doubtful) and credentials.renew()

    def _attempt(self, call: Call) -> Answer | Failure:
        source = f"{call.method} {self.host}/{call.path}"
        headers = {"Accept": "application/json"}
        if self.credentials is not None and not call.anonymous:
            headers.update(self.credentials.headers())
        try:
            response = self._session.request(
                call.method,
                f"{self.host}/{call.path}",
                params=call.params,
                json=call.body,
                data=call.form,
                # In place of what a .netrc file says, which requests would prefer to a header.
                auth=_Headers(headers),
                timeout=(self._patience.connect, self._patience.read),
                allow_redirects=False,
                verify=self._tls.verify,
                cert=self._tls.certificate,
            )
        except NETWORK_ERRORS as error:
            return network_failure(error, self.host, source, reached=self._reached)
        self._reached = True
        failure = self._judge.failure(response, source, accepted=self._accepted)
        if failure is not None:
            return failure
        # Anybody may ask for the version.
        self._accepted = self._accepted or not (call.anonymous or call.path.endswith("/version"))
        data: Any = None
        if is_json(response) and response.content.strip():
            try:
                data = json.loads(response.content)
            except ValueError:
                return self._judge.not_json(response, source)
        elif call.text_too and not is_html(response):
            data = response.text
        else:
            return self._judge.not_json(response, source)
        return Answer(data, response.cookies.get_dict(), source)

    def _advice(self) -> str:
        return self.credentials.advice if self.credentials is not None else ""


class _Headers(AuthBase):
    """Adds headers to a request that requests would otherwise not let stand."""

    def __init__(self, headers: Mapping[str, str]) -> None:
        self._headers = headers

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers.update(self._headers)
        return request
