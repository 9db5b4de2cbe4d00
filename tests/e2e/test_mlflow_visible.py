"""Nodes that share a pod and have a task each log to one MLflow run, whose status is the truth."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.coffee import Coffee, coffee_in
from tests.support.airflow_environments import AIRFLOW_PYTHONS
from tests.support.mlflow_servers import mlflow_server, needs_mlflow
from tests.support.waiting import wait_until

pytestmark = needs_mlflow


@pytest.fixture(scope="module", params=AIRFLOW_PYTHONS)
def coffee(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Coffee]:
    """The example in the sandbox, on each Airflow, with an MLflow server."""
    folder = tmp_path_factory.mktemp("coffee")
    with (
        mlflow_server(folder / "mlflow") as server,
        coffee_in(request.param, folder, server) as found,
    ):
        yield found


def clear(coffee: Coffee, run_id: str, task_id: str) -> None:
    """Let a task and all that follows it run again, to the end of the run."""
    before = coffee.mlflow_run(run_id).end_time or 0
    coffee.clear("chain", run_id, task_id, downstream=True)
    # A busy Airflow 2.11 may show the end of before for a moment.
    wait_until(lambda: (coffee.mlflow_run(run_id).end_time or 0) > before, "another end in MLflow")
    coffee.wait_for_end("chain", run_id)


def test_all_nodes_of_a_pod_log_to_one_run_and_it_is_finished(coffee: Coffee) -> None:
    done = coffee.run_once("sales", env="visible")
    assert done.code == 0, done.text

    found = coffee.mlflow_run(done.run_id)
    assert found.status == "FINISHED"
    assert found.params.keys() == {"days", "seed", "line", "average"}
    assert found.metrics.keys() == {"line_error", "average_error"}
    states = coffee.states("sales", done.run_id)
    assert {*states.values()} == {"success"}
    assert {"sales.pod", "sales.observe", "sales.choose"} <= states.keys()


def test_a_failed_node_makes_the_run_failed_and_when_it_is_cleared_alone_it_logs_to_the_same_run(
    coffee: Coffee,
) -> None:
    coffee.gate.unlink(missing_ok=True)
    done = coffee.run_once("chain", env="visible")
    assert done.code == 1, done.text
    coffee.wait_for_end("chain", done.run_id)

    failed = coffee.mlflow_run(done.run_id)
    assert (failed.status, failed.metrics) == ("FAILED", {"first_error": 2})
    states = coffee.states("chain", done.run_id)
    assert states["chain.guess"] == "success"
    assert states["chain.check"] == "failed"
    assert states["chain.settle"] == "upstream_failed"

    coffee.gate.touch()
    clear(coffee, done.run_id, "chain.check")

    states = coffee.states("chain", done.run_id)
    assert (states["chain.check"], states["chain.settle"]) == ("success", "success")
    again = coffee.mlflow_run(done.run_id)
    assert (again.id, again.status) == (failed.id, "FAILED")
    assert again.metrics == {"first_error": 2, "second_error": 1, "third_error": 0.5}

    # The task of the pod has failed, and so has the run, until it is cleared, too.
    clear(coffee, done.run_id, "chain.pod")

    assert {*coffee.states("chain", done.run_id).values()} == {"success"}
    whole = coffee.mlflow_run(done.run_id)
    assert (whole.id, whole.status, whole.metrics) == (failed.id, "FINISHED", again.metrics)
