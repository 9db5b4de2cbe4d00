"""The errors of responses: the server's words in every form, without secrets."""

from __future__ import annotations

import json
from typing import Any

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from kedro_airflow_k8s.airflow_api.response_errors import WORDS, ResponseErrors
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
)


def response(status: int, body: bytes, kind: str) -> requests.Response:
    made = requests.Response()
    made.status_code, made._content = status, body
    made.headers["Content-Type"] = kind
    made.url = "http://airflow.example.com/api/v2/dags"
    return made


def errors_of(*secrets: str) -> ResponseErrors:
    known = Secrets()
    known.add(*secrets)
    return ResponseErrors("http://airflow.example.com", known, lambda: "Advice.")


def error(
    status: int, body: Any, kind: str = "application/json", accepted: bool = True
) -> AirflowApiError:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    found = errors_of().failure(response(status, content, kind), "GET /x", accepted=accepted)
    assert found is not None
    return found.error


PROBLEM = "application/problem+json"


@pytest.mark.parametrize(
    ("status", "body", "words"),
    [
        (404, {"detail": "no such DAG"}, "no such DAG."),
        (
            422,
            {"detail": [{"loc": ["body", "conf"], "msg": "not a dict"}]},
            "body.conf: not a dict.",
        ),
        (
            422,
            {"detail": [{"loc": ["query", "limit"], "msg": "a"}, {"loc": [], "msg": "b"}]},
            "query.limit: a; b.",
        ),
        (409, {"detail": {"reason": "Unique", "statement": "S", "message": "M"}}, "Unique: M."),
        (404, {"error": "API route not found"}, "API route not found."),
        (
            400,
            {"title": "Bad Request", "detail": "x is wrong", "status": 400},
            "Request: x is wrong.",
        ),
        (404, {"title": "DAG not found", "detail": None}, "DAG not found."),
        (404, {"title": "Not Found", "detail": "Not Found: a"}, "404: Not Found: Not Found: a."),
        (400, "just text", "just text."),
        (400, [], "400."),
        (400, {"detail": {"deep": {"er": 1}}}, "400."),
        (400, b"{broken", "{broken."),
    ],
)
def test_the_words_of_both_formats_are_repeated(status: int, body: Any, words: str) -> None:
    assert str(error(status, body)).endswith(words)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, Refused),
        (401, NotAuthenticated),
        (403, NotAllowed),
        (404, NotFound),
        (409, Conflict),
        (422, Refused),
        (429, ServerFailed),
        (500, ServerFailed),
        (504, ServerFailed),
        (507, ServerFailed),
        (418, AirflowApiError),
    ],
)
def test_a_status_means_one_kind_of_error(status: int, kind: type[AirflowApiError]) -> None:
    assert type(error(status, {"detail": "words"})) is kind


@pytest.mark.parametrize(
    ("body", "type_", "accepted", "kind"),
    [
        ({"detail": "Invalid JWT token"}, "application/json", True, NotAuthenticated),
        ({"detail": "Forbidden"}, "application/json", False, NotAllowed),
        ({"title": "Forbidden", "detail": None}, PROBLEM, False, NotAuthenticated),
        ({"title": "Forbidden", "detail": None}, PROBLEM, True, NotAllowed),
        (b"<title>403 Forbidden</title>", "text/html", False, NotAllowed),
        (b"<title>404</title>", "text/html", True, None),
    ],
)
def test_forbidden_is_distinguished_from_unknown(
    body: Any, type_: str, accepted: bool, kind: type[AirflowApiError] | None
) -> None:
    status = 403 if kind else 404

    assert type(error(status, body, type_, accepted)) is (kind or NotAirflow)


@given(st.text(), st.sampled_from(["application/json", "text/html", "text/plain", PROBLEM]))
def test_any_body_makes_one_short_line(text: str, kind: str) -> None:
    told = str(error(500, text.encode("utf-8", "surrogatepass"), kind))

    assert len(told) < WORDS + 100
    assert "\n" not in told
    assert told.isprintable()


@given(
    secret=st.text(st.characters(min_codepoint=33, max_codepoint=1000), min_size=4).filter(
        lambda text: text.strip("*") and len(" ".join(text.split())) > 3
    ),
    before=st.text(),
    after=st.text(),
)
def test_a_secret_is_hidden_wherever_it_stands_in_an_answer(
    secret: str, before: str, after: str
) -> None:
    body = json.dumps({"detail": f"{before}{secret}{after}"}).encode()
    words = errors_of(secret).words(response(400, body, "application/json"))

    assert " ".join(secret.split()) not in words.replace("***", "") or secret in "…"


def test_a_cut_leaves_no_half_of_a_secret() -> None:
    secret = "s3cret-" * 20
    words = errors_of(secret).words(
        response(400, ("x" * (WORDS - 9) + secret).encode(), "text/plain")
    )

    assert "s3cret" not in words
