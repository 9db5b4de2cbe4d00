"""A DAG run is one MLflow run, with the truth in its status, on real Airflow and real MLflow."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from kedro_airflow_k8s.airflow_api import RunState
from tests.airflow.airflow_api.fault_proxy import Fault, FaultProxy
from tests.e2e.coffee import EXPERIMENT, Coffee, Done, coffee_in
from tests.support.airflow_environments import AIRFLOW_PYTHONS
from tests.support.mlflow_servers import MlflowServer, mlflow_server, needs_mlflow
from tests.support.storage_servers import free_port
from tests.support.waiting import wait_until

pytestmark = needs_mlflow

FOR_EVER = 10**9


@pytest.fixture(scope="module", params=AIRFLOW_PYTHONS)
def coffee(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Coffee]:
    """The example in the sandbox, on each Airflow, with an MLflow server that no one has used."""
    folder = tmp_path_factory.mktemp("coffee")
    with (
        mlflow_server(folder / "mlflow") as server,
        coffee_in(request.param, folder, server) as found,
    ):
        yield found


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MlflowServer]:
    """A server that requires a name and a password."""
    with mlflow_server(tmp_path_factory.mktemp("locked"), basic_auth=True) as server:
        yield server


@pytest.fixture(scope="module")
def deleted(coffee: Coffee) -> str:
    """The id of the experiment, which someone has deleted."""
    if EXPERIMENT not in coffee.mlflow.experiments():
        coffee.mlflow.create_experiment(EXPERIMENT)
    experiment_id = str(coffee.mlflow.experiment(EXPERIMENT)["experiment_id"])
    coffee.mlflow.delete_experiment(experiment_id)
    return experiment_id


@pytest.fixture(scope="module")
def finished(coffee: Coffee, deleted: str) -> Done:
    """A run of the example as it is, that went well, with the experiment deleted before it."""
    done = coffee.run_once()
    assert done.code == 0, done.text
    return done


def test_two_runs_at_one_moment_on_a_fresh_server_share_the_experiment_only(
    coffee: Coffee, tmp_path: Path
) -> None:
    with mlflow_server(tmp_path / "mlflow") as fresh, ThreadPoolExecutor() as pool:
        both = list(
            pool.map(
                lambda name: coffee.run_once("quick", name=name, mlflow=fresh.url), ("one", "other")
            )
        )
        for done in both:
            assert done.code == 0, done.text
            found = coffee.mlflow_run(done.run_id, fresh)
            assert found.status == "FINISHED"
            assert found.name == f"{done.dag_id} {done.run_id}"
            assert found.metrics == {"quick_error": 2}
        assert {done.dag_id for done in both} == {"one", "other"}
        assert sorted(fresh.experiments()) == [EXPERIMENT, "Default"]


@pytest.mark.core_once
def test_all_pods_log_to_one_run_and_it_is_finished(coffee: Coffee, finished: Done) -> None:
    found = coffee.mlflow_run(finished.run_id)
    assert found.status == "FINISHED"
    # Of three pods.
    assert found.params == {
        "days": "200",
        "seed": "7",
        "line": "{'proportional': False}",
        "average": "{'days': 30}",
    }
    assert set(found.metrics) == {"line_error", "average_error"}
    assert found.metrics["line_error"] < found.metrics["average_error"]
    assert found.tags["airflow.dag_id"] == "coffee"
    assert found.tags["airflow.url"] == coffee.client.run_url("coffee", finished.run_id)
    assert found.tags["kedro.image"] == "registry.example.com/coffee:1.0"
    artifacts = coffee.mlflow.call("GET", "artifacts/list", run_id=found.id)
    assert [file["path"] for file in artifacts["files"]] == ["chosen.json"]
    assert {*coffee.states("coffee", finished.run_id).values()} == {"success"}


def test_a_deleted_experiment_is_restored(coffee: Coffee, deleted: str, finished: Done) -> None:
    found = coffee.mlflow.experiment(EXPERIMENT)
    assert (found["experiment_id"], found["lifecycle_stage"]) == (deleted, "active")
    assert coffee.mlflow_run(finished.run_id).experiment_id == deleted


def test_a_start_that_is_cleared_uses_its_run_again_and_its_end_follows(
    coffee: Coffee,
) -> None:
    # A run of its own: Airflow 3 runs a cleared task by the newest version of its DAG.
    finished = coffee.run_once()
    assert finished.code == 0, finished.text
    coffee.wait_for_end("coffee", finished.run_id)
    before = coffee.mlflow_run(finished.run_id)

    coffee.clear("coffee", finished.run_id, "start_mlflow_run")
    # A busy Airflow 2.11 may show the end of before for a moment.
    wait_until(
        lambda: (coffee.mlflow_run(finished.run_id).end_time or 0) > (before.end_time or 0),
        "another end of the MLflow run",
    )
    coffee.wait_for_end("coffee", finished.run_id)

    attempts = coffee.client.task_states("coffee", finished.run_id)
    assert attempts["start_mlflow_run"].attempt > 1
    after = coffee.mlflow_run(finished.run_id)
    assert (after.id, after.status) == (before.id, "FINISHED")
    assert (after.params, after.metrics) == (before.params, before.metrics)


def test_a_node_that_fails_makes_the_run_failed_though_another_ends_later_and_well(
    coffee: Coffee,
) -> None:
    done = coffee.run_once("parallel")
    assert done.code == 1, done.text
    assert "no coffee today" in done.text

    found = coffee.mlflow_run(done.run_id)
    assert found.status == "FAILED"
    assert found.metrics == {"late_error": 1.5}
    states = coffee.states("parallel", done.run_id)
    assert states["end_later"] == "success"
    assert states["all_succeeded"] == "upstream_failed"


@pytest.mark.parametrize("how", ["in Airflow", "by Ctrl-C"])
def test_a_run_that_someone_ends_is_killed_in_mlflow_too(coffee: Coffee, how: str) -> None:
    with coffee.held("--cancel-on-interrupt") as (running, run_id):
        if how == "by Ctrl-C":
            running.interrupt()
            done = running.end()
            assert done.code == 130, done.text
            assert f"run {run_id} was marked as failed" in done.text
        else:
            coffee.client.fail_run(running.dag_id, run_id)
    coffee.wait_for_end(running.dag_id, run_id)

    found = coffee.mlflow_run(run_id)
    assert found.status == "KILLED"
    assert found.params == {"days": "200"}


def test_with_the_server_down_at_the_start_the_run_fails_before_anything_is_made(
    coffee: Coffee,
) -> None:
    unused = f"http://127.0.0.1:{free_port()}"

    done = coffee.run_once(mlflow=unused)

    assert done.code == 1, done.text
    assert "Error: start_mlflow_run failed: " in done.text
    assert f"MLflow at {unused} did not answer: " in done.text
    assert (
        "Check that it is running and that Airflow's workers can reach it at this address."
        in done.text
    )
    states = coffee.states("coffee", done.run_id)
    assert states.pop("start_mlflow_run") == "failed"
    # There is no volume, and no pod.
    assert {"create_volume", "delete_volume", "observe"} <= states.keys()
    assert {*states.values()} == {"upstream_failed"}


def test_with_the_server_down_at_the_end_the_run_is_a_success_whose_last_task_failed(
    coffee: Coffee,
) -> None:
    with FaultProxy(coffee.mlflow.url) as proxy:
        with coffee.held(mlflow=proxy.url) as (running, run_id):
            down = Fault("reset", times=FOR_EVER)
            proxy.faults.append(down)
            coffee.gate.touch()
            done = running.end()
        coffee.wait_for_end(done.dag_id, run_id)

        assert done.code == 0, done.text
        assert "end_mlflow_run failed" in done.text
        assert coffee.client.run(done.dag_id, run_id).state is RunState.SUCCESS
        states = coffee.states(done.dag_id, run_id)
        assert states == {
            "start_mlflow_run": "success",
            "hold": "success",
            "all_succeeded": "success",
            "end_mlflow_run": "failed",
        }
        assert coffee.mlflow_run(run_id).status == "RUNNING"

        # When the server is back, someone clears the task.
        proxy.faults.remove(down)
        coffee.clear(done.dag_id, run_id, "end_mlflow_run")
        coffee.wait_for_end(done.dag_id, run_id)
        assert coffee.mlflow_run(run_id).status == "FINISHED"


def test_a_server_that_wants_credentials_gets_them_from_airflow_and_from_a_secret(
    coffee: Coffee, locked: MlflowServer
) -> None:
    done = coffee.run_once("quick", env="login", mlflow=locked.url)

    assert done.code == 0, done.text
    found = coffee.mlflow_run(done.run_id, locked)
    assert (found.status, found.metrics) == ("FINISHED", {"quick_error": 2})


def test_without_credentials_the_run_fails_and_says_where_they_belong(
    coffee: Coffee, locked: MlflowServer
) -> None:
    done = coffee.run_once("quick", mlflow=locked.url)

    assert done.code == 1, done.text
    assert f"MLflow at {locked.url} answered 401: You are not authenticated" in done.text
    assert "Set run_config.mlflow.authentication to an account with this permission." in done.text
    assert coffee.states(done.dag_id, done.run_id)["guess"] == "upstream_failed"
