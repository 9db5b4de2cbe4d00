"""What the configuration makes of the pods."""

from __future__ import annotations

from typing import Any

import pytest

from kedro_airflow_k8s.plan.manifests import pod_manifest
from kedro_airflow_k8s.plan.pods import (
    cause_environment,
    claim,
    container_argument,
    environment,
    run_objects_name,
)
from kedro_airflow_k8s.pod import environment as pod_environment
from kedro_airflow_k8s.sandbox.cluster.environment import expand
from tests.support.strategies import config_of

NO_VOLUME = {"disabled": True}
NO_PARAMS = '{{ {"conf": (dag_run.conf or {}).get("kedro_params")} | tojson | replace("$", "$$") }}'
OWNED = "flights-{{ run_id }}"
IMAGE = {"name": "base", "image": "image", "imagePullPolicy": "IfNotPresent"}


def pod(**run_config: Any) -> dict[str, Any]:
    run = config_of({"image": "image", **run_config}).run_config
    return pod_manifest(run.settings_of("__default__"), run, OWNED, {})


def spec(**run_config: Any) -> dict[str, Any]:
    found: dict[str, Any] = pod(**run_config)["spec"]
    return found


def container(**run_config: Any) -> dict[str, Any]:
    (found,) = spec(**run_config)["containers"]
    assert isinstance(found, dict)
    return found


def test_a_pod_has_the_least_that_it_needs() -> None:
    assert pod(volume=NO_VOLUME) == {
        "metadata": {
            "annotations": {"kedro-airflow-k8s/task-id": "{{ ti.task_id }}"},
            "labels": {},
        },
        "spec": {"containers": [IMAGE]},
    }
    assert variables(volume=NO_VOLUME) == {
        "COLUMNS": "220",
        "DO_NOT_TRACK": "1",
        "KEDRO_AIRFLOW_K8S_CONTRACT": "2",
        "KEDRO_AIRFLOW_K8S_PARAMS": NO_PARAMS,
        "KEDRO_AIRFLOW_K8S_TASK": "{{ ti.task_id }}",
    }


def test_the_volume_of_the_run_is_there_and_each_task_says_where_it_is_mounted() -> None:
    found = spec()
    assert "volumeMounts" not in found["containers"][0]
    assert found["volumes"] == [{"name": "data", "persistentVolumeClaim": {"claimName": OWNED}}]


@pytest.mark.parametrize("owner", [0, 999])
def test_the_group_that_owns_the_volume_is_always_set(owner: int) -> None:
    assert spec(volume={"owner": owner})["securityContext"] == {"fsGroup": owner}
    assert spec()["securityContext"] == {"fsGroup": 0}


def test_a_pod_without_a_volume_has_no_group() -> None:
    assert "securityContext" not in spec(volume=NO_VOLUME)


def test_environment_variables_may_replace_what_pods_have_anyway() -> None:
    given = {"A": 'it\'s "{{ ds }}"', "COLUMNS": "80"}
    assert variables(env_vars=given) == {
        "A": r"""{{ "it's \"{{ ds }}\"" }}""",
        "COLUMNS": "80",
        "DO_NOT_TRACK": "1",
        "KEDRO_AIRFLOW_K8S_CONTRACT": "2",
        "KEDRO_AIRFLOW_K8S_INTERMEDIATE_DATA": "/home/kedro_docker/data/.kedro-airflow-k8s",
        "KEDRO_AIRFLOW_K8S_PARAMS": NO_PARAMS,
        "KEDRO_AIRFLOW_K8S_TASK": "{{ ti.task_id }}",
    }


@pytest.mark.parametrize("text", ["$(HOME)", "$$", "$$(A)", "a$b", "100 $", "$($(x))"])
def test_a_text_reaches_the_pod_as_it_is_written(text: str) -> None:
    given = variables(env_vars={"A": text, "HOME": "/home/x"})["A"]
    assert expand(given, {"HOME": "/home/x", "A": "1", "x": "2"}) == text


def test_a_whole_secret_becomes_variables_of_its_own_names() -> None:
    found = container(volume=NO_VOLUME, secrets=[{"secret": "a"}, {"secret": "b"}])
    assert found["envFrom"] == [{"secretRef": {"name": "a"}}, {"secretRef": {"name": "b"}}]
    assert "volumeMounts" not in found


def test_a_key_of_a_secret_becomes_one_variable() -> None:
    secret = {"secret": "db", "key": "password", "deploy_target": "DB_PASSWORD"}
    found = container(secrets=[secret])
    assert found["env"][-1] == {
        "name": "DB_PASSWORD",
        "valueFrom": {"secretKeyRef": {"name": "db", "key": "password"}},
    }
    assert "envFrom" not in found


def test_a_secret_takes_the_place_of_a_variable_that_pods_have_anyway() -> None:
    secret = {"secret": "a", "key": "k", "deploy_target": "COLUMNS"}
    (columns,) = [
        entry for entry in container(secrets=[secret])["env"] if entry["name"] == "COLUMNS"
    ]
    assert columns["valueFrom"] == {"secretKeyRef": {"name": "a", "key": "k"}}
    assert "COLUMNS" not in variables(secrets=[secret])


def test_secrets_as_files_are_mounted_read_only_whole_or_one_key() -> None:
    found = spec(
        volume=NO_VOLUME,
        secrets=[
            {"secret": "in-env"},
            {"secret": "all", "deploy_type": "volume", "deploy_target": "/etc/all"},
            {"secret": "one", "key": "k.pem", "deploy_type": "volume", "deploy_target": "/etc/one"},
        ],
    )
    assert found["containers"][0]["volumeMounts"] == [
        {"name": "secret-0", "mountPath": "/etc/all", "readOnly": True},
        {"name": "secret-1", "mountPath": "/etc/one", "readOnly": True},
    ]
    assert found["volumes"] == [
        {"name": "secret-0", "secret": {"secretName": "all"}},
        {
            "name": "secret-1",
            "secret": {"secretName": "one", "items": [{"key": "k.pem", "path": "k.pem"}]},
        },
    ]


def test_secrets_as_files_and_the_volume_are_side_by_side() -> None:
    secret = {"secret": "all", "deploy_type": "volume", "deploy_target": "/etc/all"}
    found = spec(secrets=[secret])
    assert [mount["name"] for mount in found["containers"][0]["volumeMounts"]] == ["secret-0"]
    assert [volume["name"] for volume in found["volumes"]] == ["secret-0", "data"]


def test_pull_secrets_and_service_account_are_those_of_the_configuration() -> None:
    found = spec(image_pull_secrets="a, b", service_account_name="robot")
    assert found["imagePullSecrets"] == [{"name": "a"}, {"name": "b"}]
    assert found["serviceAccountName"] == "robot"
    assert not {"imagePullSecrets", "serviceAccountName"} & set(spec())


@pytest.mark.parametrize(
    ("text", "argument"),
    [
        ("a.b-c", "a.b-c"),
        ("a{b}", "a{b}"),
        ("$(HOME) $$", "$$(HOME) $$$$"),
        ("{{ x }}", '{{ "{{ x }}" }}'),
        ('{% "😀\\', '{{ "{% \\"😀\\\\" }}'),
        ("a\rb", '{{ "a\\rb" }}'),
        ("a\n", '{{ "a\\n" }}'),
    ],
)
def test_an_argument_is_protected_from_airflow_and_the_kubelet_only_where_needed(
    text: str, argument: str
) -> None:
    assert container_argument(text) == argument


def variables(**run: Any) -> dict[str, str]:
    config = config_of(run).run_config
    return environment(config.settings_of("__default__"), config, OWNED)


def test_intermediate_data_is_on_the_volume_of_the_run_or_in_the_runs_folder_of_a_store() -> None:
    name = "KEDRO_AIRFLOW_K8S_INTERMEDIATE_DATA"

    assert variables(volume={"mount_path": "/data/$a"})[name] == "/data/$$a/.kedro-airflow-k8s"
    for volume in ({}, NO_VOLUME):
        found = variables(volume=volume, intermediate_data="s3://bucket/folder")
        assert found[name] == f"s3://bucket/folder/{OWNED}"


def test_the_plugin_in_the_pod_looks_for_the_variables_that_the_dag_sets() -> None:
    names = {
        pod_environment.CONTRACT_VARIABLE,
        pod_environment.INTERMEDIATE_DATA_VARIABLE,
        pod_environment.PARAMS_VARIABLE,
        pod_environment.TASK_VARIABLE,
    }

    assert names < variables(volume={}).keys()


def test_without_a_volume_and_a_store_nothing_is_said_of_intermediate_data() -> None:
    assert pod_environment.INTERMEDIATE_DATA_VARIABLE not in variables(volume=NO_VOLUME)


def test_pods_of_a_run_stay_where_its_others_are() -> None:
    template = pod(volume={})

    (term,) = template["spec"]["affinity"]["podAffinity"][
        "requiredDuringSchedulingIgnoredDuringExecution"
    ]
    assert term["topologyKey"] == "kubernetes.io/hostname"
    # The first pod of a run may be anywhere: Kubernetes lets a pod be the one that it looks for.
    assert term["labelSelector"]["matchLabels"] == template["metadata"]["labels"]
    assert template["metadata"]["labels"] == {"kedro-airflow-k8s/run": OWNED}


def test_pods_may_be_anywhere_where_the_volume_can_be_too() -> None:
    for volume in ({"access_modes": ["ReadWriteMany"]}, {"same_node": False}, NO_VOLUME):
        template = pod(volume=volume)
        assert "affinity" not in template["spec"]
        assert template["metadata"]["labels"] == {}


def test_what_a_run_owns_has_a_readable_name_that_kubernetes_takes() -> None:
    name = run_objects_name("My_DAG.prod--" + "x" * 300)

    readable, _, template = name.partition("{{")
    assert readable == f"my-dag-prod-{'x' * 28}-"
    assert template.endswith("hex[:12] }}")
    assert len(readable) + 12 <= 63
    assert run_objects_name("___").startswith("dag-{{")


def test_a_disabled_volume_is_not_a_claim() -> None:
    assert claim(config_of({"volume": NO_VOLUME}).run_config, OWNED) is None


def test_a_pod_with_a_termination_message_elsewhere_knows_where() -> None:
    base = {"name": "base", "terminationMessagePath": "/tmp/last-words"}
    for pod, told in ((base, {"KEDRO_AIRFLOW_K8S_REASON": "/tmp/last-words"}), ({}, {})):
        assert cause_environment({"spec": {"containers": [pod]}}) == told
