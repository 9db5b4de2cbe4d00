"""The API answers Kubernetes' own client as an API server does."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import kubernetes
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kedro_airflow_k8s.sandbox.cluster import ClusterContent, LocalCluster, PodImage
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
    content = ClusterContent(secrets={("team", "database"): {"PASSWORD": "x"}})
    with LocalCluster(image, folder / "cluster", content) as cluster:
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
        ("dag in (x, y)", ["a", "b", "c"]),
        ("dag notin (x)", ["c"]),
        ("already", ["b"]),
        ("!already", ["a", "c"]),
        ("dag=x,already!=True,!airflow-worker", ["a"]),
        ("dag in (x,z),example.com/key=v.1", ["a"]),
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
    assert _names(client.api.list_pod_for_all_namespaces()) == ["a", "b"]
    events = client.api.list_namespaced_event(
        NAMESPACE, field_selector="involvedObject.name=b,type=Warning"
    ).items
    assert [event.involved_object.name for event in events] == ["b"]


@pytest.mark.parametrize("selector", ["a in x", "=x", "a=b=c", "a b", "a in (x", ",", "a=ü"])
def test_a_selector_that_cannot_be_read_is_refused(quiet: Client, selector: str) -> None:
    refused(400, quiet.api.list_namespaced_pod, NAMESPACE, label_selector=selector)


def test_a_field_that_the_server_does_not_select_by_is_refused(quiet: Client) -> None:
    status = refused(
        400, quiet.api.list_namespaced_pod, NAMESPACE, field_selector="spec.hostname=x"
    )
    assert "spec.hostname" in status["message"]


def test_a_watch_tells_of_pods_as_they_come_change_and_go(client: Client) -> None:
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


def test_a_patch_of_each_kind_changes_labels_and_nothing_else(client: Client) -> None:
    before = client.run(_pending("task", keep="1", drop="1"))
    patch = client.api.patch_namespaced_pod

    patch("task", NAMESPACE, {"metadata": {"labels": {"already_checked": "True", "drop": None}}})
    operations = [
        {"op": "test", "path": "/metadata/labels/keep", "value": "1"},
        {"op": "add", "path": "/metadata/annotations", "value": {}},
        {"op": "add", "path": "/metadata/annotations/example.com~1key", "value": "v"},
        {"op": "copy", "from": "/metadata/labels/keep", "path": "/metadata/labels/copy"},
    ]
    after = patch("task", NAMESPACE, operations)

    assert after.metadata.labels == {"keep": "1", "already_checked": "True", "copy": "1"}
    assert after.metadata.annotations == {"example.com/key": "v"}
    assert after.spec == before.spec
    assert int(after.metadata.resource_version) > int(before.metadata.resource_version)
    whole = client.api.api_client.sanitize_for_serialization(after)
    assert patch("task", NAMESPACE, whole) == after


@pytest.mark.parametrize(
    ("patch", "code"),
    [
        ({"spec": {"containers": [{"name": "base", "image": "other"}]}}, 422),
        ({"spec": {"restartPolicy": "Always"}}, 422),
        ({"metadata": {"uid": "other"}}, 422),
        ({"metadata": {"name": "other"}}, 422),
        ({"metadata": {"labels": {"a": "b c"}}}, 422),
        ({"metadata": {"labels": {"a": 1}}}, 400),
        ({"metadata": {"resourceVersion": "1"}}, 409),
        ([{"op": "remove", "path": "/metadata/labels/none"}], 422),
        ([{"op": "test", "path": "/metadata/name", "value": "other"}], 422),
        ([{"op": "remove", "path": "/metadata"}], 400),
        ([{"op": "replace", "path": "", "value": 1}], 400),
        ([{"op": "jump", "path": "/metadata"}], 400),
        ([{"op": "add"}], 400),
        (["add"], 400),
    ],
)
def test_a_patch_that_does_not_fit_is_refused_and_changes_nothing(
    client: Client, patch: Any, code: int
) -> None:
    before = client.run(_pending("task"))

    refused(code, client.api.patch_namespaced_pod, "task", NAMESPACE, patch)

    assert client.pod() == before


def test_deletions_can_be_bound_to_one_pod_and_cover_many(client: Client) -> None:
    client.run(_pending("a", group="1"))
    client.run(_pending("b", group="2"))
    options = kubernetes.client.V1DeleteOptions(
        preconditions=kubernetes.client.V1Preconditions(uid="other")
    )
    assert refused(409, client.delete, "a", body=options)["reason"] == "Conflict"

    client.api.delete_collection_namespaced_pod(NAMESPACE, label_selector="group=1")

    wait_for(lambda: _names(client.api.list_namespaced_pod(NAMESPACE)) == ["b"])
    refused(404, client.delete, "a")


def test_a_generated_name_is_made_of_the_prefix(client: Client) -> None:
    pod = _pending("x")
    pod["metadata"] = {"generateName": "p" * 70 + "-"}

    first, second = client.run(pod), client.run(pod)

    assert first.metadata.name[:58] == "p" * 58
    assert len(first.metadata.name) == 63
    assert first.metadata.name != second.metadata.name


def test_a_pod_of_a_name_that_is_taken_is_refused(client: Client) -> None:
    client.run(_pending("task"))

    assert refused(409, client.run, _pending("task"))["reason"] == "AlreadyExists"


# --- refusing


def _with(**spec: Any) -> dict[str, Any]:
    return pod_of("true", **spec)


@pytest.mark.parametrize(
    ("pod", "field"),
    [
        ({"metadata": {"name": "x"}, "spec": {"restartPolicy": "Never"}}, "spec.containers"),
        (pod_of("true", name="Upper"), "metadata.name"),
        (pod_of("true", name="under_score"), "metadata.name"),
        (pod_of("true", name="a" * 254), "metadata.name"),
        (pod_of("true", name="../../etc"), "metadata.name"),
        (pod_of("true", name="new\n"), "metadata.name"),
        (pod_of("true", name=""), "metadata.name"),
        (_pending("x", **{"bad key": "v"}), "metadata.labels"),
        (_pending("x", **{"node_pool_label/k8s.io": "v"}), "metadata.labels"),
        (_pending("x", key="v" * 64), "metadata.labels"),
        (_pending("x", key="-v"), "metadata.labels"),
        (_with(restartPolicy="Always"), "spec.restartPolicy"),
        (_with(restartPolicy=None), "spec.restartPolicy"),
        (_with(activeDeadlineSeconds=0), "spec.activeDeadlineSeconds"),
        (_with(nodeSelector={"a b": "c"}), "spec.nodeSelector"),
        (_with(serviceAccountName="No"), "spec.serviceAccountName"),
        (_with(tolerations=[{"operator": "Equal"}]), "spec.tolerations[0].operator"),
        (_with(tolerations=[{"key": "a", "operator": "Is"}]), "spec.tolerations[0].operator"),
        (
            _with(tolerations=[{"key": "a", "operator": "Exists", "value": "b"}]),
            "spec.tolerations[0].value",
        ),
        (_with(tolerations=[{"key": "a", "effect": "Never"}]), "spec.tolerations[0].effect"),
        (_with(c_name="Base"), "spec.containers[0].name"),
        (_with(c_image=""), "spec.containers[0].image"),
        (_with(c_env=[{"name": "1A", "value": "x"}]), "spec.containers[0].env[0].name"),
        (_with(c_env=[{"name": "A=B"}]), "spec.containers[0].env[0].name"),
        (_with(c_env=[{"name": "A", "valueFrom": {}}]), "spec.containers[0].env[0].valueFrom"),
        (
            _with(c_env=[{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "spec.x"}}}]),
            "spec.containers[0].env[0].valueFrom.fieldRef.fieldPath",
        ),
        (_with(c_envFrom=[{}]), "spec.containers[0].envFrom[0]"),
        (
            _with(c_resources={"requests": {"cpu": "2"}, "limits": {"cpu": "500m"}}),
            "spec.containers[0].resources.requests",
        ),
        (
            _with(c_resources={"limits": {"memory": "1 GB"}}),
            "spec.containers[0].resources.limits[memory]",
        ),
        (_with(c_livenessProbe={"exec": {}}), "spec.containers[0].livenessProbe"),
        (_with(volumes=[{"name": "v", "hostPath": {"path": "/"}}]), "spec.volumes[0].hostPath"),
        (_with(volumes=[{"name": "v"}]), "spec.volumes[0]"),
        (
            _with(volumes=[{"name": "v", "emptyDir": {}}, {"name": "v", "emptyDir": {}}]),
            "spec.volumes[1].name",
        ),
        (
            _with(c_volumeMounts=[{"name": "v", "mountPath": "/x"}]),
            "spec.containers[0].volumeMounts[0].name",
        ),
    ],
)
def test_a_pod_that_a_cluster_or_the_sandbox_cannot_run_is_refused(
    quiet: Client, pod: dict[str, Any], field: str
) -> None:
    status = refused(422, quiet.run, pod)

    assert status["reason"] == "Invalid"
    assert [cause["field"] for cause in status["details"]["causes"]] == [field]
    assert quiet.api.list_namespaced_pod(NAMESPACE).items == []


@pytest.mark.parametrize(
    ("mounts", "message"),
    [
        ([{"mountPath": "relative"}], "absolute"),
        ([{"mountPath": "/a/../b"}], "absolute"),
        ([{"mountPath": "/a", "subPath": "../other"}], "relative path"),
        ([{"mountPath": "/a"}, {"mountPath": "/a/"}], "Duplicate"),
        ([{"mountPath": "/a"}, {"mountPath": "/a/b"}], "inside another"),
        ([{"mountPath": "/home"}], "hide /home/kedro"),
        ([{"mountPath": "/"}], "hide /home/kedro"),
    ],
)
def test_a_mount_that_the_sandbox_cannot_make_is_refused(
    quiet: Client, mounts: list[dict[str, Any]], message: str
) -> None:
    mounts = [{"name": "v", **mount} for mount in mounts]

    status = refused(
        422, quiet.run, _with(volumes=[{"name": "v", "emptyDir": {}}], c_volumeMounts=mounts)
    )

    assert message in status["message"]


def test_a_second_container_is_refused_with_its_name(quiet: Client) -> None:
    pod = pod_of("true")
    pod["spec"]["containers"].append({"name": "airflow-xcom-sidecar", "image": "alpine"})

    assert "airflow-xcom-sidecar" in refused(422, quiet.run, pod)["message"]


def test_several_mistakes_are_reported_together(quiet: Client) -> None:
    pod = pod_of("true", name="A_B", c_env=[{"name": "1"}], restartPolicy="Always")

    causes = refused(422, quiet.run, pod)["details"]["causes"]

    assert len(causes) == 3


@pytest.mark.parametrize(
    "pod",
    [
        [],
        {"kind": "Job", "metadata": {"name": "x"}},
        {"metadata": []},
        {"metadata": {"name": 1}},
        {"metadata": {"name": "x", "namespace": "other"}},
        {"metadata": {"name": "x", "labels": {"a": True}}},
        {"metadata": {"name": "x"}, "spec": []},
        {"metadata": {"name": "x"}, "spec": {"containers": {}}},
        {"metadata": {"name": "x"}, "spec": {"containers": ["base"]}},
        pod_of("true", c_args=[1]),
        pod_of("true", c_args="echo"),
        pod_of("true", c_env=[{"name": "A", "value": 1}]),
        pod_of("true", activeDeadlineSeconds="5"),
    ],
)
def test_a_body_of_the_wrong_shape_is_a_bad_request(quiet: Client, pod: Any) -> None:
    assert refused(400, quiet.run, pod)["reason"] == "BadRequest"


FIELDS = st.sampled_from(
    [
        *("metadata", "spec", "name", "labels", "containers", "initContainers", "command", "args"),
        *("env", "value", "valueFrom", "envFrom", "secretKeyRef", "volumes", "volumeMounts"),
        *("mountPath", "subPath", "emptyDir", "secret", "items", "resources", "limits"),
        *("tolerations", "imagePullSecrets"),
    ]
)
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(FIELDS, inner, max_size=3),
    max_leaves=8,
)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(spec=st.dictionaries(FIELDS, JSON_VALUES, max_size=4), container=JSON_VALUES)
def test_no_body_however_odd_breaks_the_server(quiet: Client, spec: Any, container: Any) -> None:
    body = {
        "metadata": {"name": "x"},
        # No restartPolicy of Never comes out of this, so nothing runs.
        "spec": {**spec, "restartPolicy": "Always", "containers": [container]},
    }

    with pytest.raises(kubernetes.client.ApiException) as caught:
        quiet.run(body)

    assert caught.value.status in (400, 422)


# --- what else there is


def test_what_does_not_exist_is_a_404_with_a_status(quiet: Client) -> None:
    api = quiet.api
    for call, plural in (
        (api.read_namespaced_pod, "pods"),
        (api.read_namespaced_persistent_volume_claim, "persistentvolumeclaims"),
        (api.read_namespaced_secret, "secrets"),
        (api.read_namespaced_config_map, "configmaps"),
    ):
        status = refused(404, call, "nothing", NAMESPACE)
        assert (status["reason"], status["details"]["kind"]) == ("NotFound", plural)
    refused(404, kubernetes.client.AppsV1Api(api.api_client).list_namespaced_deployment, NAMESPACE)
    refused(404, api.list_node)


def test_the_rest_of_the_cluster_can_be_read(quiet: Client) -> None:
    assert quiet.api.read_namespaced_secret("database", NAMESPACE).data == {"PASSWORD": "eA=="}
    assert quiet.api.read_namespaced_service_account("any", NAMESPACE).metadata.name == "any"
    assert quiet.api.read_namespace("any").status.phase == "Active"
    assert _names(quiet.api.list_namespace()) == ["default", NAMESPACE]
    assert kubernetes.client.VersionApi(quiet.api.api_client).get_code().major == "1"
    resources = {resource.name for resource in quiet.api.get_api_resources().resources}
    assert {"pods", "pods/log", "persistentvolumeclaims", "events"} <= resources


def test_what_the_sandbox_does_not_do_is_refused_and_not_ignored(quiet: Client) -> None:
    api = quiet.api
    refused(405, api.create_namespaced_secret, NAMESPACE, {"metadata": {"name": "x"}})
    refused(405, api.replace_namespaced_pod, "x", NAMESPACE, pod_of("true"))
    refused(400, api.create_namespaced_pod, NAMESPACE, pod_of("true"), dry_run="All")
    refused(405, api.create_namespaced_pod_eviction, "x", NAMESPACE, {"metadata": {}})


def test_an_unknown_service_account_is_forbidden(image: PodImage, tmp_path: Path) -> None:
    content = ClusterContent(service_accounts=[(NAMESPACE, "runner")])
    with LocalCluster(image, tmp_path / "cluster", content) as cluster:
        client = Client(cluster, connect(cluster, tmp_path))

        status = refused(403, client.run, pod_of("true", serviceAccountName="other"))

        assert 'serviceaccount "other" not found' in status["message"]
        client.output("true", name="known", serviceAccountName="runner")
        client.output("true", name="default")
        refused(404, client.api.read_namespaced_service_account, "other", NAMESPACE)


def _request(client: Client, method: str, path: str, **options: Any) -> tuple[int, Any]:
    connection = http.client.HTTPConnection(urlsplit(client.cluster.url).netloc, timeout=20)
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


def test_requests_that_are_no_requests_leave_the_server_working(
    quiet: Client, tmp_path: Path
) -> None:
    quiet.cluster.write_kubeconfig(tmp_path / "config")
    user = json.loads((tmp_path / "config").read_text())["users"][0]["user"]
    headers = {"Authorization": f"Bearer {user['token']}"}
    path = f"/api/v1/namespaces/{NAMESPACE}/pods"

    assert _request(quiet, "POST", path, body="{", headers=headers)[0] == 400
    assert _request(quiet, "POST", path, body="", headers=headers)[0] == 400
    chunks = iter([b'{"metadata": ', b'{"name": "x"}}'])
    assert _request(quiet, "POST", path, body=chunks, headers=headers)[0] == 422
    large = {**headers, "Content-Length": str(1 << 40)}
    assert _request(quiet, "POST", path, headers=large)[0] == 413
    patch = {**headers, "Content-Type": "text/plain"}
    assert _request(quiet, "PATCH", f"{path}/x", body="{}", headers=patch)[0] == 404
    assert _request(quiet, "GET", "/api/v1/namespaces/..%2F/pods/x", headers=headers)[0] == 404
    assert _request(quiet, "GET", "/%00", headers=headers)[0] == 404
    assert _request(quiet, "GET", path, headers=headers)[0] == 200


def test_many_clients_at_once_see_one_cluster(client: Client) -> None:
    created: list[str] = []

    def create() -> None:
        for _ in range(5):
            body = claim_of()
            body["metadata"] = {"generateName": "claim-"}
            made = client.api.create_namespaced_persistent_volume_claim(NAMESPACE, body)
            created.append(made.metadata.name)

    threads = [threading.Thread(target=create) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    found = client.api.list_namespaced_persistent_volume_claim(NAMESPACE)
    assert sorted(created) == _names(found)
    assert len(created) == 20
