"""Sends requests: with a timeout, retries with pauses, and failures as messages."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

import requests
from pydantic import BaseModel, ValidationError
from urllib3 import Retry
from urllib3.exceptions import InvalidHeader

from kedro_airflow_k8s.airflow_api.network_errors import NETWORK_ERRORS, network_failure
from kedro_airflow_k8s.airflow_api.response_errors import Failure, ResponseErrors, is_html, is_json
from kedro_airflow_k8s.airflow_api.secrecy import Secrets
from kedro_airflow_k8s.airflow_api.tls import Tls
from kedro_airflow_k8s.errors import AirflowApiError, NotAllowed

RecordT = TypeVar("RecordT", bound=BaseModel)

TIMEOUT = (10.0, 60.0)
"""Seconds to wait for a connection, and for the next piece of an answer."""

LONGEST_PAUSE = 60.0
"""Seconds between two attempts at most, also where the server asks for more."""


class _Retries(Retry):
    """The number of retries of a request, and the pauses between them."""

    def get_retry_after(self, response: Any) -> float | None:
        """Return the seconds in the server's Retry-After; None if it is missing or invalid."""
        try:
            asked = super().get_retry_after(response)
        except InvalidHeader:
            return None
        return None if asked is None else min(asked, LONGEST_PAUSE)


# Pauses of 0, 1, 2 and 4 seconds. An adapter of requests could retry with the same object, but not
# after an incomplete answer, and it would log a warning each time.
REPEATED = _Retries(4, backoff_factor=0.5)
ONCE = _Retries(0)


class Credentials(ABC):
    """The credentials that the plugin sends to the server."""

    advice: str
    """What to do if the server does not accept them."""

    forbidden_when_expired = False
    """Whether the server answers 403 to expired credentials."""

    @abstractmethod
    def headers(self) -> Mapping[str, str]:
        """Return the headers for a request. May request a token from a server."""

    def renew(self) -> bool:
        """Discard a token that may have expired. Return False if there is none to renew."""
        return False


@dataclass(frozen=True)
class Answer:
    """The JSON of a response, or its text if that was allowed, and its cookies."""

    data: Any
    cookies: Mapping[str, str] = field(repr=False)
    source: str
    secrets: Secrets = field(repr=False)

    def read(self, kind: type[RecordT]) -> RecordT:
        """Return the JSON as a record.

        Raises:
            AirflowApiError: If it is not one.
        """
        try:
            return kind.model_validate(self.data)
        except ValidationError as error:
            problem = error.errors(include_url=False)[0]
        words = "Not a JSON object" if problem["type"] == "model_type" else problem["msg"]
        if problem["loc"]:
            words = f"`{'.'.join(str(part) for part in problem['loc'])}`: {words}"
        if problem["type"] == "enum":
            words += f", not {self.secrets.hide(repr(problem['input']))}"
        raise AirflowApiError(f"The answer to {self.source} is not in Airflow's format: {words}.")


class Transport:
    """Sends requests to one server.

    Attributes:
        host: The base address, without a slash at the end.
        credentials: The credentials; may be replaced.
        secrets: The secrets to hide in errors.
    """

    def __init__(self, host: str, tls: Tls, timeout: tuple[float, float] = TIMEOUT) -> None:
        self.host = host
        self.secrets = Secrets()
        self.credentials: Credentials | None = None
        self._session = requests.Session()
        self._tls = tls
        self._timeout = timeout
        self._errors = ResponseErrors(host, self.secrets, self._advice)
        self._reached = False
        self._accepted = False

    def get(self, path: str, **content: Any) -> Answer:
        """Return the answer to a GET request, as `send`."""
        return self.send("GET", path, **content)

    def send(
        self,
        method: str,
        path: str,
        *,
        anonymous: bool = False,
        text_too: bool = False,
        once: bool = False,
        **content: Any,
    ) -> Answer:
        """Return the answer to a request, which is retried if that may help.

        Args:
            method: The HTTP method.
            path: The path below the base address.
            anonymous: Whether to send it without credentials.
            text_too: Whether the answer may be text instead of JSON.
            once: Whether it is not safe to repeat.
            content: `params`, `json` or `data`, as requests takes them.

        Raises:
            AirflowApiError: If there is no valid answer.
        """
        retries: Retry = ONCE if once else REPEATED
        renewed = anonymous
        while True:
            outcome = self._attempt(method, path, anonymous, text_too, content)
            if isinstance(outcome, Answer):
                return outcome
            if not renewed and self._renew(outcome):
                renewed = True
            elif retries.total and outcome.passing:
                retries = retries.increment(method, path)
                retries.sleep(None if outcome.response is None else outcome.response.raw)
            else:
                # Not in the handler: the chain would contain the library's own text.
                raise outcome.error

    def _renew(self, failure: Failure) -> bool:
        """Return whether the same request may succeed because the credentials are new."""
        credentials = self.credentials
        if credentials is None:
            return False
        doubtful = credentials.forbidden_when_expired and isinstance(failure.error, NotAllowed)
        return (failure.unknown_user or doubtful) and credentials.renew()

    def _attempt(
        self, method: str, path: str, anonymous: bool, text_too: bool, content: Mapping[str, Any]
    ) -> Answer | Failure:
        source = f"{method} {self.host}/{path}"
        headers = {"Accept": "application/json"}
        if self.credentials is not None and not anonymous:
            headers.update(self.credentials.headers())
        try:
            response = self._session.request(
                method,
                f"{self.host}/{path}",
                # Overrides a .netrc file, which requests would prefer to a header.
                auth=_adding(headers),
                timeout=self._timeout,
                allow_redirects=False,
                verify=self._tls.verify,
                cert=self._tls.certificate,
                **content,
            )
        except NETWORK_ERRORS as error:
            return network_failure(error, source, reached=self._reached)
        self._reached = True
        failure = self._errors.failure(response, source, accepted=self._accepted)
        if failure is not None:
            return failure
        # Servers return their version without authentication.
        self._accepted = self._accepted or not (anonymous or path.endswith("/version"))
        data: Any
        if is_json(response) and response.content.strip():
            try:
                data = json.loads(response.content)
            except ValueError:
                return self._errors.not_json(response, source)
        elif text_too and not is_html(response):
            data = response.text
        else:
            return self._errors.not_json(response, source)
        return Answer(data, response.cookies.get_dict(), source, self.secrets)

    def _advice(self) -> str:
        return self.credentials.advice if self.credentials is not None else ""


def _adding(
    headers: Mapping[str, str],
) -> Callable[[requests.PreparedRequest], requests.PreparedRequest]:
    def add(request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers.update(headers)
        return request

    return add
