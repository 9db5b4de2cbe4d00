"""An Airflow whose pods have an image with engines, in a namespace of its own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.cluster.cluster import Cluster, Namespace
from tests.cluster.engines.pipelines import engines_project
from tests.cluster.engines.service_names import resolver_of_pods
from tests.cluster.image import NoImage, image_for, project_home
from tests.cluster.runs import Airflow, running_airflow


@pytest.fixture(scope="package")
def namespace_of_engines(cluster: Cluster) -> Iterator[Namespace]:
    """The part of the cluster for these tests."""
    with cluster.namespace() as namespace:
        yield namespace


@pytest.fixture(scope="package")
def resolver(namespace_of_engines: Namespace) -> Iterator[dict[str, Any]]:
    """The settings with which pods find Services."""
    with resolver_of_pods(namespace_of_engines) as settings:
        yield settings


@pytest.fixture(scope="package")
def airflow_of_engines(
    cluster: Cluster, namespace_of_engines: Namespace, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Airflow]:
    """An Airflow for all of them."""
    project = engines_project(tmp_path_factory.mktemp("engines") / "spaceflights")
    try:
        image = image_for(cluster, project, "-engines")
    except NoImage as error:
        pytest.fail(str(error))
    with running_airflow(project, namespace_of_engines, image, project_home()) as airflow:
        yield airflow


@pytest.fixture
def engines(airflow_of_engines: Airflow) -> Iterator[Airflow]:
    """The same. After each test, nothing is left on the cluster."""
    yield airflow_of_engines
    namespace = airflow_of_engines.namespace
    namespace.wait_until_empty()
    assert not namespace.core.list_namespaced_service(namespace.name).items
