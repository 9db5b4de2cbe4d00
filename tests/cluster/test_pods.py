"""The settings of pods on a real cluster: what its API has kept of them, and what a pod sees."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from kubernetes import client
from kubernetes.utils import create_from_dict

from kedro_airflow_k8s.config.kubernetes import parse_quantity
from kedro_airflow_k8s.config.own_names import LABEL_PREFIX
from tests.cluster.cluster import Cluster, Namespace
from tests.cluster.project import OBJECTS, OWNER, PASSWORD, SHOP
from tests.cluster.runs import REGION, Airflow

USER = 1234
"""A user that the image does not have."""
SEEN = re.compile(r"SEEN (\{.*\})")
ACCOUNT, CLAIM, CONFIG_MAP, SECRET = "shop-pods", "models", "shop", "shop-secret"
PRIORITY = 1000
ENFORCE = "pod-security.kubernetes.io/enforce"
HOSTNAME = "kubernetes.io/hostname"
AFFINITY = {
    "nodeAffinity": {
        "requiredDuringSchedulingIgnoredDuringExecution": {
            "nodeSelectorTerms": [{"matchExpressions": [{"key": HOSTNAME, "operator": "Exists"}]}]
        }
    }
}
SPREAD = {
    "maxSkew": 1,
    "topologyKey": HOSTNAME,
    "whenUnsatisfiable": "ScheduleAnyway",
    "labelSelector": {"matchLabels": {"team": "forecasts"}},
}
TOLERATION = {"key": "gpu", "operator": "Exists", "effect": "NoSchedule"}
ALIAS = {"ip": "192.0.2.7", "hostnames": ["warehouse.example.com"]}
WRITE = "echo -n $GREETING > /scratch/greeting.txt"
"""What the init container does."""


def settings_of_pods(unique: str) -> dict[str, Any]:
    """Settings of all pods of a run.

    Args:
        unique: The name of what belongs to the cluster, and not to the namespace.
    """
    return {
        "security_context": {"profile": "restricted", "pod": {"runAsUser": USER}},
        "service_account_name": ACCOUNT,
        "automount_service_account_token": False,
        "image_pull_secrets": "not-needed",
        "priority_class_name": unique,
        "runtime_class_name": unique,
        "scheduler_name": "default-scheduler",
        "labels": {"team": "forecasts"},
        "annotations": {"example.com/contact": "forecasts {{ ds }}"},
        "node_selectors": {"kubernetes.io/os": "linux"},
        "tolerations": [TOLERATION],
        "affinity": AFFINITY,
        "topology_spread": [SPREAD],
        "host_aliases": [ALIAS],
        "dns": {"searches": ["shop.example.com"], "options": {"ndots": "2"}},
        "termination_grace_period": 7,
        "active_deadline": "20m",
        "volume": {"owner": OWNER},
        "pod": {
            "metadata": {"annotations": {"example.com/raw": "kept"}},
            "spec": {"enableServiceLinks": False},
        },
    }


SMALL = {"cpu": "100m", "memory": "200Mi"}
LOOKING: dict[str, Any] = {
    "requests": SMALL,
    "limits": {"memory": "640Mi"},
    "shared_memory": "48Mi",
    "env_vars": {
        "TRY_TEXT": "$(HOME) {{ ds }} $$",
        "TRY_REGION": {"from_airflow_variable": "region"},
        "TRY_ADDRESS": {"from_field": "status.podIP"},
        "TRY_TEAM": {"from_field": "metadata.labels['team']"},
        "TRY_MEMORY": {"from_resource": "limits.memory", "divisor": "1Mi"},
    },
    "config_maps": [
        {"config_map": CONFIG_MAP},
        {"config_map": CONFIG_MAP, "key": "TRY_CURRENCY", "deploy_target": "TRY_MONEY"},
        {"config_map": CONFIG_MAP, "deploy_type": "volume", "deploy_target": "/etc/shop"},
    ],
    "secrets": [
        {"secret": SECRET, "key": "password", "deploy_target": "TRY_PASSWORD"},
        {"secret": SECRET, "deploy_type": "volume", "deploy_target": "/etc/shop-secret"},
    ],
    "volumes": {
        "models": {"claim": CLAIM, "sub_path": "shop/current", "mount_path": "/models"},
        "scratch": {"empty_dir": {"size": "64Mi"}, "mount_path": "/scratch"},
        "ephemeral": {"ephemeral": {"size": "32Mi"}, "mount_path": "/ephemeral"},
    },
    "init_containers": [
        {
            "name": "greet",
            "command": ["sh", "-c", WRITE],
            "env": [{"name": "GREETING", "value": "hello"}],
            "volumeMounts": [{"name": "scratch", "mountPath": "/scratch"}],
        }
    ],
}
READING: dict[str, Any] = {
    "deferrable": True,
    "poll_interval": 10,
    "volumes": {"models": {"claim": CLAIM, "mount_path": "/models", "read_only": True}},
}


@pytest.fixture(scope="module")
def unique(cluster: Cluster, namespace: Namespace) -> Iterator[str]:
    """The name of a priority class and of a runtime class, which belong to no namespace."""
    api = cluster.core.api_client
    metadata = client.V1ObjectMeta(name=namespace.name)
    priorities, runtimes = client.SchedulingV1Api(api), client.NodeV1Api(api)
    priorities.create_priority_class(
        client.V1PriorityClass(metadata=metadata, value=PRIORITY, preemption_policy="Never")
    )
    try:
        # The handler that containerd has of itself.
        runtimes.create_runtime_class(client.V1RuntimeClass(metadata=metadata, handler="runc"))
        try:
            yield namespace.name
        finally:
            runtimes.delete_runtime_class(namespace.name)
    finally:
        priorities.delete_priority_class(namespace.name)


@pytest.fixture(scope="module")
def shop(namespace: Namespace) -> Iterator[None]:
    """What the settings name, in the namespace."""
    core, name = namespace.core, namespace.name
    # From 1.25 on, the API then refuses pods that are not restricted. Before, it is a label.
    core.patch_namespace(name, {"metadata": {"labels": {ENFORCE: "restricted"}}})

    def metadata(of: str) -> client.V1ObjectMeta:
        return client.V1ObjectMeta(name=of)

    core.create_namespaced_service_account(
        name, client.V1ServiceAccount(metadata=metadata(ACCOUNT))
    )
    for document in OBJECTS:
        create_from_dict(core.api_client, document, namespace=name)
    spec = client.V1PersistentVolumeClaimSpec(
        access_modes=["ReadWriteOnce"],
        resources=client.V1VolumeResourceRequirements(requests={"storage": "16Mi"}),
    )
    core.create_namespaced_persistent_volume_claim(
        name, client.V1PersistentVolumeClaim(metadata=metadata(CLAIM), spec=spec)
    )
    yield
    core.delete_namespaced_persistent_volume_claim(CLAIM, name)
    core.patch_namespace(name, {"metadata": {"labels": {ENFORCE: None}}})


@dataclass(frozen=True)
class Shown:
    """A run with all settings.

    Attributes:
        pods: The pod of each task, as the cluster had it last.
        look: What the node `look` has seen of its pod.
        read: What the node `read` has seen of its own.
    """

    pods: dict[str, Any]
    look: dict[str, Any]
    read: dict[str, Any]

    def spec(self, task: str) -> dict[str, Any]:
        """The spec of a pod in Kubernetes' own words."""
        found: dict[str, Any] = plain(self.pods[task])["spec"]
        return found


@pytest.fixture(scope="module")
def shown(airflow_of_session: Airflow, unique: str, shop: None) -> Shown:
    """One run of two nodes."""
    airflow = airflow_of_session
    resources = {"looking": LOOKING, "reading": READING}
    done = airflow.run("try_pods", **settings_of_pods(unique), resources=resources).succeeded()
    pods = {task: pods for task, (pods,) in airflow.namespace.pods_of_run(done.run_id).items()}
    assert {*pods} == {"data_volume_init", "look", "read"}
    logs = {task: airflow.log("try_pods", done.run_id, task) for task in ("look", "read")}
    return Shown(pods, seen(logs["look"]), seen(logs["read"]))


def seen(log: str) -> dict[str, Any]:
    """What a node reports of its pod."""
    # KubernetesPodOperator repeats lines where it asks for the log again.
    (text,) = set(SEEN.findall(log))
    found: dict[str, Any] = json.loads(text)
    return found


def plain(pod: Any) -> Any:
    """A pod in Kubernetes' own words."""
    return client.ApiClient().sanitize_for_serialization(pod)


def test_variables_come_from_the_pod_airflow_config_maps_and_secrets(shown: Shown) -> None:
    assert shown.look["env"] == {
        "TRY_TEXT": "$(HOME) {{ ds }} $$",
        "TRY_REGION": REGION,
        "TRY_ADDRESS": shown.pods["look"].status.pod_ip,
        "TRY_TEAM": "forecasts",
        "TRY_MEMORY": "640",
        **{name: text for name, text in SHOP.items() if name.startswith("TRY_")},
        "TRY_MONEY": SHOP["TRY_CURRENCY"],
        "TRY_PASSWORD": PASSWORD["password"],
    }


def test_volumes_are_what_the_settings_say(shown: Shown, namespace: Namespace) -> None:
    assert shown.look["config"] == SHOP
    assert shown.look["secret"] == PASSWORD
    # The init container was there before the node, with the same volume.
    assert shown.look["scratch"] == {"greeting.txt": "hello", "mine.txt": "mine"}
    size = parse_quantity(LOOKING["shared_memory"])
    assert shown.look["shared_memory"] == size, (
        "A cluster before 1.22 does that only with the feature gate SizeMemoryBackedVolumes"
    )
    # One pod had a part of the claim, and the other one all of it.
    assert shown.read["models"] == {"shop/current/model.txt": "trained"}
    assert "Read-only file system" in shown.read["refusal"]
    volumes = {volume["name"]: volume for volume in shown.spec("look")["volumes"]}
    assert volumes["scratch"]["emptyDir"] == {"sizeLimit": "64Mi"}
    assert "ephemeral" in volumes["ephemeral"], (
        "A cluster before 1.21 has that only with the feature gate GenericEphemeralVolume"
    )
    # It was a volume of the cluster, and is gone with the pod.
    name = f"{shown.pods['look'].metadata.name}-ephemeral"
    assert namespace.claims.last(name).status.phase == "Bound"
    namespace.claims.wait_for(lambda: name not in namespace.claims.there(), f"{name} deleted")


def test_restricted_pods_have_no_rights(shown: Shown) -> None:
    for task in shown.pods:
        spec = shown.spec(task)
        assert spec["securityContext"] == {
            "fsGroup": OWNER,
            "runAsNonRoot": True,
            "runAsUser": USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        }
        for container in (*spec["containers"], *spec.get("initContainers", ())):
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "capabilities": {"drop": ["ALL"]},
            }
        assert not any(spec.get(key) for key in ("hostNetwork", "hostPID", "hostIPC"))
        assert not any("hostPath" in volume for volume in spec["volumes"])
    # The kernel agrees. A 2 of seccomp is a filter.
    none = "0" * 16
    assert shown.look["status"] == {
        "NoNewPrivs": "1", "CapEff": none, "CapBnd": none, "Seccomp": "2"
    }  # fmt: skip
    # In the image's group, so that the project's folder is writable; and in that of the volume.
    assert shown.look["user"] == [USER, 0, 0, OWNER]
    assert shown.look["token"] is False


def test_the_cluster_has_kept_every_field(shown: Shown, unique: str) -> None:
    for task, pod in shown.pods.items():
        spec = shown.spec(task)
        wanted = {
            "serviceAccountName": ACCOUNT,
            "automountServiceAccountToken": False,
            "imagePullSecrets": [{"name": "not-needed"}],
            "priorityClassName": unique,
            "priority": PRIORITY,
            "runtimeClassName": unique,
            "schedulerName": "default-scheduler",
            "nodeSelector": {"kubernetes.io/os": "linux"},
            "topologySpreadConstraints": [SPREAD],
            "hostAliases": [ALIAS],
            "dnsConfig": {
                "searches": ["shop.example.com"], "options": [{"name": "ndots", "value": "2"}]
            },
            "terminationGracePeriodSeconds": 7,
            "activeDeadlineSeconds": 1200,
            "enableServiceLinks": False,
        }  # fmt: skip
        assert {key: spec.get(key) for key in wanted} == wanted
        assert TOLERATION in spec["tolerations"]
        assert spec["affinity"]["nodeAffinity"] == AFFINITY["nodeAffinity"]
        # What keeps the pods of a run together is beside it.
        assert "podAffinity" in spec["affinity"]
        annotations = pod.metadata.annotations
        assert annotations["example.com/contact"] == "forecasts {{ ds }}"
        assert annotations["example.com/raw"] == "kept"
        assert (
            pod.metadata.labels.items()
            >= {
                "team": "forecasts",
                f"{LABEL_PREFIX}project": "spaceflights",
                f"{LABEL_PREFIX}pipeline": "try_pods",
                f"{LABEL_PREFIX}env": "local",
                f"{LABEL_PREFIX}commit": "none",
                f"{LABEL_PREFIX}node": task,
            }.items()
        )
    base = shown.spec("look")["containers"][0]
    assert base["resources"] == {"limits": {"memory": "640Mi"}, "requests": SMALL}
    assert shown.look["address"] == ALIAS["ip"]
    assert "shop.example.com" in shown.look["resolver"]
    assert "ndots:2" in shown.look["resolver"]
