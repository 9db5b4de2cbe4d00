"""A running cluster of the sandbox, and a client for it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from kedro_airflow_k8s.sandbox.cluster import LocalCluster, PodImage
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
def cluster(image: PodImage, tmp_path: Path) -> Iterator[LocalCluster]:
    """A running cluster with a Secret."""
    secrets = {(NAMESPACE, "database"): {"PASSWORD": "pa$$word", "user": "eve"}}
    with LocalCluster(image, tmp_path / "cluster", secrets) as running:
        yield running


@pytest.fixture
def client(cluster: LocalCluster, tmp_path: Path) -> Iterator[Client]:
    """The real client, of a cluster that has a ConfigMap as well."""
    api = connect(cluster, tmp_path)
    settings = {"metadata": {"name": "settings"}, "data": {"LEVEL": "debug"}}
    api.create_namespaced_config_map(NAMESPACE, settings)
    yield Client(cluster, api)
    api.api_client.close()
