"""Doubtful settings: which are found, and where."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from kedro_airflow_k8s.config.load import load_config
from kedro_airflow_k8s.config.warnings import ConfigWarning, config_warnings

SAMPLE = Path(__file__).parents[2] / "support/data" / "document_sample.yaml"


def warnings_of(**keys: Any) -> list[ConfigWarning]:
    return list(config_warnings(load_config({"run_config": keys}, "airflow-k8s.yaml")))


def test_the_sample_of_the_document_has_two_doubtful_settings() -> None:
    name, key = config_warnings(load_config(yaml.safe_load(SAMPLE.read_text()), "x.yaml"))

    assert name == ConfigWarning(
        path="run_config.resources.___default___",
        reason="The name looks like '__default__', but is not the same.",
        consequence="Nodes without a resources tag do not use this entry.",
        fix="Rename it to '__default__', or choose a name that is less similar.",
    )
    assert key == ConfigWarning(
        path="run_config.resources.___default___.node_selectors['node_pool_label/k8s.io']",
        reason="Kubernetes does not accept this key: 'node_pool_label', the part before the `/`,"
        " must be a DNS name: lower case letters a-z, digits, `-` and `.`, at most 253 characters.",
        consequence="It refuses the pods, and their tasks fail.",
        fix="Correct it.",
    )


@pytest.mark.parametrize(
    "keys",
    [
        {},
        {"volume": {"disabled": True}},
        {"volume": {"access_modes": ["ReadWriteMany"]}},
        {"resources": {"__default__": {}, "small": {}, "default_gpu_machines": {}, "default": {}}},
    ],
)
def test_usual_settings_are_not_a_reason_to_warn(keys: dict[str, Any]) -> None:
    assert warnings_of(**keys) == []


def test_keys_of_a_disabled_volume_have_no_effect() -> None:
    (found,) = warnings_of(volume={"disabled": True, "size": "huge", "owner": None})

    assert (found.path, found.reason) == ("run_config.volume.size", "The volume is disabled.")
    assert found.consequence == "This setting has no effect."


def test_keeping_what_is_on_the_volume_has_no_effect() -> None:
    (found,) = warnings_of(keep_intermediate_data=True)

    assert found.path == "run_config.keep_intermediate_data"
    assert found.consequence == "This setting has no effect."
    assert warnings_of(keep_intermediate_data=True, intermediate_data="s3://bucket/x") == []


def test_an_amount_of_bytes_whose_unit_seems_forgotten_is_found() -> None:
    found = warnings_of(
        volume={"size": 10},
        resources={"a": {"requests": {"memory": "512m", "cpu": "512m"}, "limits": {"memory": 1}}},
    )

    assert [(warning.path, warning.reason) for warning in found] == [
        ("run_config.volume.size", "'10' is less than 1 MiB."),
        ("run_config.resources.a.requests.memory", "'512m' is less than 1 MiB."),
        ("run_config.resources.a.limits.memory", "'1' is less than 1 MiB."),
    ]


@pytest.mark.parametrize("name", ["_default_", "default__", "__Default__", "__defualt__"])
def test_a_resources_entry_named_almost_like_the_default_is_found(name: str) -> None:
    (found,) = warnings_of(resources={name: {}})

    assert found.path == f"run_config.resources.{name}"
    assert found.reason.startswith("The name looks like '__default__'")


@pytest.mark.parametrize("name", ["huge machines", "a: b"])
def test_a_resources_entry_that_no_tag_can_name_is_found(name: str) -> None:
    (found,) = warnings_of(resources={name: {}})

    assert found.path == f"run_config.resources[{name!r}]"
    assert found.consequence == "No node can choose this entry."


def test_labels_that_kubernetes_refuses_are_found_with_the_reason() -> None:
    found = warnings_of(
        resources={
            "a": {
                "labels": {"team": "data science", "-x": "y"},
                "node_selectors": {"pool": "a" * 64},
                "annotations": {"Example.com/role": "any value, even with spaces", "b c": ""},
            }
        }
    )

    assert [warning.path for warning in found] == [
        "run_config.resources.a.node_selectors.pool",
        "run_config.resources.a.labels.team",
        "run_config.resources.a.labels.-x",
        "run_config.resources.a.annotations['b c']",
    ]
    assert "'data science': it must be letters" in found[1].reason


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DB_PASSWORD", "hunter2"),
        ("password", "hunter2"),
        ("SERVICE_API_KEY", "abc"),
        ("AWS_SECRET_ACCESS_KEY", "abc"),
        ("TOKEN", "abc"),
        ("DATABASE", "postgresql://user:hunter2@db.example.com/x"),
        ("KEY", "-----BEGIN RSA PRIVATE KEY-----\nabc"),
        ("ID", "AKIAIOSFODNN7EXAMPLE"),
    ],
)
def test_a_password_in_plain_text_is_reported_without_its_value(name: str, value: str) -> None:
    (found,) = warnings_of(env_vars={name: value})

    assert found.path == f"run_config.env_vars.{name}"
    assert "run_config.secrets" in found.fix
    assert "hunter2" not in f"{found.reason} {found.consequence} {found.fix}"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MAX_TOKENS", "4096"),
        ("TOKEN", ""),
        ("DB_PASSWORD_FILE", "/secrets/password"),
        ("DB_PASSWORD", "/secrets/password"),
        ("GOOGLE_APPLICATION_CREDENTIALS", "/secrets/key.json"),
        ("TOKEN_URL", "https://auth.example.com/token"),
        ("API_TOKEN", "$(POD_TOKEN)"),
        ("USE_TOKEN", "true"),
        ("PRIMARY_KEY_COLUMN", "id"),
        ("KEYBOARD", "de"),
    ],
)
def test_what_only_refers_to_a_password_is_not_reported(name: str, value: str) -> None:
    assert warnings_of(env_vars={name: value}) == []


@pytest.mark.parametrize("field", ["requests", "limits"])
@pytest.mark.parametrize("cores", [250, "250", "100.5"])
def test_hundreds_of_cores_are_probably_thousandths_of_one(field: str, cores: Any) -> None:
    (found,) = warnings_of(resources={"__default__": {field: {"cpu": cores}}})

    assert found.path == f"run_config.resources.__default__.{field}.cpu"
    assert found.fix == f"For thousandths of a core, add the unit m: {cores}m."


@pytest.mark.parametrize("cores", [1, 64, "96", "0.5", "250m", "250000m"])
def test_usual_numbers_of_cores_are_not_reported(cores: Any) -> None:
    assert warnings_of(resources={"__default__": {"requests": {"cpu": cores}}}) == []
