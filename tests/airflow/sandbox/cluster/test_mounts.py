"""Volumes of every kind are at the container's paths, where the machine allows it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kedro_airflow_k8s.sandbox.cluster import Existing, LocalCluster, PodImage
from kedro_airflow_k8s.sandbox.cluster.container import can_share_paths
from kedro_airflow_k8s.sandbox.cluster.local import Secrets
from kedro_airflow_k8s.sandbox.cluster.reports import NOTICE
from tests.airflow.sandbox.cluster.cluster_client import (
    HOME,
    NAMESPACE,
    Client,
    claim_of,
    connect,
    pod_of,
    with_claim,
)

SHARED = pytest.mark.skipif(not can_share_paths(), reason="no mount namespaces on this machine")
SHM = {"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": "2Gi"}}


def _mounts(**places: str) -> list[dict[str, Any]]:
    return [{"name": name, "mountPath": place} for name, place in places.items()]


def _notices(cluster: LocalCluster) -> list[str]:
    return [event.message for event in cluster.events() if event.reason == NOTICE]


@pytest.fixture
def existing(image: PodImage, tmp_path: Path) -> Iterator[Client]:
    """A cluster with a folder for what it lacks; the claim of the volume `data` is the run's."""
    kept = Existing(stand_ins=tmp_path / "external", run_volume="data")
    with LocalCluster(image, tmp_path / "cluster", existing=kept) as cluster:
        api = connect(cluster, tmp_path)
        yield Client(cluster, api)
        api.api_client.close()


@pytest.fixture
def elsewhere(image: PodImage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    """A cluster on a machine without mount namespaces, as macOS."""
    monkeypatch.setattr("kedro_airflow_k8s.sandbox.cluster.local.can_share_paths", lambda: False)
    with LocalCluster(image, tmp_path / "cluster") as cluster:
        api = connect(cluster, tmp_path)
        yield Client(cluster, api)
        api.api_client.close()


@SHARED
def test_a_mount_is_at_its_path_also_one_that_this_machine_lacks(client: Client) -> None:
    # Not in the arguments, where paths could be translated.
    script = (
        "d=/no-such-folder/of/this; m=/machine; cat $$d$$m/LEVEL; mkdir $${d}2 2>&1 | tail -c 22;"
        " ls -d /usr /etc/passwd /proc/self /dev/null /tmp"
    )
    text = client.output(
        *("sh", "-c", script),
        volumes=[{"name": "settings", "configMap": {"name": "settings"}}],
        c_volumeMounts=_mounts(settings="/no-such-folder/of/this/machine"),
    )

    assert text.splitlines()[0] == "debug" + text.splitlines()[0][5:]
    for path in ("/usr", "/etc/passwd", "/proc/self", "/dev/null", "/tmp"):
        assert f"{path}\n" in text
    assert not Path("/no-such-folder").exists()


@SHARED
def test_one_key_can_be_a_file_beside_files_of_this_machine(client: Client) -> None:
    mount = {"name": "v", "mountPath": "/etc/sandbox-level", "subPath": "LEVEL"}
    text = client.output(
        *("sh", "-c", "cd /etc; cat sandbox-level; echo; ls passwd"),
        volumes=[{"name": "v", "configMap": {"name": "settings"}}],
        c_volumeMounts=[mount],
    )

    assert text == "debug\npasswd\n"
    assert not Path("/etc/sandbox-level").exists()


@SHARED
def test_shared_memory_is_a_folder_of_the_pod_and_its_size_is_not_limited(client: Client) -> None:
    script = "cd /dev/shm; ls; echo x > kedro-sandbox-test; ls"
    spec = {"volumes": [SHM], "c_volumeMounts": _mounts(shm="/dev/shm")}

    assert client.output("sh", "-c", script, name="one", **spec) == "kedro-sandbox-test\n"
    assert client.output("sh", "-c", script, name="two", **spec) == "kedro-sandbox-test\n"
    assert not Path("/dev/shm/kedro-sandbox-test").exists()
    assert _notices(client.cluster) == ["No effect in the sandbox: sizeLimit of emptyDir."]


@SHARED
def test_a_mount_can_be_inside_another_one_and_read_only(client: Client) -> None:
    client.claim()
    script = (
        "cd /data && touch a models/b && ls . models;"
        " touch settings/x 2>&1 | grep -o 'Read-only.*'; touch raw/x 2>&1 | grep -o 'Read-only.*'"
    )
    text = client.output(
        *("sh", "-c", script),
        volumes=[
            {"name": "storage", "persistentVolumeClaim": {"claimName": "data"}},
            {"name": "models", "ephemeral": {"volumeClaimTemplate": {"spec": claim_of()["spec"]}}},
            {"name": "settings", "configMap": {"name": "settings"}},
        ],
        c_volumeMounts=[
            *_mounts(models="/data/models", settings="/data/settings", storage="/data"),
            {"name": "storage", "mountPath": "/data/raw", "subPath": "in", "readOnly": True},
        ],
    )

    assert text == (
        ".:\na\nin\nmodels\nraw\nsettings\n\nmodels:\nb\n"
        "Read-only file system\nRead-only file system\n"
    )
    claim = client.cluster.claims()[0].folder
    assert sorted(path.name for path in claim.rglob("*")) == [
        *("a", "in", "models", "raw", "settings")
    ]


@SHARED
def test_a_claim_that_may_only_be_read_keeps_its_files(client: Client) -> None:
    client.claim()
    spec = with_claim()
    spec["c_volumeMounts"][0]["readOnly"] = True

    client.run(pod_of("touch", "data/x", **spec))

    assert client.ended().status.phase == "Failed"
    assert "Read-only file system" in client.log()
    assert _notices(client.cluster) == []


def test_a_sub_path_can_name_the_pod(client: Client) -> None:
    client.claim()
    spec = with_claim()
    spec["c_volumeMounts"][0]["subPathExpr"] = "runs/$(POD)"
    env = {"name": "POD", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}

    client.output("touch", "data/x", c_env=[env], **spec)

    claim = client.cluster.claims()[0].folder
    assert [p.relative_to(claim).as_posix() for p in claim.rglob("x")] == ["runs/task/x"]


def test_a_sub_path_that_leaves_its_volume_fails_the_container(client: Client) -> None:
    client.claim()
    spec = with_claim()
    spec["c_volumeMounts"][0]["subPathExpr"] = "$(UP)"
    client.run(pod_of("true", c_env=[{"name": "UP", "value": "../.."}], **spec))

    state = client.ended().status.container_statuses[0].state.terminated
    assert "the sub path ../.. leaves the volume" in state.message


def test_files_of_config_maps_have_the_modes_that_the_pod_wants(client: Client) -> None:
    items = [
        {"key": "LEVEL", "path": "run/level.sh", "mode": 0o755},
        {"key": "LEVEL", "path": "level"},
    ]
    text = client.output(
        *("sh", "-c", "cd conf/own; stat -c '%a %n' run/level.sh level"),
        volumes=[
            {
                "name": "v",
                "configMap": {"name": "settings", "defaultMode": 0o440} | {"items": items},
            }
        ],
        c_volumeMounts=_mounts(v=f"{HOME}/conf/own"),
    )

    assert text == "755 run/level.sh\n440 level\n"


def test_a_projected_volume_has_files_of_all_its_sources(client: Client) -> None:
    field = {"path": "pod/name", "fieldRef": {"fieldPath": "metadata.name"}}
    labels = {"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}}
    cpu = {
        "path": "cpu",
        "resourceFieldRef": {"containerName": "base", "resource": "limits.cpu"},
        "mode": 0o600,
    }
    sources = [
        {"secret": {"name": "database", "items": [{"key": "user", "path": "user"}]}},
        {"configMap": {"name": "settings"}},
        {"downwardAPI": {"items": [field, labels, cpu]}},
        {"serviceAccountToken": {"path": "token"}},
    ]
    pod = pod_of(
        *("sh", "-c", "cd conf/own; for f in $$(find * -type f | sort); do cat $$f; echo; done"),
        volumes=[{"name": "v", "projected": {"sources": sources}}],
        c_volumeMounts=_mounts(v=f"{HOME}/conf/own"),
        c_resources={"limits": {"cpu": "2"}},
    )
    pod["metadata"]["labels"] = {"team": "a"}
    client.run(pod)

    assert client.ended().status.phase == "Succeeded"
    assert client.log() == 'debug\n2\nteam="a"\ntask\neve\n'
    assert _notices(client.cluster) == [
        'Volume "v" has no token of a service account: the sandbox has none.'
    ]


@SHARED
def test_a_mount_over_what_a_pod_needs_of_this_machine_is_found_by_its_arguments(
    client: Client,
) -> None:
    text = client.output(
        *("sh", "-c", 'echo x > "$0"; ls "$1"', "/tmp/x", "/tmp"),
        volumes=[{"name": "v", "emptyDir": {}}],
        c_volumeMounts=_mounts(v="/tmp"),
    )

    assert text == "x\n"
    (notice,) = _notices(client.cluster)
    assert notice.startswith("The mount at /tmp is not at its path on this machine:")


def test_where_mounts_are_links_it_is_said_what_differs(elsewhere: Client) -> None:
    elsewhere.claim()
    spec = with_claim()
    spec["c_volumeMounts"][0]["readOnly"] = True
    spec["volumes"].append({"name": "scratch", "emptyDir": {}})
    spec["c_volumeMounts"] += _mounts(scratch="/scratch")
    script = ("sh", "-c", 'touch data/x "$0/y"; ls "$0"', "/scratch")

    assert elsewhere.output(*script, name="one", **spec) == "y\n"
    assert elsewhere.output(*script, name="two", **spec) == "y\n"
    # Once, and not for each pod.
    writable, path = _notices(elsewhere.cluster)
    assert writable.startswith(f"The mount at {HOME}/data can be written to")
    assert path.startswith("The mount at /scratch is not at its path")


def test_where_mounts_are_links_none_can_be_inside_another(elsewhere: Client) -> None:
    volumes: list[dict[str, Any]] = [{"name": name, "emptyDir": {}} for name in ("v", "w")]
    mounts = _mounts(v="/a", w="/a/b")
    elsewhere.run(pod_of("true", volumes=volumes, c_volumeMounts=mounts))

    state = elsewhere.ended().status.container_statuses[0].state.terminated
    assert "cannot mount at /a/b, inside the mount at /a" in state.message


def test_a_claim_that_no_task_creates_is_a_folder_that_stays(
    existing: Client, tmp_path: Path
) -> None:
    folder = tmp_path / "external/claim/models"
    spec = with_claim("models", "/models")

    existing.output("sh", "-c", 'echo 1 > "$0"', "/models/a", name="one", **spec)
    assert existing.output("cat", "/models/a", name="two", **spec) == "1\n"

    notice = _notices(existing.cluster)[0]
    assert notice.startswith('The claim "models" is an empty folder in the sandbox. Put the')
    assert notice.endswith(str(folder))
    existing.cluster.stop()
    assert (folder / "a").read_text() == "1\n"


def test_pods_still_wait_for_the_claim_of_the_run(existing: Client) -> None:
    spec = with_claim()
    spec["volumes"][0]["name"] = spec["c_volumeMounts"][0]["name"] = "data"
    existing.run(pod_of("true", **spec))

    assert existing.pod().status.phase == "Pending"
    existing.claim()
    assert existing.ended().status.phase == "Succeeded"


def test_nfs_and_host_paths_are_folders_that_the_user_can_fill(
    existing: Client, tmp_path: Path
) -> None:
    raw = tmp_path / "external/nfs/nfs.example.com/exports/raw"
    raw.mkdir(parents=True)
    (raw / "a.csv").write_text("1\n")
    text = existing.output(
        *("sh", "-c", 'cat "$0/raw/a.csv"; ls "$1"', "/shared", "/node"),
        volumes=[
            {"name": "shared", "nfs": {"server": "nfs.example.com", "path": "/exports"}},
            {"name": "node", "hostPath": {"path": "/etc"}},
        ],
        c_volumeMounts=_mounts(shared="/shared", node="/node"),
    )

    # Nothing of this machine is in the host path.
    assert text == "1\n"
    shared, node = _notices(existing.cluster)[:2]
    assert shared.startswith('Volume "shared" (nfs nfs.example.com:/exports) is a folder in the')
    assert node.startswith('Volume "node" (host path /etc) is an empty folder in the sandbox. Put')
    assert node.endswith(str(tmp_path / "external/host-path/etc"))


def test_a_csi_volume_is_empty_and_that_is_said(existing: Client) -> None:
    existing.output(
        "true",
        volumes=[{"name": "v", "csi": {"driver": "secrets-store.csi.k8s.io"}}],
        c_volumeMounts=_mounts(v=f"{HOME}/vault"),
    )

    assert _notices(existing.cluster) == [
        'Volume "v" (csi secrets-store.csi.k8s.io) is an empty folder in the sandbox.'
    ]


def test_config_maps_that_exist_are_found(image: PodImage, tmp_path: Path) -> None:
    maps: Secrets = {(NAMESPACE, "limits"): {"max": "5", "binary": b"\xff"}}
    with LocalCluster(image, tmp_path / "cluster", existing=Existing(maps)) as cluster:
        api = connect(cluster, tmp_path)
        text = Client(cluster, api).output(
            *("sh", "-c", "cat conf/own/max; wc -c < conf/own/binary; echo $$max"),
            volumes=[{"name": "v", "configMap": {"name": "limits"}}],
            c_volumeMounts=_mounts(v=f"{HOME}/conf/own"),
            c_env=[
                {
                    "name": "max",
                    "valueFrom": {"configMapKeyRef": {"name": "limits", "key": "max"}},
                }
            ],
        )
        api.api_client.close()
    assert text == "51\n5\n"
