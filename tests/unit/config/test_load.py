"""What `airflow-k8s.yaml` says is what the plugin gets."""

from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml

from kedro_airflow_k8s.config.dag import TriggerParam
from kedro_airflow_k8s.config.load import load_config
from kedro_airflow_k8s.config.model import ExternalDependency, PluginConfig, RunConfig
from kedro_airflow_k8s.config.pods import ResourcesConfig, Toleration
from kedro_airflow_k8s.config.sources import SecretConfig
from kedro_airflow_k8s.config.volumes import VolumeConfig
from kedro_airflow_k8s.errors import ConfigError

SAMPLE = Path(__file__).parents[2] / "support/data" / "document_sample.yaml"


def run(**keys: Any) -> RunConfig:
    return load_config({"run_config": keys}, "airflow-k8s.yaml").run_config


OF_ALL: dict[str, Any] = {
    "image": "airflow-k8s-plugin-demo",
    "image_pull_policy": "IfNotPresent",
    "startup_time": 600,
    "image_pull_secrets": ("my-registry-credentials",),
    "service_account_name": "airflow",
    "secrets": (
        SecretConfig(
            deploy_type="env",
            deploy_target="SQL_CONN",
            secret="airflow-secrets",
            key="sql_alchemy_conn",
        ),
    ),
}
"""What each entry of `resources` has from `run_config`."""


def test_the_complete_sample_of_the_document_loads_to_what_it_says() -> None:
    config = load_config(yaml.safe_load(SAMPLE.read_text()), "airflow-k8s.yaml")

    assert config == PluginConfig(
        host="https://airflow.example.com",
        output="gs://airflow-bucket-example-com",
        run_config=RunConfig(
            image="airflow-k8s-plugin-demo",
            image_pull_policy="IfNotPresent",
            startup_time=600,
            namespace="airflow",
            experiment_name="Airflow K8S Plugin Demo",
            run_name="airflow-k8s-plugin-demo",
            cron_expression="@daily",
            start_date=date(2021, 7, 21),
            description="Very Important Pipeline",
            image_pull_secrets=("my-registry-credentials",),
            service_account_name="airflow",
            volume=VolumeConfig(
                storageclass=None, size="1Gi", skip_init=False, owner=0, disabled=False
            ),
            secrets=(
                SecretConfig(
                    deploy_type="env",
                    deploy_target="SQL_CONN",
                    secret="airflow-secrets",
                    key="sql_alchemy_conn",
                ),
            ),
            macro_params=("ds", "prev_ds"),
            variables_params=("env",),
            resources={
                "___default___": ResourcesConfig(
                    **OF_ALL,
                    node_selectors={"node_pool_label/k8s.io": "example_value"},
                    labels={"running": "airflow"},
                    annotations={"iam.amazonaws.com/role": "airflow"},
                    tolerations=(
                        Toleration(key="group", value="data-processing", effect="NoExecute"),
                        Toleration(
                            key="group",
                            operator="Equal",
                            value="data-processing",
                            effect="NoSchedule",
                        ),
                    ),
                    requests={"cpu": "1", "memory": "1Gi"},
                    limits={"cpu": "1", "memory": "1Gi"},
                ),
                "huge_machines": ResourcesConfig(
                    **OF_ALL,
                    node_selectors={"big_node_pool": "huge.10x"},
                    requests={"cpu": "16", "memory": "128Gi"},
                    limits={"cpu": "32", "memory": "256Gi"},
                ),
            },
            external_dependencies=(
                ExternalDependency(dag_id="upstream-dag"),
                ExternalDependency(
                    dag_id="another-upstream-dag",
                    task_id="with-precise-task",
                    timeout=2,
                    check_existence=False,
                    execution_delta=10,
                ),
            ),
        ),
    )


def test_keys_that_are_left_out_have_the_documented_defaults() -> None:
    config = load_config({"run_config": {}}, "airflow-k8s.yaml")

    run = config.run_config.model_dump()
    assert config.model_dump(exclude={"run_config"}) == {
        "host": None,
        "output": None,
        "airflow_auth": None,
        "airflow_tls": {"ca_bundle": None, "client_certificate": None, "client_key": None},
        "checks": {"accept": ()},
        "pipelines": {},
    }
    assert {key: value for key, value in run.items() if value not in (None, (), {}, False)} == {
        "image_pull_policy": "IfNotPresent",
        "startup_time": 600,
        "mlflow": {
            "enabled": None,
            "tracking_uri": None,
            "authentication": {
                "type": "none",
                "params": (),
                "connection": None,
                "audience": None,
            },
        },
        "timezone": "UTC",
        "kubernetes_conn_id": "kubernetes_default",
        "volume": {
            "storageclass": None,
            "size": "1Gi",
            "access_modes": ("ReadWriteOnce",),
            "same_node": None,
            "skip_init": False,
            "owner": 0,
            "disabled": False,
            "mount_path": "/home/kedro_docker/data",
        },
        "on_oom": {"memory": None, "up_to": None},
        "dns": {"policy": None, "nameservers": (), "searches": (), "options": {}},
        "security_context": {"profile": None, "pod": {}, "container": {}},
    }


def test_a_parameter_of_the_form_is_a_name_or_a_section() -> None:
    name, section = run(
        trigger_params=["model.depth", {"name": "seed", "description": "For the split."}]
    ).trigger_params

    assert name == TriggerParam(name="model.depth", description=None)
    assert section == TriggerParam(name="seed", description="For the split.")


@pytest.mark.parametrize("name", ["UTC", "Europe/Paris", "America/Argentina/Salta", "Etc/GMT+12"])
def test_a_time_zone_is_an_iana_name(name: str) -> None:
    assert run(timezone=name).timezone == name


def test_without_a_list_of_time_zones_utc_still_loads_and_others_say_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Such a machine is not available here.
    monkeypatch.setattr("zoneinfo.available_timezones", set)
    assert run(timezone="UTC").timezone == "UTC"
    with pytest.raises(ConfigError, match=r"no list of time zones\. `pip install tzdata`"):
        run(timezone="Europe/Paris")


def test_an_external_dependency_waits_a_day_for_the_same_schedule_by_default() -> None:
    (dependency,) = run(external_dependencies=[{"dag_id": "upstream"}]).external_dependencies

    assert dependency == ExternalDependency(
        dag_id="upstream", task_id=None, timeout=1440, check_existence=True, execution_delta=0
    )


@pytest.mark.parametrize("field", RunConfig.model_fields)
def test_a_key_without_a_value_means_the_default(field: str) -> None:
    assert run(**{field: None}) == RunConfig()


def test_a_resources_entry_without_a_value_asks_for_nothing() -> None:
    assert run(resources={"small": None}).resources == {"small": ResourcesConfig()}


def test_the_start_of_a_pod_may_be_limited_under_its_later_name() -> None:
    assert run(startup_timeout=5).startup_time == 5


def test_the_seconds_of_a_toleration_may_be_written_as_in_kubernetes() -> None:
    keys = {"key": "a", "effect": "NoExecute"}
    one = run(resources={"a": {"tolerations": [{**keys, "tolerationSeconds": 3}]}})
    other = run(resources={"a": {"tolerations": [{**keys, "toleration_seconds": 3}]}})

    assert one == other
    assert one.resources["a"].tolerations[0].toleration_seconds == 3


@pytest.mark.parametrize(
    "written", ["20210721", 20210721, "2021-07-21", date(2021, 7, 21)], ids=repr
)
def test_a_start_date_may_be_written_in_either_way_with_and_without_quotes(written: Any) -> None:
    assert run(start_date=written).start_date == date(2021, 7, 21)


def test_pull_secrets_may_be_a_list_or_a_text_with_commas() -> None:
    assert run(image_pull_secrets="one, two").image_pull_secrets == ("one", "two")
    assert run(image_pull_secrets=["one", "two"]).image_pull_secrets == ("one", "two")


def test_amounts_may_be_numbers() -> None:
    config = run(
        volume={"size": 1073741824},
        resources={"a": {"requests": {"cpu": 0.5, "memory": 1073741824}, "limits": {"cpu": 1}}},
    )

    assert config.volume.size == "1073741824"
    assert config.resources["a"].requests == {"cpu": "0.5", "memory": "1073741824"}
    assert config.resources["a"].limits == {"cpu": "1"}


@pytest.mark.parametrize(
    "cron",
    [
        "@once",
        "@continuous",
        "@quarterly",
        "@midnight",
        "0 6 * * 1-5",
        "*/5 0 1,15 * sun",
        "0 0 29 2 *",
    ],
)
def test_a_schedule_that_airflow_knows_is_accepted(cron: str) -> None:
    assert run(cron_expression=cron).cron_expression == cron


@pytest.mark.parametrize(
    "image",
    [
        "app",
        "app:1.0",
        "registry.example.com:5000/team/app_x:v1",
        "localhost/app",
        "ghcr.example.com/a/b/c@sha256:" + "0" * 64,
    ],
)
def test_an_image_as_docker_takes_it_is_accepted(image: str) -> None:
    assert run(image=image).image == image


@pytest.mark.parametrize("host", ["http://localhost:8080", "https://example.com/team/airflow/"])
def test_a_base_address_of_airflow_is_accepted(host: str) -> None:
    assert load_config({"host": host, "run_config": {}}, "airflow-k8s.yaml").host == host


@pytest.mark.parametrize(
    "toleration",
    [
        {"operator": "Exists"},
        {"key": "gpu", "operator": "Exists", "effect": "NoSchedule"},
        {"key": "gpu", "value": ""},
        {"key": "gpu", "operator": "", "effect": "", "value": "a"},
    ],
    ids=str,
)
def test_a_toleration_that_kubernetes_takes_is_accepted(toleration: dict[str, str]) -> None:
    assert len(run(resources={"a": {"tolerations": [toleration]}}).resources["a"].tolerations) == 1


@pytest.mark.parametrize(
    "secret",
    [
        {"secret": "all-of-it"},
        {"secret": "one", "key": "k", "deploy_target": "A"},
        {"secret": "files", "deploy_type": "volume", "deploy_target": "/etc/files"},
        {"secret": "file", "deploy_type": "volume", "deploy_target": "/etc/file", "key": "k"},
    ],
    ids=str,
)
def test_a_secret_may_be_deployed_in_four_ways(secret: dict[str, str]) -> None:
    assert run(secrets=[secret]).secrets == (SecretConfig(**secret),)  # type: ignore[arg-type]


def test_a_disabled_volume_discards_its_other_keys_whatever_they_say() -> None:
    config = run(volume={"disabled": True, "size": "huge", "owner": "me", "mount_path": 3})

    assert config.volume == VolumeConfig(disabled=True)
