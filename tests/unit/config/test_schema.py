"""The committed JSON Schema says what the model says, so that editors can be believed."""

import json
import runpy
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

import kedro_airflow_k8s
from kedro_airflow_k8s.config.kubernetes_yaml import kubernetes_fields
from kedro_airflow_k8s.config.load import load_config
from kedro_airflow_k8s.config.schema import json_schema
from kedro_airflow_k8s.errors import ConfigError

COMMITTED = Path(kedro_airflow_k8s.__file__).with_name("config") / "airflow-k8s.schema.json"
SAMPLE = yaml.safe_load(
    (Path(__file__).parents[2] / "support/data" / "document_sample.yaml").read_text(
        encoding="utf-8"
    )
)


@pytest.fixture(scope="module")
def validator() -> jsonschema.Draft202012Validator:
    schema = json.loads(COMMITTED.read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def sections(schema: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The sections of the file, without the types of Kubernetes' API."""
    own = {n: d for n, d in schema["$defs"].items() if n not in kubernetes_fields()}
    return {"": schema, **own}


def properties(schema: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {
        f"{name}.{key}": described
        for name, section in sections(schema).items()
        for key, described in section["properties"].items()
    }


def test_the_committed_schema_is_what_the_documented_command_writes(
    capsys: pytest.CaptureFixture[str],
) -> None:
    runpy.run_path(str(COMMITTED.with_name("schema.py")), run_name="__main__")
    written = capsys.readouterr().out

    assert COMMITTED.read_text() == written
    assert json.loads(written) == json_schema()


def test_the_sample_of_the_document_is_valid(validator: jsonschema.Draft202012Validator) -> None:
    assert list(validator.iter_errors(SAMPLE)) == []


def test_every_key_is_described_and_every_section_refuses_unknown_ones() -> None:
    schema = json_schema()

    assert [
        key for key, described in properties(schema).items() if not described["description"]
    ] == []
    assert {section["additionalProperties"] for section in schema["$defs"].values()} == {False}
    assert schema["additionalProperties"] is False


def test_every_key_that_may_be_left_out_shows_its_default() -> None:
    schema = json_schema()
    required = {
        f"{name}.{key}"
        for name, section in sections(schema).items()
        for key in section.get("required", ())
    }

    with_default = {key for key, described in properties(schema).items() if "default" in described}

    assert required == {
        *(".run_config", "AcceptedFinding.code", "AcceptedFinding.reason"),
        *("AirflowAuth.type", "ClusterConfig.type", "ExternalDependency.dag_id"),
        *("NotifyConfig.on", "NotifyConfig.with"),
        *(
            "SecretConfig.secret",
            "TriggerParam.name",
            "DateParam.name",
            "ScheduleConfig.assets",
            "PartitionedConfig.by",
            "ConfigMapConfig.config_map",
        ),
        *("EphemeralVolume.size", "CsiVolume.driver", "NfsFolder.server", "NfsFolder.path"),
        "HostPath.path",
    }
    assert with_default == properties(schema).keys() - required


VALID: list[dict[str, Any]] = [
    {"run_config": {}},
    {"run_config": {"startup_timeout": 5}},
    {"run_config": {"startup_time": None, "volume": None, "resources": {"a": None}}},
    {"run_config": {"image_pull_secrets": "a, b"}},
    {"run_config": {"timezone": "America/Argentina/Salta"}},
    {"run_config": {"trigger_params": ["a.b", {"name": "c", "description": "d"}, {"name": "e"}]}},
    {"run_config": {}, "airflow_auth": "google"},
    {"run_config": {}, "airflow_auth": {"type": "aws", "environment": "a", "region": None}},
    {"run_config": {}, "airflow_auth": None, "airflow_tls": {"ca_bundle": "ca.pem"}},
    {"run_config": {"image_pull_secrets": ["a", "b"]}},
    {"run_config": {"start_date": 20210721}},
    {"run_config": {"start_date": "2021-07-21", "cron_expression": "0 6 * * 1-5"}},
    {"run_config": {"cron_expression": "@continuous", "volume": {"size": 1073741824}}},
    {"run_config": {"volume": {"storageclass": None, "access_modes": ["ReadWriteMany"]}}},
    {"run_config": {"resources": {"a": {"requests": {"cpu": 0.5, "memory": "1e9"}}}}},
    {
        "run_config": {
            "resources": {
                "a": {
                    "tolerations": [
                        {"key": "a", "effect": "NoExecute", "tolerationSeconds": 3},
                        {"operator": "Exists"},
                    ]
                }
            }
        }
    },
]
INVALID: list[Any] = [
    {},
    [],
    {"run_config": None},
    {"run_config": {}, "hots": "https://example.com"},
    {"run_config": {"szie": "1Gi"}},
    {"run_config": {"volume": {"szie": "1Gi"}}},
    {"run_config": {"volume": {"size": "1 GB"}}},
    {"run_config": {"volume": {"access_modes": []}}},
    {"run_config": {"volume": {"disabled": "yes"}}},
    {"run_config": {"image": 1}},
    {"run_config": {"timezone": "New York"}},
    {"run_config": {"trigger_params": "a"}},
    {"run_config": {"trigger_params": ["a b"]}},
    {"run_config": {"trigger_params": [{"description": "d"}]}},
    {"run_config": {"trigger_params": [5]}},
    {"run_config": {}, "airflow_auth": "gogle"},
    {"run_config": {}, "airflow_auth": {"environment": "a"}},
    {"run_config": {}, "airflow_auth": 5},
    {"run_config": {"image": "my app"}},
    {"run_config": {"image_pull_policy": "always"}},
    {"run_config": {"startup_time": 5, "startup_timeout": 5}},
    {"run_config": {"startup_time": "600s"}},
    {"run_config": {"startup_time": 0}},
    {"run_config": {"namespace": "My_Namespace"}},
    {"run_config": {"cron_expression": "0 0 0 * * *"}},
    {"run_config": {"cron_expression": "@Daily"}},
    {"run_config": {"start_date": "today"}},
    {"run_config": {"macro_params": "ds"}},
    {"run_config": {"macro_params": ["ds", "ds"]}},
    {"run_config": {"secrets": [{"key": "a"}]}},
    {"run_config": {"secrets": [{"secret": "a", "kye": "b"}]}},
    {"run_config": {"env_vars": {"1A": "b"}}},
    {"run_config": {"resources": {"a": {"labels": {"b": 1}}}}},
    {"run_config": {"resources": {"a": {"tolerations": [{"efect": "NoExecute"}]}}}},
    {"run_config": {"resources": {"a": {"requests": {"cpu": "one"}}}}},
    {"run_config": {"external_dependencies": [{"task_id": "a"}]}},
    {"host": "airflow.example.com", "run_config": {}},
]


@pytest.mark.parametrize("data", VALID, ids=str)
def test_what_the_model_accepts_the_schema_accepts(
    validator: jsonschema.Draft202012Validator, data: dict[str, Any]
) -> None:
    load_config(data, "airflow-k8s.yaml")

    assert list(validator.iter_errors(data)) == []


@pytest.mark.parametrize("data", INVALID, ids=str)
def test_an_editor_marks_what_the_model_refuses(
    validator: jsonschema.Draft202012Validator, data: Any
) -> None:
    with pytest.raises(ConfigError):
        load_config(data, "airflow-k8s.yaml")

    assert not validator.is_valid(data)
