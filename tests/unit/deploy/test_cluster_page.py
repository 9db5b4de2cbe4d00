"""What `ui --cluster` says where no cluster is needed for it."""

from __future__ import annotations

import pytest

from kedro_airflow_k8s.config.clusters import ClusterConfig
from kedro_airflow_k8s.config.model import RunConfig
from kedro_airflow_k8s.deploy.cluster_page import show_page
from kedro_airflow_k8s.deploy.kubernetes import Kubectl
from kedro_airflow_k8s.errors import ConfigError

CLUSTERS = {
    "spark": ClusterConfig(type="spark-connect"),
    "shared": ClusterConfig(type="spark-connect", address="sc://spark.example.com:15002"),
    "kuberay": ClusterConfig.model_validate(
        {
            "type": "manifest",
            "objects": [
                {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "$(CLUSTER)"}, "spec": {}}
            ],
        }
    ),
}


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("ray", r"run_config.clusters has no entry 'ray'\. Entries: kuberay, shared, spark\."),
        ("shared", "The page of cluster 'shared' is not known: it is not made by runs"),
        ("kuberay", "The page of cluster 'kuberay' is not known: it is of type manifest"),
    ],
)
def test_a_cluster_without_a_page_is_refused(name: str, message: str) -> None:
    run = RunConfig(image="shop:1.0", clusters=CLUSTERS)

    with pytest.raises(ConfigError, match=message):
        show_page(Kubectl(None, None), run, "shop", name, print)
