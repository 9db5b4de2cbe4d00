"""A DAG run is one MLflow run on a real cluster, whose pods log to a real MLflow server."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from kedro_airflow_k8s.airflow_api.records import ENDS
from tests.cluster.cluster import Cluster, Namespace
from tests.cluster.image import NoImage, image_for, project_home
from tests.cluster.mlflow_project import make_mlflow_project
from tests.cluster.project import GATE
from tests.cluster.runs import Airflow, Done, running_airflow
from tests.cluster.way_back import NoWayBack, address_for_pods
from tests.support.mlflow_servers import MLFLOW_PYTHON, MlflowRecord, MlflowServer, mlflow_server
from tests.support.waiting import wait_until

EXPERIMENT = "Coffee"
OPEN_GATE = f"open('{GATE}', 'w').close()"
SEED = 7


@dataclass(frozen=True)
class Coffee:
    """The example on the cluster.

    Attributes:
        airflow: What runs it.
        mlflow: The server that it logs to.
    """

    airflow: Airflow
    mlflow: MlflowServer

    @property
    def settings(self) -> dict[str, Any]:
        """What airflow-k8s.yaml says of the server."""
        uri = self.mlflow.url
        return {"mlflow": {"tracking_uri": uri}, "env_vars": {"KEDRO_CONFIG_MLFLOW_URI": uri}}

    def mlflow_run(self, run_id: str) -> MlflowRecord:
        """What MLflow knows of a DAG run: there is one run of it."""
        runs = self.mlflow.runs(EXPERIMENT)
        (found,) = (run for run in runs if run.tags["airflow.run_id"] == run_id)
        return found

    def wait_for_end(self, done: Done) -> None:
        """Wait until Airflow has ended a run, with all that comes after its nodes."""
        self.airflow.wait_for_end(done)
        wait_until(
            lambda: self.airflow.states(done.dag_id, done.run_id)["end_mlflow_run"] in ENDS,
            f"the end of the MLflow run of {done.run_id}",
        )


@pytest.fixture(scope="module")
def coffee_of_module(
    cluster: Cluster, namespace: Namespace, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Coffee]:
    folder = tmp_path_factory.mktemp("mlflow")
    if not MLFLOW_PYTHON.is_file():
        reason = "MLFLOW_PYTHON names no Python with MLflow: run `make e2e`, which has it."
        pytest.fail(reason, pytrace=False)
    project = make_mlflow_project(folder / "coffee")
    try:
        host = address_for_pods(cluster)
        image = image_for(cluster, project, "-mlflow")
    except (NoWayBack, NoImage) as error:
        pytest.fail(str(error), pytrace=False)
    names = f"{host},{host}:*"
    with (
        mlflow_server(folder / "server", host=host, allowed_hosts=names) as server,
        running_airflow(project, namespace, image, project_home()) as airflow,
    ):
        yield Coffee(airflow, server)


@pytest.fixture
def coffee(coffee_of_module: Coffee) -> Iterator[Coffee]:
    """The same; after each test, nothing of it is left in the cluster."""
    yield coffee_of_module
    coffee_of_module.airflow.namespace.wait_until_empty()


def test_all_pods_log_to_one_run_and_it_is_finished(coffee: Coffee) -> None:
    done = coffee.airflow.run("__default__", **coffee.settings).succeeded()

    found = coffee.mlflow_run(done.run_id)
    assert found.status == "FINISHED"
    assert found.name == f"__default__ {done.run_id}"
    # Of three pods, and of two.
    assert found.params == {
        "days": "200",
        "seed": str(SEED),
        "line": "{'proportional': False}",
        "average": "{'days': 30}",
    }
    assert set(found.metrics) == {"line_error", "average_error"}
    assert len(coffee.airflow.namespace.kedro_pods(done.run_id)) > 3
    artifacts = coffee.mlflow.call("GET", "artifacts/list", run_id=found.id)
    assert [file["path"] for file in artifacts["files"]] == ["chosen.json"]
    assert {*coffee.airflow.states("__default__", done.run_id).values()} == {"success"}


def test_a_node_that_fails_makes_the_run_failed_though_another_ends_later_and_well(
    coffee: Coffee,
) -> None:
    airflow = coffee.airflow
    with airflow.start("try_failure", **coffee.settings) as running:
        pod, _ = running.at_the_gate()
        run_id = str(running.run_id())
        wait_until(
            lambda: airflow.states("try_failure", run_id)["fail"] == "failed", "the other failed"
        )
        airflow.namespace.run_in(pod, OPEN_GATE)
        done = running.end().failed("fail failed: ", "no coffee today")

    assert airflow.states("try_failure", done.run_id)["hold"] == "success"
    found = coffee.mlflow_run(done.run_id)
    assert found.status == "FAILED"
    assert found.metrics == {"late_error": SEED}


@pytest.mark.parametrize("how", ["in Airflow", "by Ctrl-C"])
def test_a_run_that_someone_ends_is_killed_in_mlflow_too(coffee: Coffee, how: str) -> None:
    with coffee.airflow.start("try_hold", "--cancel-on-interrupt", **coffee.settings) as running:
        coffee.airflow.watched_at_the_gate(running)
        if how == "by Ctrl-C":
            running.interrupt()
        else:
            coffee.airflow.client().fail_run("try_hold", str(running.run_id()))
        done = running.end()
    coffee.wait_for_end(done)

    found = coffee.mlflow_run(done.run_id)
    assert found.status == "KILLED"
    assert found.params == {"seed": str(SEED)}
    assert found.metrics == {}
