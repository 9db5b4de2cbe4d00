"""What the sandbox's API accepts of pods, claims and ConfigMaps, and why it refuses the rest."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kedro_airflow_k8s.sandbox.cluster.discovery import KINDS
from kedro_airflow_k8s.sandbox.cluster.manifests import check
from kedro_airflow_k8s.sandbox.cluster.status import StatusError
from tests.airflow.sandbox.cluster.cluster_client import claim_of, pod_of

HOME = PurePosixPath("/home/kedro")
NAMED = {"name": "v", "emptyDir": {}}


def _checked(kind: str, manifest: dict[str, Any]) -> None:
    metadata = {"namespace": "team", **manifest["metadata"]}
    plural = next(plural for plural, name in KINDS.items() if name == kind)
    check(plural, {"apiVersion": "v1", "kind": kind, **manifest, "metadata": metadata}, HOME)


def _refusal(kind: str, manifest: dict[str, Any]) -> str:
    with pytest.raises(StatusError) as caught:
        _checked(kind, manifest)
    assert (caught.value.code, caught.value.reason) == (422, "Invalid")
    return str(caught.value)


def _labelled(**labels: Any) -> dict[str, Any]:
    pod = pod_of("true")
    pod["metadata"]["labels"] = labels
    return pod


def _init(**container: Any) -> dict[str, Any]:
    return {"name": "first", "image": "example.com/first:1", "command": ["true"], **container}


def _env(*variables: dict[str, Any]) -> dict[str, Any]:
    return pod_of("true", c_env=list(variables))


@pytest.mark.parametrize(
    ("pod", "problem"),
    [
        ({"metadata": {"name": "x"}, "spec": {"restartPolicy": "Never"}}, "spec.containers: Req"),
        ({"metadata": {"name": "x"}, "spec": []}, "spec: Invalid value"),
        ({"metadata": {"generateName": "x-"}, "spec": {}}, "metadata.name: Required value"),
        (pod_of("true", name="Upper"), "metadata.name: Invalid value"),
        (pod_of("true", name="a" * 254), "metadata.name: Invalid value"),
        (pod_of("true", name="../../etc"), "metadata.name: Invalid value"),
        (pod_of("true", name="new\n"), "metadata.name: Invalid value"),
        (_labelled(**{"node_pool_label/k8s.io": "v"}), "metadata.labels: Invalid value"),
        (_labelled(key="v" * 64), "metadata.labels: Invalid value"),
        (_labelled(key=True), "metadata.labels.key: Invalid value"),
        (pod_of("true", restartPolicy="Always"), "spec.restartPolicy: Unsupported value"),
        (pod_of("true", activeDeadlineSeconds="5"), "spec.activeDeadlineSeconds: Invalid value"),
        (pod_of("true", activeDeadlineSeconds=True), "spec.activeDeadlineSeconds: Invalid value"),
        (pod_of("true", ephemeralContainers=[]), "spec.ephemeralContainers: Unsupported value"),
        (pod_of("true", c_name="../x"), "spec.containers: Invalid value"),
        (pod_of("true", c_args="echo"), "spec.containers[0].args: Invalid value"),
        (pod_of("true", c_args=[1]), "spec.containers[0].args[0]: Invalid value"),
        (pod_of("true", c_volumeDevices=[]), "spec.containers[0].volumeDevices: Unsupported value"),
        (pod_of("true", c_name="airflow-xcom-sidecar"), "the sandbox has no XCom of pods"),
        (pod_of("true", initContainers=[_init(restartPolicy="Never")]), "must be Always"),
        (pod_of("true", c_startupProbe={}), "startupProbe: Required value: must have one of"),
        (pod_of("true", c_startupProbe={"tcpSocket": {"port": "web"}}), "'web': must be a port"),
        (pod_of("true", c_resources={"limits": {"cpu": "1 core"}}), "limits.cpu: Invalid value"),
        (pod_of(), "spec.containers[base]: Required value: command or args"),
        (_env({"name": "A", "value": 1}), "spec.containers[0].env[0].value: Invalid value"),
        (_env({"name": "A", "valueFrom": {}}), "spec.containers[base].env: Required value"),
        (
            _env({"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "spec.x"}}}),
            "spec.containers[base].env: Unsupported value",
        ),
        (
            _env({"name": "A", "valueFrom": {"resourceFieldRef": {"resource": "limits.gpu"}}}),
            "spec.containers[base].env: Unsupported value: no variable can have the resource",
        ),
        (
            _env({"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels"}}}),
            "spec.containers[base].env: Unsupported value: no variable can have the field",
        ),
        (pod_of("true", c_envFrom=[{}]), "spec.containers[base].env: Required value"),
        (pod_of("true", volumes=[{"name": "v"}]), "spec.volumes[v]: Required value"),
        (pod_of("true", volumes=[{"name": "../v", "emptyDir": {}}]), "spec.volumes: Invalid value"),
        (
            pod_of("true", volumes=[{"name": "v", "hostPath": {"path": "/a/../b"}}]),
            "spec.volumes[v]: Invalid value: '/a/../b'",
        ),
        (
            pod_of("true", volumes=[{"name": "v", "nfs": {"server": "../..", "path": "/a"}}]),
            "spec.volumes[v].nfs.server: Invalid value",
        ),
        (
            pod_of("true", volumes=[{"name": "v", "persistentVolumeClaim": {"claimName": "../x"}}]),
            "spec.volumes[v]: Invalid value: '../x'",
        ),
        (
            pod_of("true", volumes=[{"name": "v", "configMap": {"name": "c", "defaultMode": 999}}]),
            "spec.volumes[v]: Invalid value: 999: must be a mode",
        ),
        (
            pod_of("true", volumes=[{"name": "v", "projected": {"sources": [{}]}}]),
            "spec.volumes[v].projected: Required value: must have one source",
        ),
        (
            pod_of(
                "true",
                volumes=[
                    {
                        "name": "v",
                        "downwardAPI": {
                            "items": [{"path": "x", "fieldRef": {"fieldPath": "status.podIP"}}]
                        },
                    }
                ],
            ),
            "no file can have the field status.podIP",
        ),
        (
            pod_of("true", volumes=[{"name": "v", "iscsi": {"iqn": "x"}}]),
            "spec.volumes[0].iscsi: Unsupported value",
        ),
        (
            pod_of(
                "true",
                volumes=[
                    {
                        "name": "v",
                        "secret": {"secretName": "s", "items": [{"key": "k", "path": "../x"}]},
                    }
                ],
            ),
            "spec.volumes[v].items: Invalid value",
        ),
        (pod_of("true", volumes=[NAMED, NAMED]), 'spec.volumes: Duplicate value: "v"'),
        (
            pod_of("true", c_volumeMounts=[{"name": "v", "mountPath": "/x"}]),
            'spec.containers[base].volumeMounts: Not found: "v"',
        ),
    ],
)
def test_a_pod_that_a_cluster_or_the_sandbox_cannot_run_is_refused(
    pod: dict[str, Any], problem: str
) -> None:
    assert problem in _refusal("Pod", pod)


@pytest.mark.parametrize(
    ("mounts", "message"),
    [
        ([{"mountPath": "relative"}], "absolute"),
        ([{"mountPath": "/a/../b"}], "absolute"),
        ([{"mountPath": "/a", "subPath": "../other"}], "relative path"),
        ([{"mountPath": "/a"}, {"mountPath": "/a/"}], "must be unique"),
        ([{"mountPath": "/a", "subPath": "x", "subPathExpr": "y"}], "mutually exclusive"),
        ([{"mountPath": "/home"}], "hide /home/kedro"),
        ([{"mountPath": "/"}], "hide /home/kedro"),
    ],
)
def test_a_mount_that_the_sandbox_cannot_make_is_refused(
    mounts: list[dict[str, Any]], message: str
) -> None:
    mounts = [{"name": "v", **mount} for mount in mounts]

    assert message in _refusal("Pod", pod_of("true", volumes=[NAMED], c_volumeMounts=mounts))


def test_several_mistakes_are_reported_together() -> None:
    pod = pod_of("true", c_env=[{"value": 1}], c_volumeDevices=[])

    message = _refusal("Pod", pod)

    for problem in (
        "spec.containers[0].env[0].name: Required value",
        "spec.containers[0].env[0].value: Invalid value",
        "spec.containers[0].volumeDevices: Unsupported value",
    ):
        assert problem in message


def test_fields_about_where_and_with_which_rights_a_pod_runs_are_accepted() -> None:
    _checked(
        "Pod",
        pod_of(
            "true",
            c_resources={"limits": {"nvidia.com/gpu": "1"}},
            c_securityContext={"runAsUser": 1},
            affinity={"podAffinity": {}},
            nodeSelector={"pool": "gpu"},
            tolerations=[{"operator": "Exists"}],
            securityContext={"fsGroup": 0},
            priorityClassName="high",
            schedulerName="volcano",
            hostNetwork=False,
        ),
    )


def test_what_a_process_can_honour_is_accepted() -> None:
    proxy = _init(
        restartPolicy="Always",
        ports=[{"containerPort": 5432, "name": "db"}],
        startupProbe={"tcpSocket": {"port": "db"}, "periodSeconds": 1},
    )
    pod = pod_of(
        "true",
        initContainers=[_init(name="fetch"), proxy],
        hostname="trainer",
        volumes=[
            {"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": "2Gi"}},
            {"name": "scratch", "ephemeral": {"volumeClaimTemplate": {"spec": claim_of()["spec"]}}},
            {"name": "shared", "nfs": {"server": "nfs.example.com", "path": "/exports"}},
            {"name": "vault", "csi": {"driver": "secrets-store.csi.k8s.io", "readOnly": True}},
            {"name": "node", "hostPath": {"path": "/var/data", "type": "Directory"}},
        ],
        c_volumeMounts=[
            {"name": "scratch", "mountPath": "/scratch"},
            {"name": "shm", "mountPath": "/scratch/shm", "subPathExpr": "$(POD)"},
        ],
        c_workingDir="/scratch",
    )
    pod["spec"]["containers"].append(_init(name="second"))

    _checked("Pod", pod)


@pytest.mark.parametrize(
    ("spec", "problem"),
    [
        ({"accessModes": None}, "spec.accessModes: Invalid value"),
        ({"accessModes": [1]}, "spec.accessModes[0]: Invalid value"),
        ({"resources": {}}, "spec.resources.requests: Required value"),
        ({"resources": {"requests": {}}}, "spec.resources.requests.storage: Required value"),
        ({"resources": {"requests": {"storage": "-1Gi"}}}, "storage: Invalid value: '-1Gi'"),
        ({"resources": {"requests": {"storage": "1 GB"}}}, "storage: Invalid value: '1 GB'"),
        ({"dataSource": {"name": "snapshot"}}, "spec.dataSource: Unsupported value"),
    ],
)
def test_a_claim_that_the_sandbox_cannot_make_is_refused(
    spec: dict[str, Any], problem: str
) -> None:
    assert problem in _refusal("PersistentVolumeClaim", claim_of(**spec))


@pytest.mark.parametrize("data", [{"a": 1}, {"a": {}}, [], "text"])
def test_the_data_of_a_config_map_are_texts(data: Any) -> None:
    assert "data" in _refusal("ConfigMap", {"metadata": {"name": "x"}, "data": data})


FIELDS = st.sampled_from(
    [
        *("metadata", "spec", "name", "labels", "containers", "initContainers", "command", "args"),
        *("env", "value", "valueFrom", "envFrom", "secretKeyRef", "volumes", "volumeMounts"),
        *("mountPath", "subPath", "emptyDir", "secret", "items", "resources", "requests"),
        *("accessModes", "imagePullSecrets", "data", "kind"),
    ]
)
VALUES = st.recursive(
    st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(FIELDS, inner, max_size=3),
    max_leaves=8,
)


@given(
    kind=st.sampled_from(["Pod", "PersistentVolumeClaim", "ConfigMap"]),
    spec=VALUES,
    container=VALUES,
)
def test_no_object_however_odd_breaks_the_check(kind: str, spec: Any, container: Any) -> None:
    if isinstance(spec, dict):
        spec = {**spec, "containers": [container]}

    with pytest.raises(StatusError):
        _checked(kind, {"metadata": {"name": "x"}, "spec": spec})
