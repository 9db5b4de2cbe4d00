"""The RBAC manifest on a real cluster: Airflow with the rights of its role, and with one less."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from kubernetes import client, config
from kubernetes.client.exceptions import ApiException
from kubernetes.utils import create_from_dict

from tests.cluster.cluster import Namespace
from tests.cluster.image import project_home
from tests.cluster.project import make_cluster_project
from tests.cluster.runs import Airflow, running_airflow
from tests.support.rbac import read_manifest
from tests.support.waiting import wait_until

TOKEN_SECONDS = 3600
MANIFEST = read_manifest()
PODS_ACCOUNT = MANIFEST.of_kind("ServiceAccount")["metadata"]["name"]
AIRFLOWS_ACCOUNT = MANIFEST.of_kind("RoleBinding")["subjects"][0]["name"]
ROLE = MANIFEST.of_kind("Role")["metadata"]["name"]


@dataclass(frozen=True)
class LimitedAirflow:
    """Airflow that may on the cluster what the manifest says.

    Attributes:
        airflow: It.
        own: The cluster as its account sees it.
    """

    airflow: Airflow
    own: client.ApiClient

    def run(self, pipeline: str) -> Any:
        """Run a pipeline whose pods have the account of the manifest."""
        return self.airflow.run(pipeline, service_account_name=PODS_ACCOUNT)

    def may(self, verb: str, resource: str) -> bool:
        """Whether its account is allowed something, as the API server decides."""
        namespace = self.airflow.namespace.name
        wanted = client.V1ResourceAttributes(namespace=namespace, verb=verb, resource=resource)
        spec = client.V1SelfSubjectAccessReviewSpec(resource_attributes=wanted)
        review = client.V1SelfSubjectAccessReview(spec=spec)
        api = client.AuthorizationV1Api(self.own)
        return bool(api.create_self_subject_access_review(review).status.allowed)


def apply_manifest(namespace: Namespace) -> None:
    """Make what the manifest lists, with this namespace in place of both that it names."""
    core = namespace.core
    # The chart of Airflow makes this one.
    account = client.V1ServiceAccount(metadata=client.V1ObjectMeta(name=AIRFLOWS_ACCOUNT))
    core.create_namespaced_service_account(namespace.name, account)
    for document in json.loads(json.dumps(MANIFEST.documents)):
        if document["kind"] != "Namespace":
            for part in (document["metadata"], *document.get("subjects", ())):
                part["namespace"] = namespace.name
            create_from_dict(core.api_client, document)


def kubeconfig_of_airflow(namespace: Namespace) -> str:
    """A kubeconfig with a token of Airflow's account."""
    spec = client.V1TokenRequestSpec(audiences=[], expiration_seconds=TOKEN_SECONDS)
    granted = namespace.core.create_namespaced_service_account_token(
        AIRFLOWS_ACCOUNT, namespace.name, client.AuthenticationV1TokenRequest(spec=spec)
    )
    found = namespace.core.api_client.configuration
    cluster: dict[str, Any] = {"server": found.host}
    if found.ssl_ca_cert:
        authority = Path(found.ssl_ca_cert).read_bytes()
        cluster["certificate-authority-data"] = base64.b64encode(authority).decode()
    context = {"cluster": "here", "user": "airflow", "namespace": namespace.name}
    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "limited",
            "clusters": [{"name": "here", "cluster": cluster}],
            "users": [{"name": "airflow", "user": {"token": granted.status.token}}],
            "contexts": [{"name": "limited", "context": context}],
        }
    )


@pytest.fixture(scope="module")
def limited_of_module(
    namespace: Namespace, image: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LimitedAirflow]:
    folder = tmp_path_factory.mktemp("rbac")
    apply_manifest(namespace)
    file = folder / "kubeconfig"
    file.write_text(kubeconfig_of_airflow(namespace))
    settings = client.Configuration()
    config.load_kube_config(str(file), client_configuration=settings)
    project = make_cluster_project(folder / "spaceflights")
    home = project_home()
    with running_airflow(project, namespace, image, home, KUBECONFIG=str(file)) as airflow:
        yield LimitedAirflow(airflow, client.ApiClient(settings))


@pytest.fixture
def limited(limited_of_module: LimitedAirflow) -> Iterator[LimitedAirflow]:
    """The same; after each test, the rights are whole, and nothing of it is left."""
    namespace = limited_of_module.airflow.namespace
    rbac = client.RbacAuthorizationV1Api(namespace.core.api_client)
    whole = rbac.read_namespaced_role(ROLE, namespace.name).rules
    yield limited_of_module
    rbac.patch_namespaced_role(ROLE, namespace.name, {"rules": whole})
    namespace.wait_until_empty()


def test_runs_go_well_and_fail_as_ever_with_the_rights_of_the_manifest(
    limited: LimitedAirflow,
) -> None:
    airflow, namespace = limited.airflow, limited.airflow.namespace
    # Where everybody may do everything, the runs would say nothing.
    assert not limited.may("get", "secrets")
    with pytest.raises(ApiException, match="Forbidden"):
        client.CoreV1Api(limited.own).list_namespaced_secret(namespace.name)

    good = limited.run("data_processing").succeeded()
    bad = limited.run("try_failure").failed(
        "fail failed: ", "ValueError: there are no [bold] plums"
    )

    for done in (good, bad):
        assert airflow.states(done.dag_id, done.run_id)["delete_volume"] == "success"
        for pods in namespace.pods_of_run(done.run_id).values():
            for pod in pods:
                assert pod.spec.service_account_name == PODS_ACCOUNT
                # No token is in the pod: neither projected, nor as a Secret.
                assert {volume.name for volume in pod.spec.volumes} == {"data"}


def test_a_killed_task_whose_pod_the_triggerer_waits_for_leaves_no_pod(
    limited: LimitedAirflow,
) -> None:
    airflow, namespace = limited.airflow, limited.airflow.namespace
    settings = {"service_account_name": PODS_ACCOUNT, "deferrable": True, "poll_interval": 10}
    with airflow.start("try_volume", **settings) as running:
        pod, _ = running.at_the_gate()
        run_id = str(running.run_id())
        # The triggerer deletes the pod if it knows of it; it learns of it after the task's state.
        wait_until(
            lambda: f"Checking pod '{pod}'" in airflow.log("try_volume", run_id, "hold"),
            "a triggerer that waits for the pod",
        )
        states = airflow.states("try_volume", run_id)
        airflow.client().mark_task("try_volume", run_id, "hold", "failed")
        done = running.end().failed("hold failed")
    airflow.wait_for_end(done)

    # The one before was deferrable too, and the rights were enough to see its end and its log.
    ended = (states["count"], states["data_volume_init"])
    assert (states["hold"], ended) == ("deferred", ("success", "success"))
    assert "Kedro" in airflow.log("try_volume", run_id, "count")
    namespace.pods.wait_for(lambda: pod not in namespace.pods.there(), f"{pod} deleted")
    assert namespace.pods.last(pod).metadata.deletion_timestamp is not None
    assert not namespace.task_pods(run_id, "report")


@pytest.mark.parametrize(
    ("verb", "resource", "task"),
    [
        ("create", "persistentvolumeclaims", "create_volume"),
        ("create", "pods", "data_volume_init"),
    ],
)
def test_a_run_without_one_of_the_rights_fails_and_says_which_is_missing(
    limited: LimitedAirflow, verb: str, resource: str, task: str
) -> None:
    namespace = limited.airflow.namespace
    rbac = client.RbacAuthorizationV1Api(namespace.core.api_client)
    role = rbac.read_namespaced_role(ROLE, namespace.name)
    assert limited.may(verb, resource)
    for rule in role.rules:
        if resource in rule.resources:
            rule.verbs.remove(verb)
    rbac.replace_namespaced_role(ROLE, namespace.name, role)
    # The API server learns of it a moment later.
    wait_until(lambda: not limited.may(verb, resource), f"a role without {verb} {resource}")

    limited.run("data_processing").failed(
        f"{task} failed: ", "Forbidden", f"{resource} is forbidden", AIRFLOWS_ACCOUNT
    )
