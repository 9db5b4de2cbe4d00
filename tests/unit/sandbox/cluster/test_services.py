"""Services of the sandbox: names that become the addresses of pods."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from kedro_airflow_k8s.sandbox.cluster.discovery import PODS, SERVICES
from kedro_airflow_k8s.sandbox.cluster.services import address_of, names_of, resolved
from kedro_airflow_k8s.sandbox.cluster.store import Store

NAMES = {"shop-spark": "127.1.2.3", "shop-spark-2": "127.4.5.6"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("sc://shop-spark:15002", "sc://127.1.2.3:15002"),
        ("tcp://shop-spark-2:8786", "tcp://127.4.5.6:8786"),
        ("a=shop-spark:1,b=shop-spark:2", "a=127.1.2.3:1,b=127.1.2.3:2"),
        # Other names, and names without a port, are left as they are.
        ("my-shop-spark:1", "my-shop-spark:1"),
        ("shop-spark.example.com:1", "shop-spark.example.com:1"),
        ("shop-spark", "shop-spark"),
        ("shop-spark:latest", "shop-spark:latest"),
    ],
)
def test_a_name_before_a_port_becomes_the_address(text: str, expected: str) -> None:
    assert resolved(text, NAMES) == expected


def item(name: str, **fields: Any) -> dict[str, Any]:
    return {
        "metadata": {"name": name, "namespace": "default", **fields.pop("metadata", {})},
        **fields,
    }


@pytest.mark.skipif(sys.platform != "linux", reason="Elsewhere, all pods have one address.")
def test_only_a_pod_that_a_service_selects_has_an_address_of_its_own() -> None:
    store = Store()
    store.create(SERVICES, item("web", spec={"selector": {"app": "web"}, "ports": []}))
    pods = [
        store.create(PODS, item(name, metadata={"labels": labels}, status={}))
        for name, labels in (("a", {"app": "web", "x": "y"}), ("b", {"app": "web"}), ("c", {}))
    ]

    first, second, other = (address_of(pod, store) for pod in pods)

    assert other == "127.0.0.1"
    assert len({first, second, other}) == 3
    assert all(address.startswith("127.") for address in (first, second))


def test_a_name_leads_to_the_newest_pod_behind_it() -> None:
    store = Store()
    store.create(SERVICES, item("web", spec={"selector": {"app": "web"}, "ports": []}))
    assert names_of(store, "default") == {"web": "127.0.0.1"}
    for name, address in (("old", "127.1.1.1"), ("new", "127.2.2.2")):
        pod = item(name, metadata={"labels": {"app": "web"}}, status={"podIP": address})
        store.create(PODS, pod)

    assert names_of(store, "default") == {"web": "127.2.2.2"}
