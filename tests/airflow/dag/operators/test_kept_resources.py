"""The volume of a failed run is kept, reused and, when its time is over, deleted."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

import kubernetes
import pytest

from kedro_airflow_k8s.sandbox.cluster import LocalCluster, PodImage
from tests.airflow.dag.operators.airflow_process import AirflowWorker

DAG, NAMESPACE = "letters", "team"
LATER, EARLIER = "2999-01-01T00:00:00+00:00", "2026-01-01T00:00:00+00:00"
DAY = 86_400
FAILED = {"node": "failed", "after": "upstream_failed"}


def claim(name: str) -> dict[str, Any]:
    """A claim as the DAG has it."""
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {
            "name": name,
            "labels": {"app.kubernetes.io/managed-by": "kedro-airflow-k8s"},
        },
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    }


class Runs:
    """Runs of DAGs, each with a volume of the name of the run."""

    def __init__(self, local: LocalCluster, worker: AirflowWorker) -> None:
        self._worker = worker
        local.write_kubeconfig(worker.kubeconfig)
        self.api = kubernetes.client.CoreV1Api(
            kubernetes.config.new_client_from_config(config_file=str(worker.kubeconfig))
        )

    def start(
        self, run: str, states: dict[str, dict[str, str]] | None = None, dag_id: str = DAG
    ) -> list[str]:
        """Create or reuse the volume of a run; the log."""
        given: dict[str, Any] = {"manifests": [claim(run)], "namespace": NAMESPACE, "keep": DAY}
        return self._worker.execute("resume", (dag_id, run), states=states, **given)[1]

    def taken(
        self, run: str, other: str, states: dict[str, dict[str, str]] | None = None
    ) -> tuple[Any, list[str]]:
        """Start a run of a part that takes data from another: its volume, and the log."""
        given: dict[str, Any] = {"manifests": [claim(run)], "namespace": NAMESPACE, "keep": DAY}
        conf = {"kedro_tasks": ["node"], "kedro_inputs_from": {"run_id": other, "datasets": []}}
        return self._worker.execute("resume", (DAG, run), states=states, conf=conf, **given)

    def end(self, run: str, until: str, dag_id: str = DAG) -> list[str]:
        """Delete the volume of a run, or keep it; the log."""
        given: dict[str, Any] = {"manifests": [claim(run)], "namespace": NAMESPACE, "until": until}
        return self._worker.execute("keep", (dag_id, run), **given)[1]

    def volumes(self) -> dict[str, str]:
        """The ids of all volumes, by name."""
        found = self.api.list_namespaced_persistent_volume_claim(NAMESPACE).items
        return {each.metadata.name: each.metadata.uid for each in found}


@pytest.fixture
def runs(airflow: AirflowWorker, tmp_path: Path) -> Iterator[Runs]:
    """A cluster without volumes."""
    (tmp_path / "image").mkdir()
    image = PodImage(tmp_path / "image", PurePosixPath("/home/kedro"), ())
    with LocalCluster(image, tmp_path / "cluster") as local:
        found = Runs(local, airflow)
        yield found
        found.api.api_client.close()
    airflow.kubeconfig.unlink(missing_ok=True)


@pytest.mark.core
def test_a_failed_run_that_goes_on_has_the_same_volume(runs: Runs) -> None:
    runs.start("one")
    before = runs.volumes()

    log = runs.end("one", LATER)
    again = runs.start("one", {"one": {"node": "success"}})

    assert runs.volumes() == before
    volume = f"PersistentVolumeClaim one in namespace {NAMESPACE}"
    assert log == [f"{volume}: kept until {LATER}."]
    assert again == [f"{volume}: exists."]


def test_a_run_that_has_succeeded_deletes_its_volume(runs: Runs) -> None:
    runs.start("one")

    runs.end("one", "")

    assert runs.volumes() == {}


def test_a_run_whose_tasks_all_run_again_has_a_new_volume(runs: Runs) -> None:
    runs.start("one")
    before = runs.volumes()
    runs.end("one", LATER)

    runs.start("one", {"one": {"node": "None"}})

    assert runs.volumes().keys() == {"one"}
    assert runs.volumes() != before


def test_a_run_that_goes_on_without_its_volume_says_whose_data_is_gone(runs: Runs) -> None:
    log = runs.start("one", {"one": {"node": "success"}})

    volume = f"PersistentVolumeClaim one in namespace {NAMESPACE}"
    assert f"{volume} is gone, with what these tasks have stored there: node." in log
    assert runs.volumes().keys() == {"one"}


def test_a_run_deletes_what_has_expired_of_ended_runs_of_its_dag_and_nothing_else(
    runs: Runs,
) -> None:
    ends = {
        "expired": EARLIER,
        "kept": LATER,
        "resumed": EARLIER,
        "unknown": EARLIER,
    }
    for run, until in ends.items():
        runs.start(run)
        runs.end(run, until)
    runs.start("another", dag_id="another")
    runs.end("another", EARLIER, dag_id="another")
    runs.start("unfinished")
    known = {"expired": FAILED, "kept": FAILED, "another": FAILED, "unfinished": FAILED}

    log = runs.start("new", {**known, "resumed": {"node": "running"}})

    assert runs.volumes().keys() == {
        *("kept", "resumed", "unknown", "another", "unfinished", "new")
    }
    expired = f"PersistentVolumeClaim expired in namespace {NAMESPACE}: expired, deleted."
    assert expired in log


def test_a_run_that_takes_data_gets_the_volume_of_the_other_run_of_its_dag(runs: Runs) -> None:
    runs.start("kept")
    runs.end("kept", LATER)
    runs.start("foreign", dag_id="another")

    assert runs.taken("new", "kept")[0] == "kept"
    found, log = runs.taken("newer", "foreign")
    assert found is None
    assert "The volume of run foreign is gone, with what this run takes of it." in log
    assert {*runs.volumes()} == {"kept", "foreign", "new", "newer"}


def test_a_run_that_goes_on_does_not_take_the_data_again(runs: Runs) -> None:
    runs.start("kept")
    runs.taken("new", "kept")
    runs.end("new", LATER)
    before = runs.volumes()

    found, log = runs.taken("new", "kept", {"new": {"node": "success"}})

    assert found is None
    assert runs.volumes() == before
    assert log == [f"PersistentVolumeClaim new in namespace {NAMESPACE}: exists."]


def test_a_run_whose_own_tasks_have_made_nothing_takes_the_data_again(runs: Runs) -> None:
    runs.start("kept")
    runs.taken("new", "kept")
    runs.end("new", LATER)
    before = runs.volumes()

    assert runs.taken("new", "kept", {"new": {"node": "failed"}})[0] == "kept"
    assert runs.volumes() != before
