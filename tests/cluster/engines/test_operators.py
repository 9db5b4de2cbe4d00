"""A cluster that an operator of Kubernetes makes for an object of its own kind."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from kubernetes import client
from kubernetes.client.exceptions import ApiException

from tests.cluster.cluster import Namespace
from tests.cluster.runs import Airflow
from tests.support.waiting import wait_until

# Not KubeRay's own group: its operator can be on the cluster of the tests.
GROUP, VERSION, PLURAL, KIND = "e2e.example.com", "v1", "rayclusters", "RayCluster"
COMMAND = (
    "ray start --head --block --include-dashboard=false --ray-client-server-port=10001 --num-cpus=2"
)


@pytest.fixture
def ray_clusters(namespace_of_engines: Namespace) -> Iterator[Any]:
    """A kind of objects, and a thread that does for each what KubeRay's operator would."""
    api_client = namespace_of_engines.core.api_client
    kinds = client.ApiextensionsV1Api(api_client)
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {
        "name": VERSION,
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": schema},
        "subresources": {"status": {}},
    }
    names = {"kind": KIND, "plural": PLURAL, "singular": KIND.lower()}
    spec = {"group": GROUP, "scope": "Namespaced", "names": names, "versions": [version]}
    kind = {"metadata": {"name": f"{PLURAL}.{GROUP}"}, "spec": spec}
    try:
        kinds.create_custom_resource_definition(kind)
    except ApiException as error:
        if error.status != 409:  # Tests that were killed have left it.
            raise
    objects, over = client.CustomObjectsApi(api_client), threading.Event()
    thread = threading.Thread(target=operate, args=(objects, namespace_of_engines, over))
    try:
        wait_until(lambda: all_of(objects, namespace_of_engines) is not None, "the kind")
        thread.start()
        yield objects
    finally:
        over.set()
        if thread.is_alive():
            thread.join()
        kinds.delete_custom_resource_definition(f"{PLURAL}.{GROUP}")


def all_of(objects: Any, namespace: Namespace) -> list[Any] | None:
    """The objects of the kind; None if the API server does not know the kind yet."""
    try:
        found = objects.list_namespaced_custom_object(GROUP, VERSION, namespace.name, PLURAL)
    except ApiException as error:
        if error.status == 404:
            return None
        raise
    items: list[Any] = found["items"]
    return items


def operate(objects: Any, namespace: Namespace, over: threading.Event) -> None:
    """Make the head pod and the Service of each object, and say in its status when they answer."""
    made = set()
    while not over.wait(1):
        for found in all_of(objects, namespace) or ():
            name = found["metadata"]["name"]
            if name not in made:
                made.add(name)
                make_head(namespace, found)
            seen = namespace.pods.has_seen(name)
            conditions = (seen and namespace.pods.last(name).status.conditions) or ()
            if any(each.type == "Ready" and each.status == "True" for each in conditions):
                status = {"state": "ready", "head": {"serviceName": name}}
                objects.patch_namespaced_custom_object_status(
                    GROUP, VERSION, namespace.name, PLURAL, name, {"status": status}
                )


def make_head(namespace: Namespace, found: dict[str, Any]) -> None:
    """Make a pod of an object's template, and the Service of this pod. Both end with the object."""
    name = found["metadata"]["name"]
    owner = {
        "apiVersion": found["apiVersion"],
        "kind": found["kind"],
        "name": name,
        "uid": found["metadata"]["uid"],
    }
    metadata = {"name": name, "labels": {"e2e-head": name}, "ownerReferences": [owner]}
    pod_spec = found["spec"]["headGroupSpec"]["template"]["spec"]
    probe = {"tcpSocket": {"port": 10001}}
    pod_spec["containers"][0].update(command=COMMAND.split(), readinessProbe=probe)
    service = {"clusterIP": "None", "selector": {"e2e-head": name}, "ports": [{"port": 10001}]}
    namespace.core.create_namespaced_service(
        namespace.name, {"metadata": metadata, "spec": service}
    )
    namespace.core.create_namespaced_pod(namespace.name, {"metadata": metadata, "spec": pod_spec})


def test_nodes_find_the_cluster_that_an_operator_makes_and_it_is_deleted_with_its_object(
    engines: Airflow, resolver: dict[str, Any], ray_clusters: Any
) -> None:
    namespace, dag_id = engines.namespace, "try_ray_alone"
    container = {
        "name": "head",
        "image": engines.image,
        "imagePullPolicy": "IfNotPresent",
        "env": [
            {"name": "GRPC_ENABLE_FORK_SUPPORT", "value": "false"},
            {"name": "PYTHONPATH", "value": f"{engines.home}/src"},
        ],
    }
    cluster = {
        "type": "manifest",
        "objects": [
            {
                "apiVersion": f"{GROUP}/{VERSION}",
                "kind": KIND,
                "metadata": {"name": "$(CLUSTER)"},
                "spec": {"headGroupSpec": {"template": {"spec": {"containers": [container]}}}},
            }
        ],
        "ready": {"field": "status.state=ready"},
        "env": {"RAY_ADDRESS": f"ray://$({KIND}.status.head.serviceName):10001"},
    }

    done = engines.run(dag_id, **resolver, clusters={"ray": cluster}).succeeded()

    assert "RAY True" in engines.log(dag_id, done.run_id, "with_ray")
    created = engines.log(dag_id, done.run_id, "create_cluster_ray")
    assert "The cluster answers after" in created
    assert all_of(ray_clusters, namespace) == []
    services = namespace.core.list_namespaced_service
    wait_until(lambda: not services(namespace.name).items, "no Services")
