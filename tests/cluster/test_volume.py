"""The volume of a run on a real cluster: made, filled, shared, deleted."""

from __future__ import annotations

from typing import Any

import pytest

from tests.cluster.project import GATE, OWNER, STOCK
from tests.cluster.runs import Airflow

COUNTED = {"kinds": len(STOCK), "pieces": sum(STOCK.values())}
OPEN_GATE = f"open('{GATE}', 'w').close()"
FILES = """
import json, os
found = {}
for folder, _, names in os.walk("data"):
    for name in names:
        path = os.path.join(folder, name)
        found[os.path.relpath(path, "data")] = [os.stat(path).st_uid, os.stat(path).st_gid]
print(json.dumps({"user": os.getuid(), "groups": os.getgroups(), "files": found}))
"""


def volumes(pod: Any) -> dict[str, str]:
    """The claims of a pod, by the path at which its container has them."""
    claims = {
        volume.name: volume.persistent_volume_claim.claim_name
        for volume in pod.spec.volumes
        if volume.persistent_volume_claim
    }
    (container,) = pod.spec.containers
    return {m.mount_path: claims[m.name] for m in container.volume_mounts if m.name in claims}


def test_a_run_has_a_volume_filled_from_the_image_shared_by_its_pods_and_deleted(
    airflow: Airflow,
) -> None:
    namespace = airflow.namespace
    with airflow.start("try_volume") as running:
        pod, read = running.at_the_gate()
        files = namespace.run_in(pod, FILES)["files"]
        namespace.run_in(pod, OPEN_GATE)
        run_id = running.end().succeeded().run_id

    claim = namespace.claim(run_id)
    assert claim.spec.resources.requests == {"storage": "300Mi"}
    assert claim.spec.access_modes == ["ReadWriteOnce"]
    assert claim.metadata.labels["app.kubernetes.io/managed-by"] == "kedro-airflow-k8s"
    assert claim.metadata.annotations["kedro-airflow-k8s/dag-id"] == "try_volume"
    mounted = {f"{airflow.home}/data": claim.metadata.name}
    for task in ("count", "hold", "report"):
        (one,) = namespace.task_pods(run_id, task)
        assert volumes(one) == mounted
    # What the image has, and what the pod before has written.
    assert {"01_raw/stock.json", "01_raw/companies.csv", "02_intermediate/counted.json"} <= {*files}
    assert read == COUNTED
    assert f"REPORTED {COUNTED}" in airflow.log("try_volume", run_id, "report")
    assert {*airflow.states("try_volume", run_id).values()} == {"success"}
    namespace.claims.wait_until_gone("the volume of the run")


def test_a_user_that_is_not_root_writes_files_of_the_volumes_group(airflow: Airflow) -> None:
    namespace = airflow.namespace
    with airflow.start("try_volume", volume={"owner": OWNER}) as running:
        pod, _ = running.at_the_gate()
        told = namespace.run_in(pod, FILES)
        claim = namespace.claim(running.run_id())
        disk = namespace.core.read_persistent_volume(claim.spec.volume_name)
        namespace.run_in(pod, OPEN_GATE)
        running.end().succeeded()

    assert namespace.pods.last(pod).spec.security_context.fs_group == OWNER
    assert told["user"] != 0
    assert OWNER in told["groups"]
    if disk.spec.host_path is not None:
        pytest.skip("Kubernetes does not set the group of hostPath volumes, which is what this is")
    assert told["files"]["02_intermediate/counted.json"] == [told["user"], OWNER]
    assert {group for _, group in told["files"].values()} == {OWNER}


def test_two_runs_of_one_dag_at_a_time_have_volumes_and_data_of_their_own(
    airflow: Airflow,
) -> None:
    namespace = airflow.namespace
    with (
        airflow.start("try_volume", "--params", "factor=10") as one,
        airflow.start("try_volume", "--params", "factor=100") as other,
    ):
        pods, read = zip(one.at_the_gate(), other.at_the_gate(), strict=True)
        for pod in pods:
            namespace.run_in(pod, OPEN_GATE)
        runs = [running.end().succeeded().run_id for running in (one, other)]

    pieces = [10 * COUNTED["pieces"], 100 * COUNTED["pieces"]]
    assert [counted["pieces"] for counted in read] == pieces
    claims = [set(volumes(namespace.pods.last(pod)).values()) for pod in pods]
    assert len(set.union(*claims)) == 2
    # What each passes on past the gate is its own, too.
    for run_id, counted in zip(runs, read, strict=True):
        assert f"REPORTED {counted}" in airflow.log("try_volume", run_id, "report")
