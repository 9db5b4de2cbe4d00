"""Claims hold pods back, hand data on, and are protected while in use."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from kedro_airflow_k8s.sandbox.cluster import LocalCluster, PodImage
from tests.airflow.sandbox.cluster.cluster_client import (
    NAMESPACE,
    Client,
    connect,
    pod_of,
    refused,
    wait_for,
    with_claim,
)


def _delete(client: Client, name: str = "data") -> Any:
    return client.api.delete_namespaced_persistent_volume_claim(name, NAMESPACE)


def _claims(client: Client) -> list[str]:
    found = client.api.list_namespaced_persistent_volume_claim(NAMESPACE).items
    return [claim.metadata.name for claim in found]


def test_a_claim_is_bound_to_an_empty_folder(client: Client) -> None:
    claim = client.claim()

    assert (claim.status.phase, claim.status.capacity) == ("Bound", {"storage": "1Gi"})
    assert claim.spec.volume_name.startswith("pvc-")
    assert list(client.cluster.claims()[0].folder.iterdir()) == []


def test_a_missing_claim_keeps_the_pod_pending_until_it_is_there(client: Client) -> None:
    pod = client.run(pod_of("touch", "data/x", **with_claim()))
    assert pod.status.phase == "Pending"
    assert pod.status.conditions[0].reason == "Unschedulable"
    event = client.cluster.events()[0]
    assert (event.reason, event.warning) == ("FailedScheduling", True)
    assert 'persistentvolumeclaim "data" not found' in event.message
    refused(400, client.api.read_namespaced_pod_log, "task", NAMESPACE)

    client.claim()

    assert client.ended().status.phase == "Succeeded"
    assert [path.name for path in client.cluster.claims()[0].folder.iterdir()] == ["x"]


def test_a_claim_in_use_goes_away_when_the_pod_has_ended(client: Client, tmp_path: Path) -> None:
    client.claim()
    client.run(pod_of("sh", "-c", "mkfifo go; cat go; touch data/late", **with_claim()))
    folder = client.cluster.claims()[0].folder

    answer = _delete(client)

    assert answer.metadata.finalizers == ["kubernetes.io/pvc-protection"]
    assert answer.metadata.deletion_timestamp
    assert client.cluster.claims()[0].terminating
    late = client.run(pod_of("true", name="late", **with_claim()))
    assert late.status.phase == "Pending"
    assert "is being deleted" in late.status.conditions[0].message
    (tmp_path / "cluster" / "pods" / NAMESPACE / "task" / "base" / "root" / "go").write_text("")
    assert client.ended().status.phase == "Succeeded"
    wait_for(lambda: not _claims(client))
    assert not folder.exists()


def test_a_claim_that_no_pod_uses_goes_away_at_once(client: Client) -> None:
    client.claim()
    client.output("touch", "data/x", **with_claim())
    folder = client.cluster.claims()[0].folder

    _delete(client)

    assert _claims(client) == []
    assert not folder.exists()
    assert refused(404, _delete, client)["reason"] == "NotFound"


def test_kept_volumes_outlive_claims_and_a_new_claim_is_empty_all_the_same(
    image: PodImage, tmp_path: Path
) -> None:
    with LocalCluster(image, tmp_path / "cluster", keep_volumes=True) as cluster:
        client = Client(cluster, connect(cluster, tmp_path))
        for name in ("one", "two"):
            client.claim()
            text = client.output(
                "sh", "-c", f"ls data; touch data/{name}", name=name, **with_claim()
            )
            assert text == ""
            _delete(client)
        assert _claims(client) == []
        kept = cluster.volumes_directory

    found = {path.relative_to(kept / NAMESPACE).as_posix() for path in kept.rglob("*/*/*")}
    assert found == {"data/two"}


def test_the_volumes_of_the_last_three_claims_are_kept_in_a_folder_of_their_own(
    image: PodImage, tmp_path: Path
) -> None:
    kept = tmp_path / "kept"
    with LocalCluster(image, tmp_path / "cluster", keep_volumes=kept) as cluster:
        client = Client(cluster, connect(cluster, tmp_path))
        for name in ("one", "two", "three", "four"):
            client.claim(name)
            (claim,) = cluster.claims()
            (claim.folder / name).touch()
            _delete(client, name)

    assert {path.name for path in kept.glob("*/*")} == {"two", "three", "four"}
    assert not cluster.volumes_directory.exists()
    # They say when, and of which run.
    assert all(re.fullmatch(r"\d{8}-\d{6}-\d{6}-\w+", path.name) for path in kept.iterdir())


def test_a_claim_of_a_name_that_is_taken_is_refused(client: Client) -> None:
    client.claim()

    status = refused(409, client.claim)

    assert status["reason"] == "AlreadyExists"
    assert status["details"] == {"name": "data", "kind": "persistentvolumeclaims"}


def test_labels_of_a_claim_can_be_patched_but_not_its_spec(client: Client) -> None:
    client.claim()
    patch = client.api.patch_namespaced_persistent_volume_claim

    patched = patch("data", NAMESPACE, {"metadata": {"labels": {"run": "1"}}})

    assert patched.metadata.labels == {"run": "1"}
    status = refused(422, patch, "data", NAMESPACE, {"spec": {"storageClassName": "other"}})
    assert "only labels, annotations, finalizers" in status["message"]
