"""Checks of pods: what they find, and what they let pass."""

from __future__ import annotations

from typing import Any

from kedro_airflow_k8s.checks.findings import Finding
from kedro_airflow_k8s.checks.pods import check_pods
from tests.support.checked import check, node, stored
from tests.support.strategies import config_of

GPU = {"gpu": {"image": "registry.example.com/gpu:1.0"}}
NODES = [
    node("clean", "orders", "clean_orders"),
    node("train", "clean_orders", "model", "resources.gpu"),
    node("report", "model", "text"),
]
STORED = stored(orders="s3://b/orders.csv", text="s3://b/text.pkl")


def other_images(resources: dict[str, Any], **catalog: str) -> list[Finding]:
    found = check(NODES, {**STORED, **stored(**catalog)}, resources=resources)
    return [finding for finding in found if finding.code == "other-image"]


def found_in(**run: Any) -> list[Finding]:
    return list(check_pods(config_of(run).run_config))


def test_a_pickle_that_crosses_images_is_named_with_its_nodes_and_images() -> None:
    first, second = other_images(GPU)
    assert first.where == "dataset 'clean_orders'"
    assert first.problem == (
        "It is a pickle that passes from the image 'registry.example.com/shop:1.0' to"
        " 'registry.example.com/gpu:1.0'. Node 'clean' makes it, and node 'train' reads it."
    )
    assert second.where == "dataset 'model'"


def test_a_file_that_is_not_a_pickle_may_cross_images() -> None:
    csv = {"type": "pandas.CSVDataset", "filepath": "s3://b/c.csv"}
    found = check(NODES, {**STORED, "clean_orders": csv, "model": csv}, resources=GPU)
    assert [finding for finding in found if finding.code == "other-image"] == []


def test_with_one_image_nothing_crosses() -> None:
    assert other_images({"gpu": {"limits": {"nvidia.com/gpu": 1}}}) == []


def test_a_path_of_the_machine_is_an_error_wherever_it_is_written() -> None:
    volume = {"disk": {"host_path": "/mnt/disk", "mount_path": "/disk"}}
    raw = {"spec": {"volumes": [{"name": "raw", "hostPath": {"path": "/raw"}}]}}

    (one,) = found_in(volumes=volume, resources={"big": {"retries": 1}})
    assert (one.code, one.severity, one.subjects) == ("host-path", "error", ("disk",))
    assert one.where == "run_config: volume 'disk'"
    (two,) = found_in(resources={"big": {"pod": raw}})
    assert two.where == "run_config.resources.big: volume 'raw'"
    assert "the path /raw of the machine" in two.problem


def test_shared_memory_above_the_memory_limit_is_doubtful() -> None:
    (found,) = found_in(shared_memory="2Gi", resources={"big": {"limits": {"memory": "1Gi"}}})
    assert (found.code, found.where) == ("shared-memory", "run_config.resources.big")
    assert found.problem == "shared_memory is 2Gi, and the memory limit is 1Gi."
    assert found_in(shared_memory="2Gi", limits={"memory": "4Gi"}) == []
