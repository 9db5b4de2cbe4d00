"""What is secret is hidden from texts."""

from __future__ import annotations

import pytest

from kedro_airflow_k8s.airflow_api.secrecy import Secrets


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
def test_what_looks_like_credentials_is_hidden_though_no_one_knows_it(text: str) -> None:
    hidden = Secrets().hide(f"got {text} here")

    assert "***" in hidden
    for part in ("abcdef", "YWRhOmh1bnRlcjI", "eyJzdWIi", "hunter2"):
        assert part not in hidden
    assert hidden.endswith("here")


def test_a_short_secret_hides_words_and_not_letters() -> None:
    secrets = Secrets()
    secrets.add("a")

    assert secrets.hide("a banana; password a.") == "*** banana; password ***."
