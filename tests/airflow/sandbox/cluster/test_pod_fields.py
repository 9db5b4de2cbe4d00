"""Variables get their values from the pod's fields and resources, and from ConfigMaps."""

from __future__ import annotations

import os
from typing import Any

import psutil

from tests.airflow.sandbox.cluster.cluster_client import HOME, Client, pod_of, wait_for

GIB = 1 << 30


def _field(path: str) -> dict[str, Any]:
    return {"fieldRef": {"fieldPath": path}}


def _resource(name: str, **source: str) -> dict[str, Any]:
    return {"resourceFieldRef": {"resource": name, **source}}


def _values(client: Client, sources: dict[str, dict[str, Any]], **spec: Any) -> dict[str, str]:
    env = [{"name": name, "valueFrom": source} for name, source in sources.items()]
    pod = pod_of("env", "-0", c_env=env, **spec)
    pod["metadata"] |= {"labels": {"team": "a"}, "annotations": {"example.com/why": "it's late"}}
    client.run(pod)
    assert client.ended().status.phase == "Succeeded"
    entries = client.log().rstrip("\n").split("\0")
    return {k: v for k, _, v in (e.partition("=") for e in entries) if k in sources}


def test_every_field_of_the_downward_api_is_known(client: Client) -> None:
    found = _values(
        client,
        {
            "LABEL": _field("metadata.labels['team']"),
            "ANNOTATION": _field("metadata.annotations['example.com/why']"),
            "NO_LABEL": _field("metadata.labels['none']"),
            "UID": _field("metadata.uid"),
            "IPS": _field("status.podIPs"),
            "HOST": _field("status.hostIP"),
            "HOSTS": _field("status.hostIPs"),
        },
    )

    assert found == {
        "LABEL": "a",
        "ANNOTATION": "it's late",
        "NO_LABEL": "",
        "UID": client.pod().metadata.uid,
        **dict.fromkeys(("IPS", "HOST", "HOSTS"), "127.0.0.1"),
    }


def test_resources_are_rounded_up_to_the_divisor(client: Client) -> None:
    limits = {"cpu": "1500m", "memory": "1.5Gi"}
    found = _values(
        client,
        {
            "CPU": _resource("limits.cpu"),
            "MILLI": _resource("limits.cpu", divisor="1m"),
            "MIB": _resource("limits.memory", divisor="1Mi"),
            "GIB": _resource("limits.memory", divisor="1Gi"),
            "BYTES": _resource("limits.memory"),
            "REQUEST": _resource("requests.memory", divisor="1Mi"),
            # Kubernetes sets a missing request to the limit.
            "REQUESTED_CPU": _resource("requests.cpu", divisor="1m"),
            "OTHER": _resource("limits.cpu", containerName="first", divisor="1m"),
        },
        c_resources={"limits": limits, "requests": {"memory": "100Mi"}},
        initContainers=[
            {
                "name": "first",
                "image": "example.com/project:1",
                "command": ["true"],
                "resources": {"limits": {"cpu": 3}},
            }
        ],
    )

    assert found == {
        "CPU": "2",
        "MILLI": "1500",
        "MIB": "1536",
        "GIB": "2",
        "BYTES": str(3 * GIB // 2),
        "REQUEST": "100",
        "REQUESTED_CPU": "1500",
        "OTHER": "3000",
    }


def test_without_a_limit_a_container_may_use_all_of_the_machine(client: Client) -> None:
    found = _values(
        client,
        {
            "CPU": _resource("limits.cpu"),
            "MEMORY": _resource("limits.memory"),
            "REQUEST": _resource("requests.cpu"),
        },
    )

    assert found == {
        "CPU": str(os.cpu_count()),
        "MEMORY": str(psutil.virtual_memory().total),
        "REQUEST": "0",
    }


def test_what_is_optional_may_be_missing_and_a_prefix_is_put_in_front(client: Client) -> None:
    sources: list[dict[str, Any]] = [
        {"configMapRef": {"name": "settings"}, "prefix": "APP_"},
        {"secretRef": {"name": "none", "optional": True}},
    ]
    env = {"configMapKeyRef": {"name": "settings", "key": "none", "optional": True}}
    text = client.output(
        *("sh", "-c", "echo $$APP_LEVEL $${NONE-unset}; ls /etc/optional"),
        c_envFrom=sources,
        c_env=[{"name": "NONE", "valueFrom": env}],
        volumes=[{"name": "v", "configMap": {"name": "none", "optional": True}}],
        c_volumeMounts=[{"name": "v", "mountPath": "/etc/optional"}],
    )

    assert text == "debug unset\n"


def test_the_host_name_and_the_working_folder_are_the_pods(client: Client) -> None:
    text = client.output(
        "sh", "-c", "echo $$HOSTNAME; ls", hostname="trainer", c_workingDir=f"{HOME}/conf"
    )
    assert text == "trainer\nparameters.yml\n"


def test_a_config_map_that_is_missing_keeps_the_pod_waiting(client: Client) -> None:
    env = {"configMapKeyRef": {"name": "later", "key": "LEVEL"}}
    client.run(pod_of("true", c_env=[{"name": "A", "valueFrom": env}]))

    assert 'configmap "later" not found' in client.waiting().message
    client.delete()
    wait_for(client.is_gone)
