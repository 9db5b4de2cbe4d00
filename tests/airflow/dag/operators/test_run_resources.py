"""What a DAG run owns, created and deleted by real Airflow on a Kubernetes API."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

import kubernetes
import pytest

from kedro_airflow_k8s.sandbox.cluster import LocalCluster, PodImage
from tests.airflow.dag.operators.airflow_process import AirflowWorker, OperatorFailed
from tests.airflow.dag.operators.faulty_api import Fault, FaultyApi

RUN = ("letters", "manual__2026-01-01T00:00:00+00:00")
OTHER_RUN = ("letters", "manual__2026-01-02T00:00:00+00:00")
NAME = "letters-0123456789ab"
NAMESPACE = "team"
SHOWN = f"PersistentVolumeClaim {NAME} in namespace {NAMESPACE}"


def volume(size: str = "1Gi", **spec: Any) -> dict[str, Any]:
    """A claim as the DAG has it."""
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": NAME, "labels": {"team": "letters"}},
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": size}},
            **spec,
        },
    }


def pod(name: str, command: str) -> dict[str, Any]:
    """A pod that runs a command."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name},
        "spec": {
            "restartPolicy": "Never",
            "containers": [{"name": "base", "image": "any:1", "args": ["sh", "-c", command]}],
        },
    }


class Cluster:
    """A running cluster, the client of another user, and the operators."""

    def __init__(self, local: LocalCluster, worker: AirflowWorker) -> None:
        self.local = local
        self.worker = worker
        local.write_kubeconfig(worker.kubeconfig)
        self.api = kubernetes.client.CoreV1Api(
            kubernetes.config.new_client_from_config(config_file=str(worker.kubeconfig))
        )

    def create(self, run: tuple[str, str] = RUN, **more: Any) -> list[str]:
        """Execute the operator that creates; give its log."""
        options = {"manifests": [volume()], "namespace": NAMESPACE, **more}
        return self.worker.execute("create", run, **options)[1]

    def delete(self, run: tuple[str, str] = RUN, **more: Any) -> list[str]:
        """Execute the operator that deletes."""
        options = {"manifests": [volume()], "namespace": NAMESPACE, **more}
        return self.worker.execute("delete", run, **options)[1]

    def claim(self, namespace: str = NAMESPACE) -> Any:
        """The claim as the API has it."""
        return self.api.read_namespaced_persistent_volume_claim(NAME, namespace)

    def claims(self) -> list[tuple[str, str]]:
        """Namespace and name of every claim."""
        return [(claim.namespace, claim.name) for claim in self.local.claims()]

    def make_foreign_claim(self, **metadata: Any) -> str:
        """Make a claim without the operators, and give its unique id."""
        body = {
            "metadata": {"name": NAME, **metadata},
            "spec": {
                "accessModes": ["ReadWriteOnce"],
                "resources": {"requests": {"storage": "1Gi"}},
            },
        }
        made = self.api.create_namespaced_persistent_volume_claim(NAMESPACE, body)
        return str(made.metadata.uid)

    def set_finalizers(self, finalizers: list[str] | None) -> None:
        """Hold the claim back from its end or, with None, let it go."""
        body = {"metadata": {"finalizers": finalizers}}
        self.api.patch_namespaced_persistent_volume_claim(NAME, NAMESPACE, body)

    def go_through(self, proxy: FaultyApi) -> None:
        """Let the operators reach the cluster by a proxy."""
        config = self.worker.kubeconfig.read_text()
        self.worker.kubeconfig.write_text(config.replace(self.local.url, proxy.url))


@pytest.fixture
def cluster(airflow: AirflowWorker, tmp_path: Path) -> Iterator[Cluster]:
    """A cluster without claims."""
    (tmp_path / "image").mkdir()
    image = PodImage(tmp_path / "image", PurePosixPath("/home/kedro"), ())
    with LocalCluster(image, tmp_path / "cluster") as local:
        found = Cluster(local, airflow)
        yield found
        found.api.api_client.close()
    airflow.kubeconfig.unlink(missing_ok=True)


@pytest.mark.core
def test_a_run_gets_its_object_as_the_dag_has_it(cluster: Cluster) -> None:
    log = cluster.create(manifests=[volume("7Gi", storageClassName="fast")])

    claim = cluster.claim()
    assert claim.spec.resources.requests == {"storage": "7Gi"}
    assert claim.spec.storage_class_name == "fast"
    assert claim.metadata.labels == {"team": "letters"}
    assert claim.metadata.annotations["kedro-airflow-k8s/dag-id"] == RUN[0]
    assert claim.metadata.annotations["kedro-airflow-k8s/run-id"] == RUN[1]
    assert f"{SHOWN}: created." in log


def test_creating_it_again_keeps_it(cluster: Cluster) -> None:
    cluster.create()
    uid = cluster.claim().metadata.uid

    log = cluster.create()

    assert cluster.claim().metadata.uid == uid
    assert f"{SHOWN}: exists." in log


@pytest.mark.parametrize("whose", ["no run's", "another run's"])
@pytest.mark.parametrize("operator", ["create", "delete"])
def test_an_object_of_another_owner_is_refused_and_left_alone(
    cluster: Cluster, operator: str, whose: str
) -> None:
    if whose == "no run's":
        uid = cluster.make_foreign_claim()
    else:
        cluster.create(run=OTHER_RUN)
        uid = cluster.claim().metadata.uid

    with pytest.raises(OperatorFailed) as caught:
        getattr(cluster, operator)()

    assert caught.value.kind == "AirflowException"
    for what in (SHOWN, "does not belong to this DAG run", "Delete it"):
        assert what in caught.value.message
    claim = cluster.claim()
    assert (claim.metadata.uid, claim.metadata.deletion_timestamp) == (uid, None)


def test_a_run_waits_for_the_end_of_its_former_volume_and_gets_a_fresh_one(
    cluster: Cluster,
) -> None:
    cluster.create()
    uid = cluster.claim().metadata.uid
    cluster.set_finalizers(["example.com/hold"])
    cluster.delete()
    assert cluster.claim().metadata.deletion_timestamp
    reads: list[str] = []

    def release(verb: str) -> None:
        reads.append(verb)
        if len(reads) == 2:  # The first looks for the claim, this one is the wait.
            cluster.set_finalizers(None)

    with FaultyApi(cluster.local.url, {}, release) as proxy:
        cluster.go_through(proxy)
        log = cluster.create()

    assert f"{SHOWN}: created." in log
    claim = cluster.claim()
    assert claim.metadata.uid != uid
    assert claim.metadata.deletion_timestamp is None


def test_a_former_volume_that_does_not_end_is_an_error_that_says_why(cluster: Cluster) -> None:
    cluster.create()
    cluster.set_finalizers(["example.com/hold"])
    cluster.delete()

    with pytest.raises(OperatorFailed, match="is still being deleted after 0 s") as caught:
        cluster.create(attributes={"timeout_seconds": 0})

    assert NAME in caught.value.message
    cluster.set_finalizers(None)


@pytest.mark.core
def test_the_volume_is_deleted_and_deleting_it_again_is_fine(cluster: Cluster) -> None:
    cluster.create()

    first = cluster.delete()
    assert cluster.claims() == []
    second = cluster.delete()

    assert f"{SHOWN}: deleted." in first
    assert f"{SHOWN}: already gone." in second


@pytest.mark.parametrize("status", [500, 503])
def test_an_object_that_exists_though_kubernetes_says_no_is_used(
    cluster: Cluster, status: int
) -> None:
    with FaultyApi(cluster.local.url, {"POST": Fault(status, carried_out=True)}) as proxy:
        cluster.go_through(proxy)
        cluster.create()

    assert cluster.claims() == [(NAMESPACE, NAME)]


def test_an_object_whose_creation_got_no_answer_is_not_left_behind(cluster: Cluster) -> None:
    with FaultyApi(cluster.local.url, {"POST": Fault(None, carried_out=True)}) as proxy:
        cluster.go_through(proxy)
        with pytest.raises(OperatorFailed):
            cluster.create()

    assert cluster.claims() == []


def test_of_several_objects_none_is_left_behind_when_one_cannot_be_created(
    cluster: Cluster,
) -> None:
    with FaultyApi(
        cluster.local.url, {f"POST /api/v1/namespaces/{NAMESPACE}/pods": Fault(403)}
    ) as proxy:
        cluster.go_through(proxy)
        with pytest.raises(OperatorFailed, match="Cannot create Pod second") as caught:
            cluster.create(manifests=[volume(), pod("second", "true")])

    assert cluster.claims() == []
    assert f"{SHOWN}: created." in caught.value.log
    assert f"{SHOWN}: deleted." in caught.value.log


def test_several_objects_are_created_in_order_and_deleted_in_reverse(
    cluster: Cluster,
) -> None:
    manifests = [volume(), pod("second", "sleep 600")]

    created = cluster.create(manifests=manifests)
    deleted = cluster.delete(manifests=manifests)

    second = f"Pod second in namespace {NAMESPACE}"
    assert created == [f"{SHOWN}: created.", f"{second}: created."]
    assert deleted == [f"{second}: deleted.", f"{SHOWN}: deleted."]


def test_an_object_of_an_api_group_is_at_its_address(cluster: Cluster) -> None:
    paths: list[str] = []
    manifest = {
        "apiVersion": "ray.io/v1",
        "kind": "RayCluster",
        "metadata": {"name": "rays"},
        "spec": {},
    }
    with FaultyApi(cluster.local.url, {}, seen_path=paths.append) as proxy:
        cluster.go_through(proxy)
        with pytest.raises(OperatorFailed, match=r"Cannot create RayCluster rays .*404"):
            cluster.create(manifests=[manifest])

    address = f"/apis/ray.io/v1/namespaces/{NAMESPACE}/rayclusters"
    assert paths[:2] == [f"GET {address}/rays", f"POST {address}"]


def test_what_cannot_be_cleaned_up_is_named_and_the_first_error_raised(cluster: Cluster) -> None:
    faults = {"POST": Fault(None, carried_out=True), "DELETE": Fault(403)}
    with FaultyApi(cluster.local.url, faults) as proxy:
        cluster.go_through(proxy)
        with pytest.raises(OperatorFailed) as caught:
            cluster.create()

    assert "403" not in caught.value.message
    assert any(f"{SHOWN} may still exist" in line for line in caught.value.log)


def test_a_volume_of_another_run_made_at_the_same_moment_is_left_alone(cluster: Cluster) -> None:
    def overtake(verb: str) -> None:
        if verb == "POST":
            cluster.make_foreign_claim()

    with FaultyApi(cluster.local.url, {}, overtake) as proxy:
        cluster.go_through(proxy)
        with pytest.raises(OperatorFailed, match="does not belong to this DAG run"):
            cluster.create()

    assert cluster.claims() == [(NAMESPACE, NAME)]


def test_a_volume_that_this_run_made_at_the_same_moment_is_used(cluster: Cluster) -> None:
    keys = ("kedro-airflow-k8s/dag-id", "kedro-airflow-k8s/run-id")
    mine = dict(zip(keys, RUN, strict=True))

    def overtake(verb: str) -> None:
        if verb == "POST":
            cluster.make_foreign_claim(annotations=mine)

    with FaultyApi(cluster.local.url, {}, overtake) as proxy:
        cluster.go_through(proxy)
        cluster.create()

    assert cluster.claims() == [(NAMESPACE, NAME)]


@pytest.mark.parametrize("verb", ["GET", "POST"])
def test_missing_rights_are_reported_without_the_headers_of_the_answer(
    cluster: Cluster, verb: str
) -> None:
    with FaultyApi(cluster.local.url, {verb: Fault(403)}) as proxy:
        cluster.go_through(proxy)
        with pytest.raises(OperatorFailed) as caught:
            cluster.create()

    assert caught.value.kind == "AirflowException"
    for what in (NAME, NAMESPACE, "403 Forbidden", "the server says no"):
        assert what in caught.value.message
    assert "HTTP response headers" not in caught.value.message
    assert cluster.claims() == []


def test_a_size_that_kubernetes_refuses_is_reported_with_its_reason(cluster: Cluster) -> None:
    with pytest.raises(OperatorFailed, match="422") as caught:
        cluster.create(manifests=[volume("-1Gi")])

    assert NAME in caught.value.message
    assert "spec.resources" in caught.value.message
    assert cluster.claims() == []


@pytest.mark.parametrize(
    ("argument", "connection", "expected"),
    [
        ("given", "connected", "given"),
        (None, "connected", "connected"),
        (None, None, "default"),
    ],
)
def test_the_namespace_is_that_of_the_task_then_of_the_connection_then_default(
    cluster: Cluster, argument: str | None, connection: str | None, expected: str
) -> None:
    extra = {"namespace": connection} if connection else {}
    environment = _connection(extra)

    cluster.create(namespace=argument, environment=environment)
    assert cluster.claims() == [(expected, NAME)]

    cluster.delete(namespace=argument, environment=environment)
    assert cluster.claims() == []


@pytest.mark.parametrize("way", ["kube_config", "kube_config_path"])
def test_the_cluster_is_found_by_the_connection(cluster: Cluster, way: str, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    config = cluster.worker.kubeconfig.rename(elsewhere).read_text()
    extra = {way: json.loads(config) if way == "kube_config" else str(elsewhere)}

    cluster.create(environment=_connection(extra))

    assert cluster.claims() == [(NAMESPACE, NAME)]


def _connection(extra: dict[str, Any]) -> dict[str, str]:
    connection = {"conn_type": "kubernetes", "extra": extra}
    return {"AIRFLOW_CONN_KUBERNETES_DEFAULT": json.dumps(connection)}
