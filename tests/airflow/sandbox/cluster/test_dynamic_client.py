"""Kubernetes' own DynamicClient, which discovers the kinds of an API, works with the sandbox."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from kubernetes.dynamic import DynamicClient
from kubernetes.dynamic.exceptions import (
    ConflictError,
    ForbiddenError,
    NotFoundError,
    ResourceNotFoundError,
    UnprocessibleEntityError,
)

from tests.airflow.sandbox.cluster.cluster_client import (
    NAMESPACE,
    Client,
    claim_of,
    pod_of,
    with_claim,
)
from tests.airflow.sandbox.cluster.enforced_rights import enforced
from tests.support.rbac import read_manifest

CONFIG_MAP = {"metadata": {"name": "run"}, "data": {"master": "local[*]"}}
KINDS = {
    "PersistentVolumeClaim": claim_of("run"),
    "ConfigMap": CONFIG_MAP,
    "Pod": pod_of("sleep", "1000", name="run"),
}


@pytest.fixture
def dynamic(client: Client, tmp_path: Path) -> DynamicClient:
    """The client, with a cache of its own: the one by default is shared by all of this port."""
    return DynamicClient(client.api.api_client, cache_file=str(tmp_path / "discovery.json"))


def _resource(dynamic: DynamicClient, kind: str) -> Any:
    return dynamic.resources.get(api_version="v1", kind=kind)


@pytest.mark.parametrize("kind", KINDS)
def test_an_object_is_created_read_and_deleted_once(dynamic: DynamicClient, kind: str) -> None:
    resource = _resource(dynamic, kind)
    marks = {"kedro-airflow-k8s/run-id": "manual__1"}
    body = {**KINDS[kind], "apiVersion": "v1", "kind": kind}
    body["metadata"] = {"name": "run", "annotations": marks, "labels": {"run": "1"}}

    created = resource.create(body=body, namespace=NAMESPACE)

    assert created.to_dict() == resource.get(name="run", namespace=NAMESPACE).to_dict()
    assert (created.kind, created.metadata.annotations.to_dict()) == (kind, marks)
    with pytest.raises(ConflictError) as caught:
        resource.create(body=body, namespace=NAMESPACE)
    assert "already exists" in caught.value.summary()
    found = resource.get(namespace=NAMESPACE, label_selector="run=1").items
    assert [item.metadata.name for item in found] == ["run"]
    resource.delete(name="run", namespace=NAMESPACE, grace_period_seconds=0)
    for call in (resource.get, resource.delete):
        with pytest.raises(NotFoundError):
            call(name="run", namespace=NAMESPACE)


def test_a_claim_in_use_has_a_deletion_timestamp_until_its_pod_has_ended(
    dynamic: DynamicClient,
) -> None:
    claims, pods = _resource(dynamic, "PersistentVolumeClaim"), _resource(dynamic, "Pod")
    claims.create(body=claim_of(), namespace=NAMESPACE)
    pods.create(body=pod_of("sleep", "1000", **with_claim()), namespace=NAMESPACE)

    claims.delete(name="data", namespace=NAMESPACE)

    claim = claims.get(name="data", namespace=NAMESPACE)
    assert claim.metadata.deletionTimestamp
    assert claim.status.phase == "Bound"
    with pytest.raises(ConflictError):
        claims.create(body=claim_of(), namespace=NAMESPACE)
    pods.delete(name="task", namespace=NAMESPACE, grace_period_seconds=0)
    with pytest.raises(NotFoundError):
        claims.get(name="data", namespace=NAMESPACE)


def test_labels_are_patched_and_an_object_that_does_not_fit_is_refused(
    dynamic: DynamicClient,
) -> None:
    claims = _resource(dynamic, "PersistentVolumeClaim")
    claims.create(body=claim_of(), namespace=NAMESPACE)
    labels = {"metadata": {"labels": {"kept": "until-tomorrow"}}}

    patched = claims.patch(body=labels, name="data", namespace=NAMESPACE)

    assert patched.metadata.labels.kept == "until-tomorrow"
    with pytest.raises(UnprocessibleEntityError) as caught:
        claims.create(body=claim_of("other", dataSource={}), namespace=NAMESPACE)
    assert "spec.dataSource" in caught.value.body


@pytest.mark.parametrize(
    ("version", "kind"), [("v1", "Secret"), ("v1", "Endpoints"), ("ray.io/v1", "RayCluster")]
)
def test_a_kind_that_the_sandbox_does_not_have_is_not_found(
    dynamic: DynamicClient, version: str, kind: str
) -> None:
    with pytest.raises(ResourceNotFoundError):
        dynamic.resources.get(api_version=version, kind=kind)


def test_the_role_of_the_manifest_is_enough_for_the_volume_of_a_run_and_for_nothing_else(
    client: Client, tmp_path: Path
) -> None:
    with enforced(read_manifest().rights, NAMESPACE) as refusals:
        dynamic = DynamicClient(client.api.api_client, cache_file=str(tmp_path / "discovery.json"))
        claims = _resource(dynamic, "PersistentVolumeClaim")
        claims.create(body=claim_of(), namespace=NAMESPACE)
        claims.get(name="data", namespace=NAMESPACE)
        claims.get(namespace=NAMESPACE)
        with pytest.raises(ForbiddenError):
            claims.replace(body=claim_of(), namespace=NAMESPACE)
        claims.delete(name="data", namespace=NAMESPACE)
        config_maps = _resource(dynamic, "ConfigMap")
        with pytest.raises(ForbiddenError):
            claims.create(body=claim_of(), namespace="other")
        with pytest.raises(ForbiddenError):
            config_maps.create(body=CONFIG_MAP, namespace=NAMESPACE)

    assert refusals.elsewhere == {"POST /api/v1/namespaces/other/persistentvolumeclaims"}
