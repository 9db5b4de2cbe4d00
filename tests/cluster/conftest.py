"""Airflow and a cluster for the tests of this folder, which only run when someone names it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.cluster import Cluster, Namespace, NoCluster, find_cluster
from tests.cluster.image import NoImage, image_for, project_home
from tests.cluster.project import ClusterProject, make_cluster_project
from tests.cluster.runs import Airflow, running_airflow

_HERE = Path(__file__).parent


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave these tests out where no one has named them: they need a cluster, and minutes."""
    named = (config.invocation_params.dir / name.partition("::")[0] for name in config.args)
    return None if any(path.resolve().is_relative_to(_HERE) for path in named) else True


@pytest.fixture(scope="session")
def cluster() -> Cluster:
    """The cluster of the kubeconfig; where there is none, everything ends with the reason."""
    try:
        return find_cluster()
    except NoCluster as error:
        pytest.exit(str(error), returncode=1)


@pytest.fixture(scope="session")
def namespace(cluster: Cluster) -> Iterator[Namespace]:
    """The part of the cluster that belongs to this session."""
    with cluster.namespace() as namespace:
        yield namespace


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> ClusterProject:
    """The Kedro project."""
    return make_cluster_project(tmp_path_factory.mktemp("cluster") / "spaceflights")


@pytest.fixture(scope="session")
def image(cluster: Cluster, project: ClusterProject) -> str:
    """The project's image, made once; where that cannot be, everything ends with the reason."""
    try:
        return image_for(cluster, project)
    except NoImage as error:
        pytest.exit(str(error), returncode=1)


@pytest.fixture(scope="session")
def airflow_of_session(
    project: ClusterProject, namespace: Namespace, image: str
) -> Iterator[Airflow]:
    """An Airflow for all tests."""
    with running_airflow(project, namespace, image, project_home()) as airflow:
        yield airflow


@pytest.fixture
def airflow(airflow_of_session: Airflow) -> Iterator[Airflow]:
    """The same; after each test, nothing of it is left in the cluster."""
    yield airflow_of_session
    airflow_of_session.namespace.wait_until_empty()
