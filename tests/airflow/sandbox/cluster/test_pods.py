"""Pods start, succeed and fail as on a cluster."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pytest

from kedro_airflow_k8s.sandbox.cluster import PodImage
from tests.airflow.sandbox.cluster.cluster_client import (
    NAMESPACE,
    Client,
    exit_code,
    pod_of,
    wait_for,
)


def _state(pod: Any) -> Any:
    return pod.status.container_statuses[0].state.terminated


def test_a_pod_that_nothing_holds_back_runs_when_the_request_returns(client: Client) -> None:
    pod = client.run(pod_of("sleep", "1000"))

    assert pod.status.phase == "Running"
    assert pod.status.container_statuses[0].ready
    assert pod.status.container_statuses[0].state.running.started_at
    assert {c.type: c.status for c in pod.status.conditions} == {
        "PodScheduled": "True",
        "Ready": "True",
    }
    assert (pod.status.pod_ip, pod.spec.node_name) == ("127.0.0.1", "sandbox")


@pytest.mark.parametrize(
    ("script", "phase", "code", "reason"),
    [
        ("exit 0", "Succeeded", 0, "Completed"),
        ("exit 3", "Failed", 3, "Error"),
        ("kill -KILL $$$$", "Failed", 137, "Error"),
    ],
)
def test_the_exit_code_decides_how_a_pod_ends(
    client: Client, script: str, phase: str, code: int, reason: str
) -> None:
    client.run(pod_of("sh", "-c", script))

    pod = client.ended()

    assert pod.status.phase == phase
    assert (_state(pod).exit_code, _state(pod).reason) == (code, reason)
    assert _state(pod).started_at <= _state(pod).finished_at
    assert client.cluster.pods()[0].manifest["status"]["phase"] == phase


@pytest.mark.parametrize(
    ("pod", "message"),
    [
        (pod_of("no-such-program"), "no-such-program: No such file"),
        (pod_of("echo", "\0"), "null byte"),
    ],
)
def test_a_command_that_cannot_be_executed_fails_the_pod_with_the_cause(
    client: Client, pod: dict[str, object], message: str
) -> None:
    client.run(pod)

    ended = client.ended()

    assert ended.status.phase == "Failed"
    assert _state(ended).reason == "StartError"
    assert message in _state(ended).message
    assert message in " ".join(event.message for event in client.cluster.events())


def test_arguments_alone_are_the_command_of_an_image_without_entrypoint(client: Client) -> None:
    assert client.output(c_args=["echo", "a b", "$HOME"]) == "a b $HOME\n"


def test_init_containers_run_one_after_the_other_and_the_first_failure_ends_the_pod(
    client: Client,
) -> None:
    def init(name: str, script: str) -> dict[str, object]:
        return {
            "name": name,
            "image": "a",
            "command": ["sh", "-c", script],
            "volumeMounts": [{"name": "scratch", "mountPath": "/scratch"}],
            "env": [{"name": "FILE", "value": "/scratch/file"}],
        }

    scripts = [init("one", "echo 1 >>$FILE"), init("two", "echo 2 >>$FILE; cat $FILE; exit 5")]
    volumes = [{"name": "scratch", "emptyDir": {}}]
    client.run(pod_of("echo", "never", initContainers=scripts, volumes=volumes))

    pod = client.ended()

    codes = [s.state.terminated.exit_code for s in pod.status.init_container_statuses]
    assert codes == [0, 5]
    assert pod.status.container_statuses[0].state.waiting.reason == "PodInitializing"
    assert client.log(container="two") == "1\n2\n"
    assert client.cluster.pods()[0].log() == "1\n2\n"


def test_a_pod_is_ended_when_its_deadline_is_over(client: Client) -> None:
    client.run(pod_of("sleep", "1000", activeDeadlineSeconds=1))

    pod = client.ended()

    assert (pod.status.phase, pod.status.reason) == ("Failed", "DeadlineExceeded")


def test_a_deleted_pod_is_remembered_with_its_log(client: Client) -> None:
    client.run(pod_of("sh", "-c", "echo what went wrong; exit 1"))
    client.ended()

    client.delete()

    assert client.is_gone()
    record = client.cluster.pods()[0]
    assert record.deleted
    assert (record.manifest["status"]["phase"], exit_code(record)) == ("Failed", 1)
    assert record.log() == "what went wrong\n"
    assert "what went wrong" in record.logs["base"].path.read_text()


def test_the_environment_is_the_images_not_this_machines(
    client: Client, monkeypatch: pytest.MonkeyPatch, image: PodImage
) -> None:
    monkeypatch.setenv("OF_THE_DEVELOPER", "1")

    lines = client.output("env").splitlines()

    variables = dict(line.partition("=")[::2] for line in lines)
    assert sorted(variables) == ["HOME", "HOSTNAME", "LANG", "LC_ALL", "PATH", "TMPDIR"]
    assert variables["PATH"].startswith(f"{image.bin_dirs[0]}:/usr/local/sbin:")
    assert variables["HOSTNAME"] == "task"


def test_pods_share_nothing_and_leave_the_project_as_it_is(client: Client, image: PodImage) -> None:
    script = "ls; ls data; echo changed >conf/parameters.yml; rm data/raw.csv; touch new $TMPDIR/x"

    first = client.output("sh", "-c", script, name="one")
    second = client.output("sh", "-c", script + "; ls $TMPDIR", name="two")

    assert first == "conf\ndata\nraw.csv\n"
    assert second == first + "x\n"
    assert (image.root / "conf" / "parameters.yml").read_text() == "a: 1\n"
    assert sorted(path.name for path in image.root.iterdir()) == ["conf", "data"]


def test_the_copy_keeps_links_and_leaves_out_what_is_not_a_file(
    client: Client, image: PodImage
) -> None:
    (image.root / "link").symlink_to("conf/parameters.yml")
    os.mkfifo(image.root / "pipe")

    assert client.output("sh", "-c", "readlink link; cat link; ls") == (
        "conf/parameters.yml\na: 1\nconf\ndata\nlink\n"
    )


def test_the_files_of_a_pod_go_with_it_even_where_it_took_away_permissions(
    client: Client, tmp_path: Path
) -> None:
    client.output("sh", "-c", "chmod 500 conf; chmod 000 data; mkdir -m 500 $TMPDIR/locked")
    folders = [tmp_path / "cluster" / "pods" / NAMESPACE, tmp_path / "cluster" / "tmp"]
    assert all(list(folder.iterdir()) for folder in folders)

    client.delete()

    assert [list(folder.iterdir()) for folder in folders] == [[], []]


LEAVE = 'echo "no price" > $$KEDRO_AIRFLOW_K8S_REASON; exit 1'
OF_THE_PLUGIN: dict[str, Any] = {"c_env": [{"name": "KEDRO_AIRFLOW_K8S_CONTRACT", "value": "2"}]}


@pytest.mark.parametrize("path", [{}, {"c_terminationMessagePath": "/tmp/last-words"}])
def test_what_a_container_leaves_as_its_cause_is_in_its_status(
    client: Client, path: dict[str, Any]
) -> None:
    client.run(pod_of("sh", "-c", LEAVE, **path, **OF_THE_PLUGIN))
    assert _state(client.ended()).message == "no price\n"


def test_a_variable_with_the_path_of_the_termination_message_leads_to_it(client: Client) -> None:
    env = [{"name": "LAST_WORDS", "value": "/tmp/last-words"}]
    script = 'printf "%5000s" bye > $$LAST_WORDS'
    client.run(pod_of("sh", "-c", script, c_env=env, c_terminationMessagePath="/tmp/last-words"))
    message = _state(client.ended()).message
    assert message == " " * 4096  # what a kubelet reads of it


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("seq 200; exit 3", "".join(f"{n}\n" for n in range(121, 201))),
        ("printf '%3000s\\n' end; exit 3", f"{'end':>2047}\n"),
        (LEAVE, "no price\n"),
        ("echo all is well", None),
    ],
)
def test_the_end_of_the_log_is_in_the_status_if_the_pod_wants_that(
    client: Client, script: str, message: str | None
) -> None:
    policy: dict[str, Any] = {"c_terminationMessagePolicy": "FallbackToLogsOnError"}
    client.run(pod_of("sh", "-c", script, **policy, **OF_THE_PLUGIN))
    assert _state(client.ended()).message == message


@pytest.mark.skipif(sys.platform != "linux", reason="the memory of processes is read from /proc")
@pytest.mark.parametrize("forks", [False, True])
def test_a_container_with_more_memory_than_its_limit_is_killed(client: Client, forks: bool) -> None:
    use = "x = b'x' * (150 << 20); time.sleep(0 if {forks} else 600)"
    more = "os.fork(); os.fork(); time.sleep(2)" if forks else "print('not reached')"
    program = f"import os, time; {use.format(forks=forks)}; {more}"
    limits = {"limits": {"memory": "200Mi" if forks else "100Mi"}}
    client.run(pod_of("python", "-c", program, c_resources=limits))

    state = _state(client.ended())

    # What processes share counts once.
    wanted = (0, "Completed") if forks else (137, "OOMKilled")
    assert (state.exit_code, state.reason) == wanted


def test_a_pod_that_its_node_evicts_is_asked_to_stop_and_says_why(client: Client) -> None:
    client.run(pod_of("sh", "-c", "trap 'exit 1' TERM; echo ready; sleep 1000 & wait"))
    client.printed(1)

    body = {"metadata": {"name": "task"}}
    client.api.create_namespaced_pod_eviction("task", NAMESPACE, body)

    wait_for(client.is_gone)
    (record,) = client.cluster.pods()
    conditions = record.manifest["status"]["conditions"]
    assert conditions[-1]["reason"] == "EvictionByEvictionAPI"
    assert exit_code(record) == 1
