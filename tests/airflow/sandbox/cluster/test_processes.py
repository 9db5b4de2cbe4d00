"""No process of a pod outlives it."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from pathlib import Path

import kubernetes
import pytest

from kedro_airflow_k8s.errors import SandboxError
from kedro_airflow_k8s.sandbox.cluster import LocalCluster, PodImage
from tests.airflow.sandbox.cluster.cluster_client import (
    Client,
    connect,
    exit_code,
    pod_of,
    wait_for,
    with_claim,
)

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")

# In the command of a pod `$$` is a dollar sign.
# A child, one in a session of its own, and one of those whose parent has ended.
TREE = """
sleep 1000 & echo $!
setsid sleep 1000 & echo $!
(setsid sh -c 'trap "" TERM HUP; sleep 1000 & echo $!') </dev/null
"""


def _is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def _pids(client: Client, count: int) -> list[int]:
    pids = [int(line) for line in client.printed(count)]
    assert all(_is_alive(pid) for pid in pids)
    return pids


def test_deleting_a_pod_kills_its_whole_process_tree(client: Client) -> None:
    client.run(pod_of("sh", "-c", f"echo $$$$; {TREE} wait"))
    pids = _pids(client, 4)

    client.delete()

    wait_for(client.is_gone)
    assert not [pid for pid in pids if _is_alive(pid)]


def test_what_a_command_leaves_running_is_killed_when_it_ends(
    client: Client, tmp_path: Path
) -> None:
    client.run(pod_of("sh", "-c", f"mkfifo go; {TREE} cat go"))
    pids = _pids(client, 3)

    (tmp_path / "cluster" / "pods" / "team" / "task" / "base" / "root" / "go").write_text("")

    assert client.ended().status.phase == "Succeeded"
    assert not [pid for pid in pids if _is_alive(pid)]


def test_a_deleted_pod_is_asked_to_stop_first(client: Client) -> None:
    client.run(pod_of("sh", "-c", "trap 'echo bye; exit 4' TERM; sleep 1000 & echo ready; wait"))
    client.printed(1)

    answer = client.delete()

    assert answer.metadata.deletion_grace_period_seconds == 30
    wait_for(client.is_gone)
    record = client.cluster.pods()[0]
    assert (record.log(), exit_code(record)) == ("ready\nbye\n", 4)


def test_a_pod_that_does_not_stop_is_killed_after_its_grace_period(client: Client) -> None:
    script = "trap 'echo no' TERM; echo ready; while :; do sleep 1000 & wait; done"
    client.run(pod_of("sh", "-c", script, terminationGracePeriodSeconds=1))
    client.printed(1)

    client.delete()

    wait_for(client.is_gone)
    record = client.cluster.pods()[0]
    assert (record.log(), exit_code(record)) == ("ready\nno\n", 137)


def test_a_pod_is_gone_at_once_when_its_grace_period_is_zero(client: Client) -> None:
    client.run(pod_of("sh", "-c", "trap '' TERM; echo ready; sleep 1000"))
    client.printed(1)
    client.delete()
    assert not client.is_gone()

    client.delete(grace_period_seconds=0)

    assert client.is_gone()
    assert exit_code(client.cluster.pods()[0]) == 137


def test_a_pod_that_kills_its_init_process_is_ended_by_that(client: Client) -> None:
    client.run(pod_of("sh", "-c", "echo $$$$; sleep 1000 & echo $!; kill -KILL $PPID; wait"))

    pod = client.ended()

    assert pod.status.container_statuses[0].state.terminated.exit_code == 137
    pids = [int(line) for line in client.log().splitlines()]
    wait_for(lambda: not [pid for pid in pids if _is_alive(pid)])


OWNER = """
import sys
from pathlib import Path, PurePosixPath
from kedro_airflow_k8s.sandbox.cluster import LocalCluster, PodImage
root, folder = map(Path, sys.argv[1:])
cluster = LocalCluster(PodImage(root, PurePosixPath("/home/kedro"), ()), folder)
cluster.start()
cluster.write_kubeconfig(folder / "kubeconfig")
print("ready", flush=True)
sys.stdin.read()
"""


def test_pods_die_with_the_process_that_owns_the_cluster(image: PodImage, tmp_path: Path) -> None:
    folder = tmp_path / "cluster"
    with subprocess.Popen(
        [sys.executable, "-c", OWNER, str(image.root), str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as owner:
        assert owner.stdout is not None
        assert owner.stdout.readline() == b"ready\n"
        config = kubernetes.config.new_client_from_config(config_file=str(folder / "kubeconfig"))
        api = kubernetes.client.CoreV1Api(config)
        api.create_namespaced_pod("team", pod_of("sh", "-c", f"echo $$$$; {TREE} wait"))
        log = folder / "logs" / "team" / "task"
        pids = [int(line.split()[1]) for line in wait_for(lambda: _lines(log, 4))]

        owner.send_signal(signal.SIGKILL)

    wait_for(lambda: not [pid for pid in pids if _is_alive(pid)])


def _lines(folder: Path, count: int) -> list[str] | None:
    lines = "".join(path.read_text() for path in folder.rglob("base.log")).splitlines()
    return lines if len(lines) >= count else None


def test_a_stopped_cluster_leaves_no_process_thread_or_file(
    image: PodImage, tmp_path: Path
) -> None:
    before = set(threading.enumerate())
    with LocalCluster(image, tmp_path / "cluster") as cluster:
        client = Client(cluster, connect(cluster, tmp_path))
        client.claim()
        client.run(pod_of("sh", "-c", f"trap '' TERM; echo $$$$; {TREE} wait"))
        client.run(pod_of("true", name="pending", **with_claim("missing")))
        pids = _pids(client, 4)
        follower = client.api.read_namespaced_pod_log(
            "task", "team", follow=True, _preload_content=False
        )
        watcher = client.api.list_namespaced_pod("team", watch=True, _preload_content=False)

    assert not [pid for pid in pids if _is_alive(pid)]
    assert set(threading.enumerate()) == before
    assert sorted(path.name for path in (tmp_path / "cluster").iterdir()) == ["logs"]
    assert [record.manifest["status"]["phase"] for record in cluster.pods()] == [
        "Failed",
        "Pending",
    ]
    follower.close()
    watcher.close()
    cluster.stop()
    with pytest.raises(SandboxError, match="not running"):
        cluster.write_kubeconfig(tmp_path / "other")
