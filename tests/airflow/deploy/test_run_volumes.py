"""Whether the cluster still has the volume of a run, and what is said if it has not."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import kubernetes
import pytest

from kedro_airflow_k8s.deploy.kubernetes import Kubectl
from kedro_airflow_k8s.deploy.run_volumes import RunVolumes
from kedro_airflow_k8s.errors import ClusterError
from kedro_airflow_k8s.sandbox.cluster import LocalCluster, PodImage

CONTEXT = "sandbox"
"""How `LocalCluster` calls its context."""

CLAIM = {
    "metadata": {
        "name": "shop-1",
        "labels": {"app.kubernetes.io/managed-by": "kedro-airflow-k8s"},
        "annotations": {"kedro-airflow-k8s/dag-id": "shop", "kedro-airflow-k8s/run-id": "one"},
    },
    "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
}


@pytest.fixture(name="config")
def _config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The configuration of kubectl, of a cluster with the volume of run `one`."""
    (tmp_path / "image").mkdir()
    image = PodImage(tmp_path / "image", PurePosixPath("/home/kedro"), ())
    path = tmp_path / "kubeconfig"
    monkeypatch.setattr(kubernetes.config.kube_config, "KUBE_CONFIG_DEFAULT_LOCATION", str(path))
    with LocalCluster(image, tmp_path / "cluster") as local:
        local.write_kubeconfig(path)
        with kubernetes.config.new_client_from_config(config_file=str(path)) as client:
            api = kubernetes.client.CoreV1Api(client)
            api.create_namespaced_persistent_volume_claim("team", CLAIM)
        yield path


def loss(run_id: str, kubeconfig: Path | None, context: str | None = None) -> tuple[str, list[str]]:
    """Why the volume of a run is gone, and the warnings."""
    warnings: list[str] = []
    volumes = RunVolumes(Kubectl(kubeconfig, context), "team", warnings.append)
    return volumes.loss("shop", run_id), warnings


def test_a_volume_that_is_there_is_no_loss(config: Path) -> None:
    assert loss("one", config) == ("", [])
    assert loss("one", None) == ("", [])


def test_the_sandbox_knows_for_sure_and_so_does_a_cluster_that_the_user_names(
    config: Path,
) -> None:
    reason = "The cluster has no volume of run two in namespace team: it was deleted."

    assert loss("two", config) == (reason, [])
    assert loss("two", None, CONTEXT) == (reason, [])


def test_kubectls_cluster_may_be_another_one_so_that_is_a_warning(config: Path) -> None:
    found, (warning,) = loss("two", None)

    assert found == ""
    assert warning.startswith("The cluster has no volume of run two in namespace team. It is the")


def test_a_cluster_that_does_not_answer_is_an_error_only_if_the_user_names_it(
    config: Path,
) -> None:
    config.write_text(re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1:1", config.read_text()))

    assert loss("two", None) == ("", [])
    with pytest.raises(ClusterError, match="does not answer"):
        loss("two", None, CONTEXT)


@pytest.mark.parametrize("text", [None, "", "{", "clusters: [", "apiVersion: v1\n"])
def test_without_a_configuration_it_is_unknown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str | None
) -> None:
    place = str(tmp_path / "config")
    if text is not None:
        Path(place).write_text(text)
    monkeypatch.setattr(kubernetes.config.kube_config, "KUBE_CONFIG_DEFAULT_LOCATION", place)

    assert loss("two", None) == ("", [])
