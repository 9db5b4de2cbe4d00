"""What is known of a sandbox before anything starts."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import pytest

from kedro_airflow_k8s.errors import SandboxError
from kedro_airflow_k8s.sandbox.spec import SandboxSpec, secret_keys

THERE = secret_keys({("kedro", "database"): {"password": "x"}, ("other", "token"): {"t": "x"}})


def spec(*wanted: tuple[str, str]) -> SandboxSpec:
    return SandboxSpec(
        project=Path("/p"),
        connection="kubernetes_default",
        home=PurePosixPath("/home/kedro"),
        namespace="kedro",
        wanted_secrets=wanted,
    )


def test_secrets_that_are_there_are_accepted_with_and_without_a_key() -> None:
    spec(("database", "password"), ("database", "")).check_secrets(THERE, "pass them")
    spec().check_secrets([], "pass them")


def test_all_secrets_and_keys_that_are_missing_are_named_with_the_way_out() -> None:
    wanted = spec(("database", "user"), ("token", ""), ("database", "password"), ("s3", ""))

    with pytest.raises(SandboxError) as error:
        wanted.check_secrets(THERE, "sandbox run --secrets FILE")

    first, *rest = str(error.value).splitlines()
    # `token` is in another namespace.
    assert first == (
        "Secrets of run_config.secrets are not in the sandbox: database (key user), token, s3."
    )
    assert "sandbox run --secrets FILE" in rest[0]
