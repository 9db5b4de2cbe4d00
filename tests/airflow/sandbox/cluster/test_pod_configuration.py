"""Variables, Secrets, mounts and paths reach the pod's command."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from kedro_airflow_k8s.sandbox.cluster.container import can_share_paths
from tests.airflow.sandbox.cluster.cluster_client import (
    HOME,
    Client,
    pod_of,
    wait_for,
    with_claim,
)

SECRET = {"secretKeyRef": {"name": "database", "key": "PASSWORD"}}


def _variable(name: str, value: str | dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "value" if isinstance(value, str) else "valueFrom": value}


def _env(client: Client, *variables: dict[str, Any], **spec: Any) -> dict[str, str]:
    text = client.output("env", "-0", c_env=list(variables), **spec)
    return dict(entry.partition("=")[::2] for entry in text.rstrip("\n").split("\0"))


def test_variables_come_from_values_secrets_config_maps_and_the_pod(client: Client) -> None:
    found = _env(
        client,
        _variable("PLAIN", "a 'quoted' \"value\"\nin two lines = ü"),
        _variable("SECRET", SECRET),
        _variable("CONFIG", {"configMapKeyRef": {"name": "settings", "key": "LEVEL"}}),
        _variable("POD", {"fieldRef": {"fieldPath": "metadata.name"}}),
        _variable("NAMESPACE", {"fieldRef": {"fieldPath": "metadata.namespace"}}),
        _variable("IP", {"fieldRef": {"fieldPath": "status.podIP"}}),
        _variable("NODE", {"fieldRef": {"fieldPath": "spec.nodeName"}}),
        _variable("ACCOUNT", {"fieldRef": {"fieldPath": "spec.serviceAccountName"}}),
        c_envFrom=[{"secretRef": {"name": "database"}}, {"configMapRef": {"name": "settings"}}],
        serviceAccountName="runner",
    )

    assert found["PLAIN"] == "a 'quoted' \"value\"\nin two lines = ü"
    assert (found["SECRET"], found["CONFIG"]) == ("pa$$word", "debug")
    assert (found["POD"], found["NAMESPACE"], found["NODE"]) == ("task", "team", "sandbox")
    assert (found["IP"], found["ACCOUNT"]) == ("127.0.0.1", "runner")
    assert (found["PASSWORD"], found["user"], found["LEVEL"]) == ("pa$$word", "eve", "debug")


def test_known_variables_are_expanded_in_commands_and_in_later_variables(client: Client) -> None:
    text = client.output(
        "echo",
        "$(NAME)",
        "$(UNKNOWN)",
        "$$(NAME)",
        "$(SECRET)",
        "$(LATER)",
        c_args=["$(BOTH)"],
        c_env=[
            _variable("NAME", "x"),
            _variable("BOTH", "$(NAME)-$(LATER)"),
            _variable("LATER", "y"),
            _variable("SECRET", SECRET),
        ],
    )

    assert text == "x $(UNKNOWN) $(NAME) pa$$word y x-$(LATER)\n"


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"c_env": [_variable("A", {"secretKeyRef": {"name": "no", "key": "k"}})]}, '"no" not'),
        ({"c_env": [_variable("A", {"secretKeyRef": {"name": "database", "key": "k"}})]}, "key k"),
        ({"c_envFrom": [{"configMapRef": {"name": "nothing"}}]}, '"nothing" not found'),
    ],
)
def test_an_unknown_secret_or_key_keeps_the_container_from_being_created(
    client: Client, spec: dict[str, Any], message: str
) -> None:
    client.run(pod_of("true", **spec))

    assert client.pod().status.phase == "Pending"
    assert client.waiting().reason == "CreateContainerConfigError"
    assert message in client.waiting().message
    assert any(message in event.message and event.warning for event in client.cluster.events())
    client.delete()
    wait_for(client.is_gone)


def test_a_missing_secret_for_a_volume_is_reported_in_an_event(client: Client) -> None:
    client.run(pod_of("true", volumes=[{"name": "v", "secret": {"secretName": "no"}}]))

    assert client.pod().status.phase == "Pending"
    assert any(e.reason == "FailedMount" and '"no"' in e.message for e in client.cluster.events())


def test_secrets_and_config_maps_are_mounted_as_files(client: Client) -> None:
    text = client.output(
        "sh",
        "-c",
        "cd conf/local && ls -A && cat credentials && stat -c %a credentials && cat $0",
        "/etc/settings/LEVEL",
        volumes=[
            {
                "name": "credentials",
                "secret": {
                    "secretName": "database",
                    "items": [{"key": "PASSWORD", "path": "credentials"}],
                },
            },
            {"name": "settings", "configMap": {"name": "settings"}},
        ],
        c_volumeMounts=[
            {"name": "credentials", "mountPath": f"{HOME}/conf/local"},
            {"name": "settings", "mountPath": "/etc/settings/"},
        ],
    )

    assert text == "credentials\npa$$word400\ndebug\n"


def test_paths_of_the_image_and_of_mounts_mean_the_same_in_the_pod(client: Client) -> None:
    client.claim()
    own, other = str(HOME), "/mnt/data"
    arguments = [
        own,
        f"{own}/conf",
        f"--conf-source={own}/conf",
        f"{other}/file",
        f"a={other}",
        f"{own}2/conf",
        f"{other}bases",
        f"not {own}",
    ]
    # The log itself would show the project's own paths.
    text = client.output(
        *("sh", "-c", 'printf "%s\\n" "$@" | base64', "sh"),
        "$(AT)",
        "$(LIST)",
        *arguments,
        c_env=[_variable("AT", f"{own}/x"), _variable("LIST", f"{own}/src:/usr:{other}")],
        **with_claim(mount=other),
    )

    claim = other if can_share_paths() else client.cluster.claims()[0].folder
    lines = base64.b64decode(text).decode().splitlines()
    root = lines[2]
    assert root.endswith("/cluster/project" if can_share_paths() else "/task/base/root")
    assert lines == [
        f"{root}/x",
        f"{root}/src:/usr:{claim}",
        root,
        f"{root}/conf",
        f"--conf-source={root}/conf",
        f"{claim}/file",
        f"a={claim}",
        f"{own}2/conf",
        f"{other}bases",
        f"not {own}",
    ]


def test_a_mount_below_the_home_hides_what_the_image_has_there(client: Client) -> None:
    client.claim()

    assert client.output("ls", "data", name="without") == "raw.csv\n"
    assert client.output("sh", "-c", "ls data; echo 1 >data/x", name="w", **with_claim()) == ""
    assert client.output("cat", f"{HOME}/data/x", name="r", **with_claim()) == "1\n"


def test_a_claim_can_be_the_home_or_deep_in_it_or_mounted_in_part(client: Client) -> None:
    client.claim()
    deep = with_claim(mount=f"{HOME}/a/b")
    part = with_claim()
    part["c_volumeMounts"][0]["subPath"] = "sub/folder"

    client.output("touch", "a/b/deep", name="deep", **deep)
    client.output("touch", "data/part", name="part", **part)

    whole = with_claim(mount=str(HOME))
    found = client.output("find", ".", "-type", "f", name="home", **whole).split()
    assert sorted(found) == ["./deep", "./sub/folder/part"]


def test_a_mount_behind_a_file_of_the_image_fails_the_container(client: Client) -> None:
    client.claim()
    client.run(pod_of("true", **with_claim(mount=f"{HOME}/conf/parameters.yml/x")))

    state = client.ended().status.container_statuses[0].state.terminated
    assert "conf/parameters.yml is not a folder" in state.message
