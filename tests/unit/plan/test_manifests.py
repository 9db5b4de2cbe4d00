"""Each key of pods becomes a field of Kubernetes, and `pod` is merged over it."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from kedro_airflow_k8s.plan.manifests import pod_manifest
from tests.support.strategies import config_of

NO_VOLUME = {"image": "a:1", "volume": {"disabled": True}}
RESTRICTED = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}


def pod(text: str, **keys: Any) -> dict[str, Any]:
    run = config_of({**NO_VOLUME, **keys, **yaml.safe_load(text)}).run_config
    return pod_manifest(run.settings_of("__default__"), run, "shop-{{ run_id }}", {})


def spec(text: str, **keys: Any) -> dict[str, Any]:
    found: dict[str, Any] = pod(text, **keys)["spec"]
    return found


def base(text: str, **keys: Any) -> dict[str, Any]:
    (found,) = spec(text, **keys)["containers"]
    assert isinstance(found, dict)
    return found


SPEC: list[tuple[str, str, Any]] = [
    ("service_account_name: a", "serviceAccountName", "a"),
    ("automount_service_account_token: false", "automountServiceAccountToken", False),
    ("node_selectors: {pool: gpu}", "nodeSelector", {"pool": "gpu"}),
    (
        "tolerations: [{key: a, effect: NoExecute, toleration_seconds: 0}]",
        "tolerations",
        [{"key": "a", "effect": "NoExecute", "tolerationSeconds": 0}],
    ),
    ("affinity: {podAffinity: {}}", "affinity", {"podAffinity": {}}),
    (
        "topology_spread: [{maxSkew: 1, topologyKey: z, whenUnsatisfiable: DoNotSchedule}]",
        "topologySpreadConstraints",
        [{"maxSkew": 1, "topologyKey": "z", "whenUnsatisfiable": "DoNotSchedule"}],
    ),
    ("priority_class_name: batch", "priorityClassName", "batch"),
    ("scheduler_name: volcano", "schedulerName", "volcano"),
    ("runtime_class_name: nvidia", "runtimeClassName", "nvidia"),
    (
        "host_aliases: [{ip: 10.0.0.1, hostnames: [db]}]",
        "hostAliases",
        [{"ip": "10.0.0.1", "hostnames": ["db"]}],
    ),
    ("dns: {policy: Default}", "dnsPolicy", "Default"),
    (
        "dns: {nameservers: [10.0.0.1], searches: [a.b], options: {ndots: '2', rotate: ''}}",
        "dnsConfig",
        {
            "nameservers": ["10.0.0.1"],
            "searches": ["a.b"],
            "options": [{"name": "ndots", "value": "2"}, {"name": "rotate"}],
        },
    ),
    ("termination_grace_period: 2m", "terminationGracePeriodSeconds", 120),
    ("termination_grace_period: 0", "terminationGracePeriodSeconds", 0),
    ("active_deadline: 1h", "activeDeadlineSeconds", 3600),
    ("image_pull_secrets: a, b", "imagePullSecrets", [{"name": "a"}, {"name": "b"}]),
]


@pytest.mark.parametrize(("text", "field", "value"), SPEC)
def test_a_key_becomes_a_field_of_the_spec(text: str, field: str, value: Any) -> None:
    assert spec(text)[field] == value
    assert field not in spec("{}")


def test_a_variable_may_come_from_a_field_of_the_pod_or_an_amount_of_a_resource() -> None:
    found = base(
        """
        env_vars:
          IP: {from_field: status.podIP}
          CORES: {from_resource: limits.cpu}
          MIB: {from_resource: requests.memory, divisor: 1Mi}
          PLAIN: x
          REGION: {from_airflow_variable: region}
        config_maps: [{config_map: settings, key: k, deploy_target: K}]
        """
    )

    # Airflow knows the others: they are not in the manifest.
    assert found["env"] == [
        {
            "name": "K",
            "valueFrom": {"configMapKeyRef": {"name": "settings", "key": "k"}},
        },
        {"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
        {
            "name": "CORES",
            "valueFrom": {"resourceFieldRef": {"containerName": "base", "resource": "limits.cpu"}},
        },
        {
            "name": "MIB",
            "valueFrom": {
                "resourceFieldRef": {
                    "containerName": "base",
                    "resource": "requests.memory",
                    "divisor": "1Mi",
                }
            },
        },
    ]


def test_a_whole_config_map_becomes_variables_and_others_become_files() -> None:
    text = """
        config_maps:
          - {config_map: all}
          - {config_map: files, deploy_type: volume, deploy_target: /etc/shop}
          - {config_map: one, key: a.yml, deploy_type: volume, deploy_target: /etc/one}
        """

    assert base(text)["envFrom"] == [{"configMapRef": {"name": "all"}}]
    assert spec(text)["volumes"] == [
        {"name": "config-map-0", "configMap": {"name": "files"}},
        {
            "name": "config-map-1",
            "configMap": {"name": "one", "items": [{"key": "a.yml", "path": "a.yml"}]},
        },
    ]
    assert [mount["mountPath"] for mount in base(text)["volumeMounts"]] == ["/etc/shop", "/etc/one"]


VOLUMES: list[tuple[str, dict[str, Any]]] = [
    ("claim: models", {"persistentVolumeClaim": {"claimName": "models"}}),
    ("empty_dir: {}", {"emptyDir": {}}),
    (
        "empty_dir: {medium: Memory, size: 1Gi}",
        {"emptyDir": {"medium": "Memory", "sizeLimit": "1Gi"}},
    ),
    (
        "ephemeral: {size: 5Gi, storageclass: fast}",
        {
            "ephemeral": {
                "volumeClaimTemplate": {
                    "spec": {
                        "accessModes": ["ReadWriteOnce"],
                        "resources": {"requests": {"storage": "5Gi"}},
                        "storageClassName": "fast",
                    }
                }
            }
        },
    ),
    ("nfs: {server: x, path: /y}", {"nfs": {"server": "x", "path": "/y"}}),
    (
        "csi: {driver: d.example.com, attributes: {a: b}, fs_type: ext4, secret: s}",
        {
            "csi": {
                "driver": "d.example.com",
                "fsType": "ext4",
                "volumeAttributes": {"a": "b"},
                "nodePublishSecretRef": {"name": "s"},
            }
        },
    ),
    ("host_path: /var/log", {"hostPath": {"path": "/var/log"}}),
    (
        "host_path: {path: /run/x, type: Socket}",
        {"hostPath": {"path": "/run/x", "type": "Socket"}},
    ),
]


@pytest.mark.parametrize(("source", "manifest"), VOLUMES)
def test_a_volume_has_the_source_that_its_key_names(source: str, manifest: dict[str, Any]) -> None:
    found = spec(f"volumes: {{v: {{{source}}}}}")

    assert found["volumes"] == [{"name": "v", **manifest}]
    assert "volumeMounts" not in found["containers"][0]


def test_a_volume_is_mounted_where_and_as_its_keys_say() -> None:
    keys = "{claim: a, mount_path: /v, sub_path: b/c, read_only: true}"

    assert base(f"volumes: {{v: {keys}}}")["volumeMounts"] == [
        {"name": "v", "mountPath": "/v", "subPath": "b/c", "readOnly": True}
    ]


def test_shared_memory_is_a_folder_in_memory_of_the_asked_size() -> None:
    found = spec("shared_memory: 2Gi")

    assert found["volumes"] == [
        {"name": "shared-memory", "emptyDir": {"medium": "Memory", "sizeLimit": "2Gi"}}
    ]
    assert found["containers"][0]["volumeMounts"] == [
        {"name": "shared-memory", "mountPath": "/dev/shm"}
    ]


def test_restricted_is_all_that_the_standard_demands_on_each_container() -> None:
    found = spec(
        """
        security_context: restricted
        init_containers: [{name: a, image: i, securityContext: {runAsUser: 7}}]
        sidecars: [{name: b}]
        """,
        volume={"owner": 1000},
    )

    assert found["securityContext"] == {
        "fsGroup": 1000,
        "runAsNonRoot": True,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    contexts = {
        container["name"]: container["securityContext"]
        for container in (*found["containers"], *found["initContainers"])
    }
    assert contexts == {"base": RESTRICTED, "a": {**RESTRICTED, "runAsUser": 7}, "b": RESTRICTED}


def test_containers_have_the_image_of_the_pods_unless_they_name_one_and_sidecars_go_on() -> None:
    found = spec(
        """
        init_containers: [{name: first}]
        sidecars: [{name: proxy, image: proxy:2}]
        """
    )

    assert found["initContainers"] == [
        {"name": "first", "image": "a:1", "imagePullPolicy": "IfNotPresent"},
        {"name": "proxy", "image": "proxy:2", "restartPolicy": "Always"},
    ]


def test_an_affinity_stays_beside_the_rule_that_keeps_a_run_on_one_machine() -> None:
    own = {"labelSelector": {"matchLabels": {"app": "db"}}, "topologyKey": "zone"}
    key = "requiredDuringSchedulingIgnoredDuringExecution"

    found = spec("{}", volume={}, affinity={"podAffinity": {key: [own]}, "nodeAffinity": {}})

    ours, theirs = found["affinity"]["podAffinity"][key]
    assert ours["topologyKey"] == "kubernetes.io/hostname"
    assert theirs == own
    assert found["affinity"]["nodeAffinity"] == {}


def test_raw_yaml_is_merged_over_all_else_and_lists_of_named_parts_by_their_names() -> None:
    found = pod(
        """
        labels: {team: a}
        env_vars: {IP: {from_field: status.podIP}}
        volumes: {v: {claim: a, mount_path: /v}}
        init_containers: [{name: first, image: i}]
        host_aliases: [{ip: 10.0.0.1}]
        pod:
          metadata: {labels: {team: b, more: c}}
          spec:
            hostname: trainer
            hostAliases: [{ip: 10.0.0.2}]
            volumes: [{name: v, persistentVolumeClaim: {readOnly: true, claimName: a}},
                      {name: w, emptyDir: {}}]
            initContainers: [{name: first, workingDir: /}, {name: second, image: j}]
            containers:
              - name: base
                env: [{name: MORE, value: x}]
                volumeMounts: [{name: v, mountPath: /v, readOnly: true},
                               {name: w, mountPath: /w}]
                ports: [{containerPort: 9090}]
        """
    )

    assert found["metadata"]["labels"] == {"team": "b", "more": "c"}
    merged = found["spec"]
    assert merged["hostname"] == "trainer"
    assert merged["hostAliases"] == [{"ip": "10.0.0.2"}]
    assert merged["volumes"] == [
        {"name": "v", "persistentVolumeClaim": {"claimName": "a", "readOnly": True}},
        {"name": "w", "emptyDir": {}},
    ]
    assert merged["initContainers"] == [
        {"name": "first", "image": "i", "workingDir": "/"},
        {"name": "second", "image": "j"},
    ]
    (container,) = merged["containers"]
    assert container["image"] == "a:1"
    assert [variable["name"] for variable in container["env"]] == ["IP", "MORE"]
    assert container["volumeMounts"] == [
        {"name": "v", "mountPath": "/v", "readOnly": True},
        {"name": "w", "mountPath": "/w"},
    ]
    assert container["ports"] == [{"containerPort": 9090}]


@pytest.mark.parametrize(
    "text",
    [
        "annotations: {a: '{{ x }}'}",
        "init_containers: [{name: a, command: [echo, '{{ x }}']}]",
        "pod: {metadata: {annotations: {a: '{{ x }}'}}}",
        "pod: {spec: {hostname: '{{ x }}'}}",
        "volumes: {v: {csi: {driver: d, attributes: {a: '{{ x }}'}}}}",
    ],
)
def test_braces_reach_kubernetes_as_they_are_written(text: str) -> None:
    assert '{{ "{{ x }}" }}' in _texts(pod(text))


def test_the_names_that_only_a_run_knows_stay_templates() -> None:
    found = spec("{}", volume={})

    assert found["volumes"][-1]["persistentVolumeClaim"] == {"claimName": "shop-{{ run_id }}"}


def _texts(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [text for part in value.values() for text in _texts(part)]
    if isinstance(value, list):
        return [text for part in value for text in _texts(part)]
    return [value] if isinstance(value, str) else []
