"""The volume of a DAG run, made and deleted by real Airflow on a Kubernetes API."""

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
SPEC = {"size": "1Gi", "access_modes": ["ReadWriteOnce"]}


class Cluster:
    """A running cluster, the client of another user, and the operators."""

    def __init__(self, local: LocalCluster, worker: AirflowWorker) -> None:
        self.local = local
        self.worker = worker
        local.write_kubeconfig(worker.kubeconfig)
        self.api = kubernetes.client.CoreV1Api(
            kubernetes.config.new_client_from_config(config_file=str(worker.kubeconfig))
        )

    def create(self, run: tuple[str, str] = RUN, **more: Any) -> tuple[Any, list[str]]:
        """Execute the operator that creates."""
        options = {"volume_name": NAME, "namespace": NAMESPACE, **SPEC, **more}
        return self.worker.execute("create", run, **options)

    def delete(self, run: tuple[str, str] = RUN, **more: Any) -> list[str]:
        """Execute the operator that deletes."""
        options = {"volume_name": NAME, "namespace": NAMESPACE, **more}
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


def test_a_run_gets_a_volume_as_it_was_configured(cluster: Cluster) -> None:
    modes = ["ReadWriteMany", "ReadOnlyMany"]
    name, log = cluster.create(size="7Gi", access_modes=modes, storage_class="fast")

    claim = cluster.claim()
    assert name == NAME
    assert claim.spec.resources.requests == {"storage": "7Gi"}
    assert claim.spec.access_modes == modes
    assert claim.spec.storage_class_name == "fast"
    assert claim.metadata.annotations["kedro-airflow-k8s/dag-id"] == RUN[0]
    assert claim.metadata.annotations["kedro-airflow-k8s/run-id"] == RUN[1]
    said = "\n".join(log)
    for what in (NAME, NAMESPACE, "7Gi", "ReadWriteMany/ReadOnlyMany", "fast"):
        assert what in said


def test_without_a_storage_class_the_cluster_chooses_one(cluster: Cluster) -> None:
    _, log = cluster.create()

    assert cluster.claim().spec.storage_class_name == "sandbox"  # the default of this cluster
    assert "storage class of the cluster's default" in "\n".join(log)


def test_creating_the_volume_again_keeps_it_and_its_files(cluster: Cluster) -> None:
    cluster.create()
    uid = cluster.claim().metadata.uid

    name, log = cluster.create()

    assert name == NAME
    assert cluster.claim().metadata.uid == uid
    assert f"Volume {NAME} in {NAMESPACE} exists: used again." in log


@pytest.mark.parametrize("whose", ["nobody's", "another run's"])
@pytest.mark.parametrize("operator", ["create", "delete"])
def test_a_volume_of_somebody_else_is_refused_and_left_alone(
    cluster: Cluster, operator: str, whose: str
) -> None:
    if whose == "nobody's":
        uid = cluster.make_foreign_claim()
    else:
        cluster.create(run=OTHER_RUN)
        uid = cluster.claim().metadata.uid

    with pytest.raises(OperatorFailed) as caught:
        getattr(cluster, operator)()

    assert caught.value.kind == "RuntimeError"
    for what in (NAME, NAMESPACE, "does not belong to this DAG run", "Delete or rename it"):
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
        _, log = cluster.create()

    assert f"Volume {NAME} is being deleted: waiting for its end." in log
    claim = cluster.claim()
    assert claim.metadata.uid != uid
    assert claim.metadata.deletion_timestamp is None


def test_a_former_volume_that_does_not_end_is_an_error_that_says_why(cluster: Cluster) -> None:
    cluster.create()
    cluster.set_finalizers(["example.com/hold"])
    cluster.delete()

    with pytest.raises(
        OperatorFailed, match="still being deleted after 0 seconds: a pod"
    ) as caught:
        cluster.create(attributes={"deletion_seconds": 0})

    assert NAME in caught.value.message
    cluster.set_finalizers(None)


def test_the_volume_is_deleted_and_deleting_it_again_is_fine(cluster: Cluster) -> None:
    cluster.create()

    first = cluster.delete()
    assert cluster.claims() == []
    second = cluster.delete()

    assert f"Deleted volume {NAME} in namespace {NAMESPACE}." in first
    assert f"Volume {NAME} in {NAMESPACE} is gone already." in second


@pytest.mark.parametrize("status", [500, 503, None], ids=["500", "503", "connection lost"])
def test_a_volume_whose_creation_went_wrong_on_the_way_back_is_not_left_behind(
    cluster: Cluster, status: int | None
) -> None:
    verbs: list[str] = []
    faults = {"POST": Fault(status, carried_out=True)}
    with FaultyApi(cluster.local.url, faults, verbs.append) as proxy:
        cluster.go_through(proxy)
        with pytest.raises(OperatorFailed) as caught:
            cluster.create()

    assert verbs == ["GET", "POST", "GET", "DELETE"]
    assert cluster.claims() == []
    if status:
        for what in (NAME, NAMESPACE, str(status), "the server says no"):
            assert what in caught.value.message


def test_what_cannot_be_cleaned_up_is_named_and_the_first_error_raised(cluster: Cluster) -> None:
    faults = {"POST": Fault(500, carried_out=True), "DELETE": Fault(403)}
    with FaultyApi(cluster.local.url, faults) as proxy:
        cluster.go_through(proxy)
        with pytest.raises(OperatorFailed, match="500") as caught:
            cluster.create()

    assert any(f"Volume {NAME} may be left behind" in line for line in caught.value.log)


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
        assert cluster.create()[0] == NAME

    assert cluster.claims() == [(NAMESPACE, NAME)]


@pytest.mark.parametrize("verb", ["GET", "POST"])
def test_missing_rights_are_told_without_the_headers_of_the_answer(
    cluster: Cluster, verb: str
) -> None:
    with FaultyApi(cluster.local.url, {verb: Fault(403)}) as proxy:
        cluster.go_through(proxy)
        with pytest.raises(OperatorFailed) as caught:
            cluster.create()

    assert caught.value.kind == "RuntimeError"
    for what in (NAME, NAMESPACE, "403 Forbidden", "the server says no"):
        assert what in caught.value.message
    assert "HTTP response headers" not in caught.value.message
    assert cluster.claims() == []


def test_a_size_that_kubernetes_refuses_is_told_with_its_reason(cluster: Cluster) -> None:
    with pytest.raises(OperatorFailed, match="422") as caught:
        cluster.create(size="-1Gi")

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
