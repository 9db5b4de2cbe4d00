"""Addresses and messages that repeat no secret."""

from __future__ import annotations

import pytest

from kedro_airflow_k8s.pod.redaction import shown_url, without_credentials, without_secrets

AZURE = "abfs://box@account.dfs.core.windows.net/data"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("see https://me:pw@example.com/a", "see https://***@example.com/a"),
        ("see https://ghp_token@example.com", "see https://***@example.com"),
        ("see sftp://me:p@ss@example.com", "see sftp://***@example.com"),
        ("see //me:pw@example.com", "see //***@example.com"),
        (f"no {AZURE}", f"no {AZURE}"),
        ("no abfss://box:pw@account/data", "no abfss://***@account/data"),
        ("ask https://example.com or me@example.com", "ask https://example.com or me@example.com"),
        ("no sc://me.example.com/;token=abc", "no sc://me.example.com/;token=***"),
        ("sent eyJhbGci.eyJzdWIi.c2ln to it", "sent *** to it"),
    ],
)
def test_credentials_are_recognized_by_their_form(text: str, shown: str) -> None:
    assert without_credentials(text) == shown
    assert without_secrets(text) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("GET https://example.com/x?sig=abc failed", "GET https://example.com/x?*** failed"),
        ('{"password": "hunter2"}', '{"password=***'),
        ("Authorization: Bearer abc", "Authorization=*** abc"),
        ("token=xyz", "token=***"),
    ],
)
def test_what_a_server_repeats_of_a_request_is_hidden(text: str, shown: str) -> None:
    assert without_secrets(text) == shown


def test_secrets_of_the_environment_are_hidden_as_they_are_and_decoded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("FTP_PASSWORD", "s3cr%2Ft-word")
    monkeypatch.setenv("SHORT_KEY", "a")
    assert without_secrets("bad s3cr%2Ft-word, s3cr/t-word, a") == "bad ***, ***, a"


def test_the_caller_may_name_more_secrets() -> None:
    assert without_secrets("bad p%40ss or p@ss", "p%40ss", "") == "bad *** or ***"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("sftp://me:hunter2@example.com/data", "sftp://***@example.com/data"),
        ("sftp://me:hun ter2@example.com/data", "sftp://***@example.com/data"),
        ("https://example.com/data?sig=abc", "https://example.com/data?***"),
        ("s3://bucket/a@b", "s3://bucket/a@b"),
        (AZURE, AZURE),
        ("abfs://box:pw@account/data", "abfs://***@account/data"),
    ],
)
def test_a_url_is_shown_without_user_password_and_query(url: str, shown: str) -> None:
    assert shown_url(url) == shown
