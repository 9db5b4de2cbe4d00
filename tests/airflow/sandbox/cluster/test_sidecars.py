"""Several containers of a pod: init containers, native sidecars, and more than one main one."""

from __future__ import annotations

import re
import socket
import sys
from typing import Any

import psutil
import pytest

from kedro_airflow_k8s.sandbox.cluster.reports import NOTICE
from tests.airflow.sandbox.cluster.cluster_client import HOME, Client, pod_of, wait_for

SHARED: dict[str, Any] = {"volumes": [{"name": "shared", "emptyDir": {}}]}
MOUNTS = [{"name": "shared", "mountPath": f"{HOME}/shared"}]
# In the command of a pod `$$` is a dollar sign.
SERVE = """
import http.server, sys, time
time.sleep(0.3)
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), http.server.SimpleHTTPRequestHandler)\
.serve_forever()
"""


def _container(name: str, *command: str, **fields: Any) -> dict[str, Any]:
    own = {"image": "example.com/project:1", "volumeMounts": MOUNTS}
    return {"name": name, "command": list(command), **own, **fields}


def _sidecar(name: str, script: str, **fields: Any) -> dict[str, Any]:
    return _container(name, "sh", "-c", script, restartPolicy="Always", **fields)


def _run(client: Client, script: str, *init: dict[str, Any], **spec: Any) -> Any:
    spec = {**SHARED, "initContainers": list(init), "c_volumeMounts": MOUNTS, **spec}
    client.run(pod_of("sh", "-c", script, **spec))
    return client.ended()


def _free_port() -> str:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return str(found.getsockname()[1])


def test_init_containers_and_sidecars_start_in_order_and_share_the_volumes(client: Client) -> None:
    write = "echo {0} >> shared/order".format
    pod = _run(
        client,
        "cat shared/order",
        _container("fetch", "sh", "-c", write("fetch")),
        _sidecar(
            "proxy",
            f"{write('proxy')}; sleep 1000",
            startupProbe={"exec": {"command": ["grep", "proxy", "shared/order"]}},
        ),
        _container("migrate", "sh", "-c", write("migrate")),
    )

    assert pod.status.phase == "Succeeded"
    assert client.log(container="base") == "fetch\nproxy\nmigrate\n"
    fetch, proxy, migrate = pod.status.init_container_statuses
    assert (fetch.state.terminated.exit_code, migrate.state.terminated.exit_code) == (0, 0)
    # Stopped by SIGTERM after the main container, which does not make the pod fail.
    assert proxy.state.terminated.exit_code == 143


def test_sidecars_end_after_the_main_container_the_last_first(client: Client) -> None:
    client.claim()
    trap = "trap 'echo {0} >> shared/ends; exit 3' TERM; touch shared/{0}; sleep 1000 & wait".format
    sidecars = [
        _sidecar(name, trap(name), startupProbe={"exec": {"command": ["ls", f"shared/{name}"]}})
        for name in ("one", "two")
    ]
    volume = {"name": "shared", "persistentVolumeClaim": {"claimName": "data"}}
    pod = _run(client, "sleep 0.2; echo main >> shared/ends", *sidecars, volumes=[volume])

    assert pod.status.phase == "Succeeded"
    ends = client.cluster.claims()[0].folder / "ends"
    assert ends.read_text() == "main\ntwo\none\n"


@pytest.mark.parametrize("kind", ["tcpSocket", "httpGet"])
def test_the_main_container_waits_until_a_sidecar_answers(client: Client, kind: str) -> None:
    port = _free_port()
    ask = f"import urllib.request as r; print(r.urlopen('http://127.0.0.1:{port}').status)"
    server = _container(
        *("server", sys.executable, "-c", SERVE, port),
        restartPolicy="Always",
        ports=[{"name": "web", "containerPort": int(port)}],
        startupProbe={kind: {"port": "web"}, "periodSeconds": 1, "failureThreshold": 30},
    )
    pod = _run(client, f'{sys.executable} -c "$0"', server, c_args=[ask])

    assert (pod.status.phase, client.log(container="base")) == ("Succeeded", "200\n")
    assert pod.status.init_container_statuses[0].started


def test_a_sidecar_that_ends_is_started_again(client: Client) -> None:
    pod = _run(
        client,
        "while [ ! -e shared/twice ]; do sleep 0.05; done",
        _sidecar(
            "flaky", "[ -e shared/once ] && touch shared/twice && sleep 1000; touch shared/once"
        ),
    )

    assert pod.status.phase == "Succeeded"
    assert pod.status.init_container_statuses[0].restart_count == 1
    events = [event.message for event in client.cluster.events() if event.reason == "BackOff"]
    assert events == ["Container flaky ended with exit code 0 and is restarted"]


def test_a_sidecar_whose_startup_probe_fails_is_started_again(client: Client) -> None:
    pod = _run(
        client,
        "true",
        _sidecar(
            "slow",
            "echo x >> shared/starts; sleep 1000",
            startupProbe={
                "exec": {"command": ["sh", "-c", "[ $(wc -l < shared/starts) = 2 ]"]},
                "failureThreshold": 1,
            },
        ),
    )

    assert pod.status.phase == "Succeeded"
    assert "Unhealthy" in [event.reason for event in client.cluster.events()]


def test_a_pod_that_is_deleted_ends_with_its_sidecars(client: Client) -> None:
    proxy = _sidecar("proxy", "echo $$$$; sleep 1000")
    client.run(pod_of("sleep", "1000", **SHARED, initContainers=[proxy]))
    (pid,) = wait_for(lambda: client.log(container="proxy", follow=False).split())

    client.delete()

    wait_for(client.is_gone)
    codes = {
        name: re.findall(
            r"'exitCode': (\d+)", str(client.cluster.pods()[0].manifest["status"][name])
        )
        for name in ("containerStatuses", "initContainerStatuses")
    }
    assert codes == {"containerStatuses": ["143"], "initContainerStatuses": ["143"]}
    wait_for(lambda: not psutil.pid_exists(int(pid)))


@pytest.mark.parametrize("fields", [{"args": ["/cloud-sql-proxy", "--port=5432"]}, {}])
def test_a_sidecar_of_an_image_that_is_not_here_is_left_out_and_that_is_said_once(
    client: Client, fields: dict[str, Any]
) -> None:
    image = "example.com/cloud-sql-proxy:2"
    probe = {"tcpSocket": {"port": 5432}}
    proxy = {"name": "proxy", "image": image, "restartPolicy": "Always", "startupProbe": probe}
    for name in ("one", "two"):
        client.output("true", name=name, initContainers=[{**proxy, **fields}])

    assert [event.message for event in client.cluster.events() if event.reason == NOTICE] == [
        f"The sidecar proxy does not run: the sandbox does not have its image {image}."
    ]


def test_a_sidecar_of_the_project_that_cannot_start_fails_the_pod(client: Client) -> None:
    pod = _run(client, "true", _container("web", "no-such-program", restartPolicy="Always"))

    assert (pod.status.phase, pod.status.reason) == ("Failed", "SidecarFailed")
    assert pod.status.init_container_statuses[0].state.terminated.reason == "StartError"


def test_an_image_that_is_not_here_is_named_where_its_program_is_missing(client: Client) -> None:
    fetch = {
        "name": "fetch",
        "image": "example.com/fetch:2",
        "args": ["/no-such-program", "all"],
    }
    pod = _run(client, "true", fetch)

    assert pod.status.phase == "Failed"
    state = pod.status.init_container_statuses[0].state.terminated
    assert (state.reason, state.exit_code) == ("StartError", 128)
    assert state.message == (
        "failed to start the container: the sandbox does not have the image"
        " example.com/fetch:2. /no-such-program: No such file or directory"
    )


def test_a_command_of_another_image_runs_here_and_that_is_said_once(client: Client) -> None:
    other = _container("fetch", "true", image="example.com/git:2")
    for name in ("one", "two"):
        client.output("true", name=name, **SHARED, initContainers=[other])

    assert [event.message for event in client.cluster.events() if event.reason == NOTICE] == [
        "The command of container fetch runs on this machine, not in its image example.com/git:2."
    ]


def test_that_all_images_of_nodes_are_this_project_is_said_once(client: Client) -> None:
    for name, image in (("one", "a"), ("two", "gpu"), ("three", "gpu"), ("four", "a")):
        client.output("true", name=name, c_image=f"example.com/{image}:1")

    assert [event.message for event in client.cluster.events() if event.reason == NOTICE] == [
        "Pods with the image example.com/gpu:1 run this project, too."
    ]


def test_a_pod_ends_when_all_its_main_containers_have_ended(client: Client) -> None:
    pod = pod_of("sh", "-c", "touch shared/done; exit 3", **SHARED, c_volumeMounts=MOUNTS)
    wait = "while [ ! -e shared/done ]; do sleep 0.05; done; echo second"
    pod["spec"]["containers"].append(_container("second", "sh", "-c", wait))
    client.run(pod)

    ended = client.ended()
    assert ended.status.phase == "Failed"
    codes = {s.name: s.state.terminated.exit_code for s in ended.status.container_statuses}
    assert codes == {"base": 3, "second": 0}
    assert client.log(container="second") == "second\n"


def test_fields_without_effect_are_said_once_per_dag_run(client: Client) -> None:
    fields: dict[str, Any] = {
        "affinity": {"podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": []}},
        "priorityClassName": "high",
        "securityContext": {"fsGroup": 0, "runAsNonRoot": True},
        "c_resources": {"limits": {"nvidia.com/gpu": "1", "cpu": "1"}},
        "tolerations": [],
    }
    for run, name in (("a", "one"), ("a", "two"), ("b", "three")):
        pod = pod_of("true", name=name, **fields)
        pod["metadata"]["labels"] = {"dag_id": "shop", "run_id": run}
        client.run(pod)
        client.ended(name)
    pod = pod_of("true", name="four", nodeSelector={"pool": "gpu"}, priorityClassName="high")
    pod["metadata"]["labels"] = {"dag_id": "shop", "run_id": "b"}
    client.run(pod)
    client.ended("four")

    said = [(e.pod, e.message) for e in client.cluster.events() if e.reason == NOTICE]
    text = "No effect in the sandbox: affinity, priorityClassName, securityContext, nvidia.com/gpu."
    assert said == [
        ("one", text),
        ("three", text),
        ("four", "No effect in the sandbox: nodeSelector."),
    ]


def test_what_the_plugin_itself_sets_is_not_worth_a_word(client: Client) -> None:
    term = {
        "labelSelector": {"matchLabels": {"kedro-airflow-k8s/run": "x"}},
        "topologyKey": "kubernetes.io/hostname",
    }
    own = {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}
    client.output("true", affinity=own, securityContext={"fsGroup": 0}, hostNetwork=False)

    assert [event for event in client.cluster.events() if event.reason == NOTICE] == []
