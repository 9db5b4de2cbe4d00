"""What the configuration makes of the pods."""

from __future__ import annotations

from typing import Any

import pytest

from kedro_airflow_k8s.literals import Expression
from kedro_airflow_k8s.pod_spec import container_argument, pod_template
from tests.strategies import config_of

NO_VOLUME = {"disabled": True}


def pod(**run_config: Any) -> dict[str, Any]:
    return pod_template(config_of(run_config).run_config)


def spec(**run_config: Any) -> dict[str, Any]:
    found: dict[str, Any] = pod(**run_config)["spec"]
    return found


def container(**run_config: Any) -> dict[str, Any]:
    (found,) = spec(**run_config)["containers"]
    assert isinstance(found, dict)
    return found


def test_a_pod_has_the_least_that_it_needs() -> None:
    assert pod(volume=NO_VOLUME) == {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"annotations": {"kedro-airflow-k8s/task-id": "{{ ti.task_id }}"}},
        "spec": {
            "containers": [
                {
                    "name": "base",
                    "env": [
                        {"name": "COLUMNS", "value": "220"},
                        {"name": "DO_NOT_TRACK", "value": "1"},
                        {"name": "KEDRO_AIRFLOW_K8S_TASK", "value": "{{ ti.task_id }}"},
                    ],
                }
            ]
        },
    }


def test_the_volume_of_the_run_is_mounted_where_the_dag_file_says() -> None:
    found = spec()
    assert found["containers"][0]["volumeMounts"] == [
        {"name": "data", "mountPath": Expression("mount_path")}
    ]
    claim = "{{ volume_name(dag.dag_id, run_id) }}"
    assert found["volumes"] == [{"name": "data", "persistentVolumeClaim": {"claimName": claim}}]


@pytest.mark.parametrize("owner", [0, 999])
def test_the_group_that_owns_the_volume_is_always_set(owner: int) -> None:
    assert spec(volume={"owner": owner})["securityContext"] == {"fsGroup": owner}
    assert spec()["securityContext"] == {"fsGroup": 0}


def test_a_pod_without_a_volume_has_no_group() -> None:
    assert "securityContext" not in spec(volume=NO_VOLUME)


def test_environment_variables_may_replace_what_pods_have_anyway() -> None:
    given = {"A": 'it\'s "{{ ds }}"', "COLUMNS": "80"}
    env = container(env_vars=given)["env"]
    assert {entry["name"]: entry["value"] for entry in env} == {
        "A": r"""{{ "it's \"{{ ds }}\"" }}""",
        "COLUMNS": "80",
        "DO_NOT_TRACK": "1",
        "KEDRO_AIRFLOW_K8S_TASK": "{{ ti.task_id }}",
    }
    assert len({entry["name"] for entry in env}) == len(env)


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
    names = ["secret-0", "data"]
    assert [mount["name"] for mount in found["containers"][0]["volumeMounts"]] == names
    assert [volume["name"] for volume in found["volumes"]] == names


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
