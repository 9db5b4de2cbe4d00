"""What `airflow-k8s.yaml` may say of MLflow."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

import kedro_airflow_k8s
from kedro_airflow_k8s.config.load import load_config
from kedro_airflow_k8s.config.model import RunConfig
from kedro_airflow_k8s.errors import ConfigError

SCHEMA = Path(kedro_airflow_k8s.__file__).with_name("config") / "airflow-k8s.schema.json"


def run_config(**mlflow: Any) -> RunConfig:
    return load_config({"run_config": {"mlflow": mlflow}}, "airflow-k8s.yaml").run_config


def mistake(**mlflow: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        run_config(**mlflow)
    return str(caught.value).splitlines()[1].strip()


def accepted_by_editors(**mlflow: Any) -> bool:
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    return jsonschema.Draft202012Validator(schema).is_valid({"run_config": {"mlflow": mlflow}})


def test_without_a_word_mlflow_is_decided_by_the_project() -> None:
    found = load_config({"run_config": {}}, "airflow-k8s.yaml").run_config.mlflow
    assert found.enabled is None
    assert found.tracking_uri is None
    assert found.authentication.type == "none"


@pytest.mark.parametrize("enabled", [True, False, None])
def test_mlflow_is_switched_on_and_off(enabled: bool | None) -> None:
    assert run_config(enabled=enabled).mlflow.enabled is enabled
    assert accepted_by_editors(enabled=enabled)


@pytest.mark.parametrize(
    ("given", "meant"),
    [("vars", "vars"), ("Vars", "vars"), ("GoogleOAuth2", "google"), ("Null", "none")],
)
def test_the_names_that_credentials_had_in_0_8_are_understood(given: str, meant: str) -> None:
    assert run_config(authentication={"type": given}).mlflow.authentication.type == meant
    assert run_config(authentication=given).mlflow.authentication.type == meant


def test_each_way_to_credentials_takes_what_belongs_to_it() -> None:
    for section in (
        {"type": "vars", "params": ["MLFLOW_TRACKING_TOKEN"]},
        {"type": "connection", "connection": "mlflow_prod"},
        {"type": "google", "audience": "123.apps.example.com"},
    ):
        found = run_config(authentication=section).mlflow.authentication
        assert found.model_dump(exclude_defaults=True, mode="json") == section
        assert accepted_by_editors(authentication=section)


@pytest.mark.parametrize("uri", ["http://10.0.0.7:5000", "https://mlflow.example.com/team"])
def test_an_address_loses_the_slash_at_its_end_only(uri: str) -> None:
    assert run_config(tracking_uri=f"{uri}/").mlflow.tracking_uri == uri
    assert accepted_by_editors(tracking_uri=uri)


@pytest.mark.parametrize(
    ("mlflow", "message"),
    [
        (
            {"enabled": "yes"},
            "run_config.mlflow.enabled: found the text 'yes'; must be true or false",
        ),
        (
            {"tracking_uri": "mlruns"},
            (
                "run_config.mlflow.tracking_uri: found the text 'mlruns'; must be the address of an"
                " MLflow server, such as https://mlflow.example.com"
            ),
        ),
        (
            {"tracking_uri": "databricks://profile"},
            (
                "run_config.mlflow.tracking_uri: found the text 'databricks://profile'; must be the"
                " address of an MLflow server, such as https://mlflow.example.com"
            ),
        ),
        (
            {"tracking_uri": "https://mlflow.example.com/#/experiments/1"},
            (
                "run_config.mlflow.tracking_uri: found the text"
                " 'https://mlflow.example.com/#/experiments/1'; must end before `?` and `#`"
            ),
        ),
        (
            {"authentication": {"type": "vars", "connection": "x"}},
            (
                "run_config.mlflow.authentication.connection: found the text 'x'; must be omitted:"
                " it is for `type: connection`, not for vars"
            ),
        ),
        (
            {"authentication": {"type": "vars", "params": ["MLFLOW_PASSWORD"]}},
            (
                "run_config.mlflow.authentication.params[0]: found the text 'MLFLOW_PASSWORD';"
                " must be one of MLFLOW_TRACKING_USERNAME, MLFLOW_TRACKING_PASSWORD,"
                " MLFLOW_TRACKING_TOKEN"
            ),
        ),
        (
            {"authentication": "basic"},
            (
                "run_config.mlflow.authentication.type: found the text 'basic'; must be one of"
                " none, vars, connection, google"
            ),
        ),
    ],
)
def test_a_mistake_has_its_key_and_what_would_be_right(
    mlflow: dict[str, Any], message: str
) -> None:
    assert mistake(**mlflow).startswith(message)


def test_a_password_in_the_address_is_refused_and_not_repeated() -> None:
    said = mistake(tracking_uri="https://me:s3cret@mlflow.example.com")
    assert "must be without user and password" in said
    assert "run_config.mlflow.tracking_uri" in said
    assert "s3cret" not in said
