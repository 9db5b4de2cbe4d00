"""All pods find the project at one path, as on a cluster, where the machine allows it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from kedro_airflow_k8s.sandbox.cluster import LocalCluster, PodImage, container_init
from kedro_airflow_k8s.sandbox.cluster.container import can_share_paths
from tests.airflow.sandbox.cluster.cluster_client import (
    NAMESPACE,
    Client,
    connect,
    pod_of,
    with_claim,
)

SHARED = pytest.mark.skipif(not can_share_paths(), reason="no mount namespaces on this machine")
# The log itself has no path of the sandbox.
PLACE = ("sh", "-c", "pwd | md5sum; cd data; cd ..; pwd | md5sum; echo ~ | md5sum")


@SHARED
def test_two_pods_have_the_project_at_one_path_and_files_of_their_own(client: Client) -> None:
    first = client.output("sh", "-c", f"echo mine > own.txt; {PLACE[2]}", name="first")
    second = client.output("sh", "-c", f"{PLACE[2]}; cat conf/parameters.yml", name="second")
    assert first == second.partition("a: 1\n")[0]
    assert len(set(first.splitlines())) == 1
    client.run(pod_of("cat", "own.txt", name="third"))
    assert client.ended("third").status.phase == "Failed"


@SHARED
def test_a_path_that_one_pod_writes_down_leads_another_to_its_data(client: Client) -> None:
    client.claim()
    client.output(
        "sh", "-c", "echo x > data/x; echo $$PWD/data/x > data/path", name="first", **with_claim()
    )
    assert client.output("sh", "-c", 'cat "$(cat data/path)"', name="second", **with_claim()) == (
        "x\n"
    )


@SHARED
def test_this_machine_itself_sees_nothing_there(client: Client, tmp_path: Path) -> None:
    client.output("sh", "-c", "echo x > x; ls")
    assert list((tmp_path / "cluster/project").iterdir()) == []


def test_where_it_is_not_allowed_a_path_of_another_pod_is_explained(
    image: PodImage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kedro_airflow_k8s.sandbox.cluster.local.can_share_paths", lambda: False)
    with LocalCluster(image, tmp_path / "cluster", {}) as cluster:
        api = connect(cluster, tmp_path)
        client = Client(cluster, api)
        api.create_namespaced_persistent_volume_claim(NAMESPACE, _claim())
        client.output("sh", "-c", "echo $$PWD/x > data/path", name="first", **with_claim())
        client.run(pod_of("sh", "-c", 'cat "$(cat data/path)"', name="second", **with_claim()))
        assert client.ended("second").status.phase == "Failed"
        warnings = [e.message for e in cluster.events() if e.reason == "PathOfAnotherPod"]
        api.api_client.close()
    assert len(warnings) == 1
    assert "works on a cluster" in warnings[0]


def _claim() -> dict[str, object]:
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    return {"metadata": {"name": "data"}, "spec": spec}


def test_a_folder_that_cannot_be_shown_is_an_error_of_the_machine(tmp_path: Path) -> None:
    program = Path(container_init.__file__)
    code = (
        "import sys; sys.path.append(sys.argv[1]); import container_init\n"
        "try: container_init.show_in_place_of(sys.argv[2], sys.argv[2] + '/none')\n"
        "except OSError: print('refused')"
    )
    command = [sys.executable, "-I", "-c", code, str(program.parent), str(tmp_path)]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "refused\n"
