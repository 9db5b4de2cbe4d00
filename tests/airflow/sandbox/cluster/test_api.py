"""The API answers Kubernetes' own client as an API server does."""

from __future__ import annotations

import http.client
import itertools
import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import kubernetes
import pytest

from kedro_airflow_k8s.sandbox.cluster import LocalCluster, PodImage
from tests.airflow.sandbox.cluster.cluster_client import (
    NAMESPACE,
    Client,
    claim_of,
    connect,
    pod_of,
    refused,
    wait_for,
    with_claim,
)
from tests.support.waiting import WAIT_SECONDS


def _pending(name: str, **labels: str) -> dict[str, Any]:
    """A pod without a process: it waits for a claim."""
    pod = pod_of("true", name=name, **with_claim("missing"))
    pod["metadata"]["labels"] = labels
    return pod


def _names(found: Any) -> list[str]:
    return [item.metadata.name for item in found.items]


@pytest.fixture(scope="module")
def quiet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """A cluster that tests share because they leave nothing on it."""
    folder = tmp_path_factory.mktemp("quiet")
    (folder / "project").mkdir()
    image = PodImage(folder / "project", Path("/home/kedro"), ())  # type: ignore[arg-type]
    with LocalCluster(image, folder / "cluster") as cluster:
        api = connect(cluster, folder)
        yield Client(cluster, api)
        api.api_client.close()


# --- finding


@pytest.mark.parametrize(
    ("selector", "names"),
    [
        ("", ["a", "b", "c"]),
        ("dag=x", ["a", "b"]),
        ("dag==x", ["a", "b"]),
        ("dag!=x", ["c"]),
        ("already", ["b"]),
        ("!already", ["a", "c"]),
        ("dag=x,already!=True,!airflow-worker", ["a"]),
        ("dag=x,example.com/key=v.1", ["a"]),
        ("dag=", []),
    ],
)
def test_pods_are_found_by_label_selectors(client: Client, selector: str, names: list[str]) -> None:
    client.run(_pending("a", dag="x", **{"example.com/key": "v.1"}))
    client.run(_pending("b", dag="x", already="True"))
    client.run(_pending("c", dag="y"))

    assert _names(client.api.list_namespaced_pod(NAMESPACE, label_selector=selector)) == names


def test_objects_are_found_by_field_selectors(client: Client) -> None:
    for name in ("a", "b"):
        client.run(_pending(name))
    find = client.api.list_namespaced_pod

    assert _names(find(NAMESPACE, field_selector="metadata.name=a")) == ["a"]
    assert _names(find(NAMESPACE, field_selector="metadata.name!=a,status.phase=Pending")) == ["b"]
    assert _names(find(NAMESPACE, field_selector="status.phase==Running")) == []
    events = client.api.list_namespaced_event(
        NAMESPACE, field_selector="involvedObject.name=b,type=Warning"
    ).items
    assert [event.involved_object.name for event in events] == ["b"]


@pytest.mark.parametrize("selector", ["a in (x)", "=x", "a=b=c", "a b", "!a=b", ",", "a=ü"])
def test_a_selector_that_cannot_be_read_is_refused(quiet: Client, selector: str) -> None:
    refused(400, quiet.api.list_namespaced_pod, NAMESPACE, label_selector=selector)


def test_a_field_that_the_server_does_not_select_by_is_refused(quiet: Client) -> None:
    status = refused(
        400, quiet.api.list_namespaced_pod, NAMESPACE, field_selector="spec.hostname=x"
    )
    assert "spec.hostname" in status["message"]


def test_a_watch_reports_pods_as_they_come_change_and_go(client: Client) -> None:
    client.run(_pending("first", watched="yes"))
    watch = kubernetes.watch.Watch()
    stream = watch.stream(
        client.api.list_namespaced_pod, NAMESPACE, label_selector="watched=yes", timeout_seconds=20
    )
    seen = [next(stream)]
    patch = client.api.patch_namespaced_pod
    steps: list[Callable[[], Any]] = [
        lambda: client.run(_pending("other", watched="no")),
        lambda: client.run(_pending("second", watched="yes")),
        lambda: patch("second", NAMESPACE, {"metadata": {"annotations": {"a": "1"}}}),
        lambda: patch("second", NAMESPACE, {"metadata": {"labels": {"watched": "no"}}}),
        lambda: client.delete("first"),
    ]
    for step in steps:
        step()
    while (seen[-1]["type"], seen[-1]["object"].metadata.name) != ("DELETED", "first"):
        seen.append(next(stream))
    watch.stop()

    by_pod: dict[str, list[str]] = {}
    for event in seen:
        by_pod.setdefault(event["object"].metadata.name, []).append(event["type"])
    assert {name: [t[0], t[-1]] for name, t in by_pod.items()} == {
        "first": ["ADDED", "DELETED"],
        "second": ["ADDED", "DELETED"],
    }
    assert "MODIFIED" in by_pod["second"]


def test_a_watch_from_a_version_tells_what_came_after_it_and_ends_in_time(client: Client) -> None:
    client.run(_pending("before"))
    version = client.api.list_namespaced_event(NAMESPACE).metadata.resource_version
    client.run(_pending("after"))

    events = kubernetes.watch.Watch().stream(
        client.api.list_namespaced_event,
        NAMESPACE,
        resource_version=version,
        timeout_seconds=1,
    )

    assert [event["object"].involved_object.name for event in events] == ["after"]


# --- changing


def test_a_patch_changes_labels_and_annotations_and_nothing_else(client: Client) -> None:
    before = client.run(_pending("task", keep="1", drop="1"))
    patch = client.api.patch_namespaced_pod

    labels = {"already_checked": "True", "drop": None}
    after = patch(
        "task", NAMESPACE, {"metadata": {"labels": labels, "annotations": {"example.com/key": "v"}}}
    )

    assert after.metadata.labels == {"keep": "1", "already_checked": "True"}
    assert after.metadata.annotations == {"example.com/key": "v"}
    assert after.spec == before.spec
    assert int(after.metadata.resource_version) > int(before.metadata.resource_version)


@pytest.mark.parametrize(
    ("patch", "code"),
    [
        ({"spec": {"restartPolicy": "Always"}, "metadata": {"labels": {"a": "b"}}}, 422),
        ({"metadata": {"uid": "other"}}, 422),
        ({"metadata": {"labels": {"a": "b c"}}}, 422),
        ({"metadata": {"labels": {"a": 1}}}, 422),
        ({"metadata": {"labels": ["a"]}}, 422),
        ({"metadata": {"labels": {"$patch": "replace"}}}, 422),
        ({"metadata": {"finalizers": ["example.com/keep"]}}, 422),
        ({"metadata": {"finalizers": {"a": "b"}}}, 422),
        ({"metadata": None}, 422),
        ({}, 422),
        ([{"op": "remove", "path": "/metadata/labels/none"}], 415),
    ],
)
def test_a_patch_that_does_not_fit_is_refused_and_changes_nothing(
    client: Client, patch: Any, code: int
) -> None:
    before = client.run(_pending("task"))

    refused(code, client.api.patch_namespaced_pod, "task", NAMESPACE, patch)

    assert client.pod() == before


def test_a_deletion_can_be_bound_to_one_pod(client: Client) -> None:
    pod = client.run(_pending("a"))
    for uid, code in (("other", 409), (pod.metadata.uid, None)):
        options = kubernetes.client.V1DeleteOptions(
            preconditions=kubernetes.client.V1Preconditions(uid=uid)
        )
        if code:
            assert refused(code, client.delete, "a", body=options)["reason"] == "Conflict"
        else:
            client.delete("a", body=options)

    wait_for(lambda: client.is_gone("a"))
    refused(404, client.delete, "a")


def test_a_pod_of_a_name_that_is_taken_is_refused(client: Client) -> None:
    client.run(_pending("task"))

    assert refused(409, client.run, _pending("task"))["reason"] == "AlreadyExists"


# --- refusing


def test_a_pod_that_the_sandbox_cannot_run_is_refused_with_every_reason(quiet: Client) -> None:
    pod = pod_of("true", c_volumeDevices=[], c_args="echo", c_stdin=None)

    status = refused(422, quiet.run, pod)

    assert status["reason"] == "Invalid"
    assert "spec.containers[0].volumeDevices: Unsupported value" in status["message"]
    assert "spec.containers[0].args: Invalid value" in status["message"]
    assert "stdin" not in status["message"]
    assert quiet.api.list_namespaced_pod(NAMESPACE).items == []


@pytest.mark.parametrize(
    ("pod", "code"),
    [
        ([], 400),
        ({"kind": "Job", "metadata": {"name": "x"}}, 422),
        ({"metadata": []}, 400),
        ({"metadata": {"name": "x", "namespace": "other"}}, 400),
        ({"metadata": {"generateName": "x-"}}, 422),
    ],
)
def test_a_body_that_is_not_a_pod_of_the_namespace_is_refused(
    quiet: Client, pod: Any, code: int
) -> None:
    refused(code, quiet.run, pod)


# --- what else there is


def test_what_does_not_exist_is_a_404_with_a_status(quiet: Client) -> None:
    api = quiet.api
    for call, plural in (
        (api.read_namespaced_pod, "pods"),
        (api.read_namespaced_persistent_volume_claim, "persistentvolumeclaims"),
        (api.read_namespaced_config_map, "configmaps"),
    ):
        status = refused(404, call, "nothing", NAMESPACE)
        assert (status["reason"], status["details"]["kind"]) == ("NotFound", plural)
    refused(404, kubernetes.client.AppsV1Api(api.api_client).list_namespaced_deployment, NAMESPACE)
    refused(404, api.list_node)


def test_what_the_sandbox_does_not_do_is_refused_and_not_ignored(quiet: Client) -> None:
    api = quiet.api
    refused(404, api.read_namespaced_secret, "database", NAMESPACE)
    refused(405, api.create_namespaced_event, NAMESPACE, {"metadata": {}, "involvedObject": {}})
    refused(405, api.replace_namespaced_pod, "x", NAMESPACE, pod_of("true"))
    refused(405, api.delete_collection_namespaced_pod, NAMESPACE)
    refused(400, api.create_namespaced_pod, NAMESPACE, pod_of("true"), dry_run="All")
    refused(404, api.create_namespaced_pod_eviction, "x", NAMESPACE, {"metadata": {}})


def _request(client: Client, method: str, path: str, **options: Any) -> tuple[int, Any]:
    connection = http.client.HTTPConnection(
        urlsplit(client.cluster.url).netloc, timeout=WAIT_SECONDS
    )
    connection.request(method, path, **options)
    answer = connection.getresponse()
    result = answer.status, json.loads(answer.read())
    connection.close()
    return result


def test_without_the_token_nothing_is_answered_nor_done(quiet: Client) -> None:
    body = json.dumps(pod_of("true"))
    for headers in ({}, {"Authorization": "Bearer x"}, {"Authorization": "Basic ü".encode()}):
        path = f"/api/v1/namespaces/{NAMESPACE}/pods"
        code, status = _request(quiet, "POST", path, body=body, headers=headers)
        assert (code, status["reason"]) == (401, "Unauthorized")
    assert _request(quiet, "GET", "/version")[0] == 401
    assert quiet.cluster.pods() == []


def test_the_kubeconfig_is_for_the_user_alone(quiet: Client, tmp_path: Path) -> None:
    path = tmp_path / "config"
    path.write_text("older")
    path.chmod(0o644)

    quiet.cluster.write_kubeconfig(path)

    assert path.stat().st_mode & 0o777 == 0o600
    assert json.loads(path.read_text())["clusters"][0]["cluster"]["server"] == quiet.cluster.url
    assert quiet.cluster.url.startswith("http://127.0.0.1:")


def test_requests_that_are_not_requests_leave_the_server_working(
    quiet: Client, tmp_path: Path
) -> None:
    quiet.cluster.write_kubeconfig(tmp_path / "config")
    user = json.loads((tmp_path / "config").read_text())["users"][0]["user"]
    headers = {"Authorization": f"Bearer {user['token']}"}
    path = f"/api/v1/namespaces/{NAMESPACE}/pods"

    assert _request(quiet, "POST", path, body="{", headers=headers)[0] == 400
    assert _request(quiet, "POST", path, body="", headers=headers)[0] == 400
    chunked = {**headers, "Transfer-Encoding": "chunked"}
    assert _request(quiet, "POST", path, headers=chunked)[0] == 413
    large = {**headers, "Content-Length": str(1 << 40)}
    assert _request(quiet, "POST", path, headers=large)[0] == 413
    patch = {**headers, "Content-Type": "text/plain"}
    assert _request(quiet, "PATCH", f"{path}/x", body="{}", headers=patch)[0] == 415
    assert _request(quiet, "GET", "/api/v1/namespaces/..%2F/pods/x", headers=headers)[0] == 404
    assert _request(quiet, "GET", "/%00", headers=headers)[0] == 404
    assert _request(quiet, "GET", path, headers=headers)[0] == 200


def test_many_clients_at_once_see_one_cluster(client: Client) -> None:
    created: list[str] = []
    numbers = itertools.count()

    def create() -> None:
        for _ in range(5):
            body = claim_of(f"claim-{next(numbers)}")
            made = client.api.create_namespaced_persistent_volume_claim(NAMESPACE, body)
            created.append(made.metadata.name)

    threads = [threading.Thread(target=create) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    found = client.api.list_namespaced_persistent_volume_claim(NAMESPACE)
    assert sorted(created) == sorted(_names(found))
    assert len(created) == 20
