"""A running cluster of the sandbox, and a client for it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from kedro_airflow_k8s.sandbox.cluster import ClusterContent, LocalCluster, PodImage
from tests.airflow.sandbox.cluster.cluster_client import HOME, NAMESPACE, Client, connect


@pytest.fixture
def image(tmp_path: Path) -> PodImage:
    """A small project."""
    root = tmp_path / "project"
    (root / "conf").mkdir(parents=True)
    (root / "conf" / "parameters.yml").write_text("a: 1\n")
    (root / "data").mkdir()
    (root / "data" / "raw.csv").write_text("from the image\n")
    return PodImage(root=root, home=HOME, bin_dirs=(Path(sys.executable).parent,))


@pytest.fixture
def content() -> ClusterContent:
    """What is on the cluster from the start."""
    return ClusterContent(
        secrets={(NAMESPACE, "database"): {"PASSWORD": "pa$$word", "user": "eve"}},
        config_maps={(NAMESPACE, "settings"): {"LEVEL": "debug"}},
    )


@pytest.fixture
def cluster(image: PodImage, content: ClusterContent, tmp_path: Path) -> Iterator[LocalCluster]:
    """A running cluster."""
    with LocalCluster(image, tmp_path / "cluster", content) as running:
        yield running


@pytest.fixture
def client(cluster: LocalCluster, tmp_path: Path) -> Iterator[Client]:
    """The real client."""
    api = connect(cluster, tmp_path)
    yield Client(cluster, api)
    api.api_client.close()
