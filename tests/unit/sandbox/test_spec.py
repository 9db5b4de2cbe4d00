"""What is known of a sandbox before anything starts."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import pytest

from kedro_airflow_k8s.errors import SandboxError
from kedro_airflow_k8s.sandbox.spec import SandboxSpec, data_keys

THERE = data_keys({("kedro", "database"): {"password": "x"}, ("other", "token"): {"t": "x"}})


def spec(*wanted: tuple[str, str]) -> SandboxSpec:
    return SandboxSpec(
        project=Path("/p"),
        connection="kubernetes_default",
        home=PurePosixPath("/home/kedro"),
        namespace="kedro",
        wanted_secrets=wanted,
    )


def test_secrets_that_are_there_are_accepted_with_and_without_a_key() -> None:
    spec(("database", "password"), ("database", "")).check_data(THERE, (), "pass them")
    spec().check_data([], [], "pass them")


def test_all_secrets_and_keys_that_are_missing_are_named_with_the_way_out() -> None:
    wanted = spec(("database", "user"), ("token", ""), ("database", "password"), ("s3", ""))

    with pytest.raises(SandboxError) as error:
        wanted.check_data(THERE, (), "sandbox run --secrets FILE")

    first, *rest = str(error.value).splitlines()
    # `token` is in another namespace.
    assert first == (
        "Secrets of run_config.secrets are not in the sandbox: database (key user), token, s3."
    )
    assert "sandbox run --secrets FILE" in rest[0]


def test_config_maps_that_are_missing_are_named_too() -> None:
    wanted = spec().model_copy(update={"wanted_config_maps": (("limits", "max"), ("other", ""))})
    there = data_keys({("kedro", "limits"): {"max": "5"}})

    with pytest.raises(SandboxError) as error:
        wanted.check_data((), there, "sandbox run --secrets FILE")

    assert str(error.value).splitlines()[0] == (
        "ConfigMaps of run_config.config_maps are not in the sandbox: other."
    )


def test_a_sandbox_without_triggerer_is_refused_where_tasks_are_deferrable() -> None:
    deferrable = spec().model_copy(update={"triggerer": True})

    deferrable.check(deferrable)
    spec().check(deferrable)
    with pytest.raises(SandboxError, match="The sandbox has no triggerer"):
        deferrable.check(spec())
