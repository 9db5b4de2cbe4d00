"""How `airflow-k8s.yaml` says in which way to log in to Airflow, and by which certificates."""

from typing import Any

import pytest

from kedro_airflow_k8s.config.load import load_config
from kedro_airflow_k8s.config.model import AirflowAuth
from kedro_airflow_k8s.errors import ConfigError


def mistake(data: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        load_config(data, "airflow-k8s.yaml")
    (line,) = str(caught.value).splitlines()[1:]
    return line.strip()


def auth(value: Any) -> AirflowAuth | None:
    return load_config({"airflow_auth": value, "run_config": {}}, "airflow-k8s.yaml").airflow_auth


@pytest.mark.parametrize("word", ["token", "password", "google", "none"])
def test_the_way_to_log_in_is_a_word_or_a_section(word: str) -> None:
    found = auth(word)
    assert found == auth({"type": word})
    assert found is not None
    assert found.model_dump() == {"type": word, "environment": None, "region": None}


def test_the_way_to_log_in_to_mwaa_names_its_environment() -> None:
    assert auth({"type": "aws", "environment": "prod", "region": "eu-west-1"}) == AirflowAuth(
        type="aws", environment="prod", region="eu-west-1"
    )
    assert auth(None) is None


def test_certificates_are_files() -> None:
    files = {"ca_bundle": "ca.pem", "client_certificate": "me.pem", "client_key": "key.pem"}
    config = load_config({"airflow_tls": files, "run_config": {}}, "airflow-k8s.yaml")
    assert config.airflow_tls.model_dump() == files


@pytest.mark.parametrize(
    ("value", "path", "reason"),
    [
        (
            "gogle",
            "type",
            "must be one of token, password, google, aws, none. Did you mean 'google'?",
        ),
        ({"type": "Token"}, "type", "Did you mean 'token'?"),
        ({"type": "token", "regoin": "x"}, "regoin", "unknown key. Did you mean 'region'?"),
        ({}, "type", "a value is required"),
        ({"type": "aws"}, "environment", "is missing: `type: aws` needs the name"),
        ("aws", "environment", "is missing: `type: aws` needs the name"),
        ({"type": "google", "region": "x"}, "region", "is for `type: aws`, not for google"),
        ({"type": "token", "environment": "x"}, "environment", "must be omitted"),
        ({"type": "password", "password": "x"}, "password", "unknown key"),
    ],
)
def test_a_way_to_log_in_that_cannot_be_is_refused(value: Any, path: str, reason: str) -> None:
    line = mistake({"airflow_auth": value, "run_config": {}})

    assert line.startswith(f"airflow_auth.{path}: ")
    assert reason in line


def test_something_else_than_a_word_or_a_section_is_answered_with_both() -> None:
    assert mistake({"airflow_auth": 5, "run_config": {}}) == (
        "airflow_auth: found the number 5; must be a type, or keys with values, indented below it, "
        "out of: type, environment, region"
    )
    run = {"trigger_params": [5]}
    assert "must be a name, or keys with values" in mistake({"run_config": run})


def test_the_key_of_a_certificate_needs_the_certificate() -> None:
    line = mistake({"airflow_tls": {"client_key": "key.pem"}, "run_config": {}})

    assert line.startswith("airflow_tls.client_key: found the text 'key.pem'; needs `client_cert")
