"""What an answer says is read from every form that it has, and told without what is secret."""

from __future__ import annotations

import json
from typing import Any

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from kedro_airflow_k8s.airflow_api import RunState
from kedro_airflow_k8s.airflow_api.answers import WORDS, Judge
from kedro_airflow_k8s.airflow_api.logs import clean_lines, page_lines
from kedro_airflow_k8s.airflow_api.records import Record
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
from tests.airflow.airflow_api.clients import Connector
from tests.airflow.airflow_api.small_airflow import SmallAirflow


def response(status: int, body: bytes, kind: str) -> requests.Response:
    made = requests.Response()
    made.status_code, made._content = status, body
    made.headers["Content-Type"] = kind
    made.url = "http://airflow.example.com/api/v2/dags"
    return made


def judge(*secrets: str) -> Judge:
    known = Secrets()
    known.add(*secrets)
    return Judge("http://airflow.example.com", known, lambda: "Advice.")


def error(
    status: int, body: Any, kind: str = "application/json", accepted: bool = True
) -> AirflowApiError:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    found = judge().failure(response(status, content, kind), "GET /x", accepted=accepted)
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
def test_a_status_stands_for_one_kind_of_error(status: int, kind: type[AirflowApiError]) -> None:
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
def test_forbidden_is_told_from_unknown(
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
    words = judge(secret).words(response(400, body, "application/json"))

    assert " ".join(secret.split()) not in words.replace("***", "") or secret in "…"


def test_a_cut_leaves_no_half_of_a_secret() -> None:
    secret = "s3cret-" * 20
    words = judge(secret).words(response(400, ("x" * (WORDS - 9) + secret).encode(), "text/plain"))

    assert "s3cret" not in words


@pytest.mark.parametrize(
    "text",
    [
        "Bearer abcdef.ghijkl.mnopqr",
        "authorization: basic YWRhOmh1bnRlcjI=",
        "token=abcdefghijkl",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl",
        "https://ada:hunter2@x.example.com/",
    ],
)
def test_what_looks_like_credentials_is_hidden_though_nobody_knows_it(text: str) -> None:
    hidden = Secrets().hide(f"got {text} here")

    assert "***" in hidden
    for part in ("abcdef", "YWRhOmh1bnRlcjI", "eyJzdWIi", "hunter2"):
        assert part not in hidden
    assert hidden.endswith("here")


def test_a_short_secret_hides_words_and_not_letters() -> None:
    secrets = Secrets()
    secrets.add("a")

    assert secrets.hide("a banana; password a.") == "*** banana; password ***."


@pytest.mark.parametrize(
    ("text", "microsecond"),
    [
        ("2026-01-02T03:04:05Z", 0),
        ("2026-01-02T03:04:05+00:00", 0),
        ("2026-01-02T03:04:05.1Z", 100_000),
        ("2026-01-02T03:04:05.123456Z", 123_456),
        ("2026-01-02T03:04:05.123456789+00:00", 123_456),
    ],
)
def test_times_of_any_precision_are_read(text: str, microsecond: int) -> None:
    time = Record({"at": text}, "x").time("at")

    assert time is not None
    assert (time.hour, time.microsecond, time.utcoffset()) == (3, microsecond, time.utcoffset())
    assert time.tzinfo is not None


@pytest.mark.parametrize("text", ["yesterday", "2026-01-02T03:04:05", "2026-13-01T00:00:00Z", ""])
def test_what_is_no_time_is_an_error(text: str) -> None:
    with pytest.raises(AirflowApiError, match="`at` is no time"):
        Record({"at": text}, "x").time("at")


@pytest.mark.parametrize("state", ["none", "restarting", "QUEUED", ""])
def test_a_run_in_an_unknown_state_is_an_error(state: str) -> None:
    airflow = SmallAirflow()
    airflow.add_run("shop", "run-1", state)
    with airflow.serve() as server:
        client = Connector().connect(server.url)
        with pytest.raises(AirflowApiError, match=f"state '{state}', which this version"):
            client.run("shop", "run-1")


def test_queued_is_no_end() -> None:
    assert [state for state in RunState if state.ended] == [RunState.SUCCESS, RunState.FAILED]


AIRFLOW3_LOG = [
    {"event": "::group::Log message source details"},
    {"event": "/logs/attempt=1.log"},
    {"event": "::endgroup::"},
    {"timestamp": "2026-01-02T03:04:05Z", "event": "::group::Pre Execute", "level": "info"},
    {"timestamp": "2026-01-02T03:04:05Z", "event": "one\ntwo", "level": "info", "logger": "x"},
    {"event": "::endgroup::", "level": "info"},
    {
        "event": "Task failed",
        "level": "error",
        "error_detail": [
            {
                "exc_type": "ValueError",
                "exc_value": "no",
                "exc_notes": ["a note"],
                "is_cause": False,
                "frames": [{"filename": "a.py", "lineno": 3, "name": "f"}],
            },
            {"exc_type": "KeyError", "exc_value": "", "is_cause": True, "frames": []},
        ],
    },
]
AIRFLOW3_LINES = """\
[2026-01-02T03:04:05Z] INFO - one
two
ERROR - Task failed
Traceback (most recent call last):
KeyError

The above exception was the direct cause of the following exception:

Traceback (most recent call last):
  File "a.py", line 3, in f
ValueError: no
a note"""
AIRFLOW2_TEXT = """ INFO - ::group::Log message source details
*** Found local files:
***   * /logs/attempt=1.log
 INFO - ::endgroup::
[2026-01-02T03:04:05.678+0000] {x.py:1} INFO - ::group::Pre task execution logs
[2026-01-02T03:04:05.678+0000] {x.py:2} INFO - it's "said"
[2026-01-02T03:04:05.678+0000] {x.py:3} INFO - ::endgroup::
"""
AIRFLOW2_LINES = """[2026-01-02T03:04:05.678+0000] {x.py:2} INFO - it's "said\""""


@pytest.mark.parametrize(
    ("content", "lines"),
    [
        (AIRFLOW3_LOG, AIRFLOW3_LINES),
        (["a line", "another\n"], "a line\nanother"),
        (str([("host", AIRFLOW2_TEXT)]), AIRFLOW2_LINES),
        (AIRFLOW2_TEXT, AIRFLOW2_LINES),
        (str([("host", "")]), ""),
        ("[('broken", "[('broken"),
        ([], ""),
        (None, ""),
    ],
)
def test_logs_of_every_form_become_clean_lines(content: Any, lines: str) -> None:
    assert "\n".join(clean_lines(page_lines(content))) == lines


@given(st.text())
def test_any_log_of_airflow_2_is_read(text: str) -> None:
    assert page_lines(str([("host", text)])) == text.splitlines()
    page_lines(text)
