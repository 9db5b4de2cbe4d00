"""The MLflow run of a DAG run, started and ended by real Airflow on a real MLflow server."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from tests.airflow.airflow_api.fault_proxy import FaultProxy
from tests.airflow.airflow_api.web_server import Request
from tests.airflow.dag.operators.airflow_process import AirflowWorker, OperatorFailed
from tests.airflow.dag.operators.mlflow_operators import (
    OTHER_RUN,
    RUN,
    TAGS,
    Operators,
    new_experiment,
)
from tests.support.mlflow_servers import MlflowServer, needs_mlflow

pytestmark = needs_mlflow

HOSTILE_NAMES = [
    'it\'s "quoted" `so` and so',
    "/team/a b/../c?d=e&f#g%2F",
    "żółć 実験 😀",
    "{{ ds }} ${oc.env:HOME} $(HOME) %s {0}",
    "x' OR name != 'x",
    "n" * 500,
]


@pytest.fixture(name="operators")
def _operators(airflow: AirflowWorker, mlflow_server: MlflowServer) -> Operators:
    return Operators(airflow, mlflow_server.url)


def test_an_experiment_is_created_with_its_settings_if_there_is_none(
    operators: Operators, mlflow_server: MlflowServer, tmp_path: Path
) -> None:
    name = new_experiment()
    settings = {"artifact_location": f"file://{tmp_path}", "tags": [{"key": "k", "value": "v"}]}

    run_id, _ = operators.start(name, experiment_settings=settings)

    made = mlflow_server.experiment(name)
    assert made["artifact_location"] == f"file://{tmp_path}"
    assert made["tags"] == [{"key": "k", "value": "v"}]
    assert mlflow_server.run(run_id).experiment_id == made["experiment_id"]


def test_an_experiment_that_is_there_is_used_as_it_is(
    operators: Operators, mlflow_server: MlflowServer
) -> None:
    name = new_experiment()
    experiment_id = mlflow_server.create_experiment(name)
    location = mlflow_server.experiment(name)["artifact_location"]

    run_id, _ = operators.start(name, experiment_settings={"artifact_location": "file:///other"})

    assert mlflow_server.run(run_id).experiment_id == experiment_id
    assert mlflow_server.experiment(name)["artifact_location"] == location


def test_a_deleted_experiment_is_restored(
    operators: Operators, mlflow_server: MlflowServer
) -> None:
    name = new_experiment()
    experiment_id = mlflow_server.create_experiment(name)
    mlflow_server.delete_experiment(experiment_id)

    run_id, _ = operators.start(name)

    assert mlflow_server.experiment(name)["lifecycle_stage"] == "active"
    assert mlflow_server.run(run_id).experiment_id == experiment_id


def test_a_deleted_experiment_that_must_stay_so_is_said_and_left_alone(
    operators: Operators, mlflow_server: MlflowServer
) -> None:
    name = new_experiment()
    mlflow_server.delete_experiment(mlflow_server.create_experiment(name))

    with pytest.raises(OperatorFailed) as failure:
        operators.start(name, restore_experiment=False)

    assert failure.value.message == (
        f"Experiment {name!r} is deleted in MLflow, and mlflow.yml says not to restore it"
        " (restore_if_deleted). Restore or rename it."
    )
    assert mlflow_server.experiment(name)["lifecycle_stage"] == "deleted"


@pytest.mark.parametrize("name", HOSTILE_NAMES, ids=range(len(HOSTILE_NAMES)))
def test_an_experiment_may_have_any_name_that_mlflow_takes(
    operators: Operators, mlflow_server: MlflowServer, name: str
) -> None:
    first, _ = operators.start(name)
    again, _ = operators.start(name)

    assert first == again
    assert mlflow_server.run(first).experiment_id == mlflow_server.experiment(name)["experiment_id"]


def test_a_name_that_mlflow_refuses_is_said_in_its_words_and_tried_once(
    operators: Operators,
) -> None:
    with pytest.raises(OperatorFailed, match="exceeds the maximum length of 500") as failure:
        operators.start("n" * 501)

    assert f"MLflow at {operators.uri} answered 400 INVALID_PARAMETER_VALUE" in str(failure.value)
    assert failure.value.log == []


class Meeting(FaultProxy):
    """Holds the first answers to a kind of request back until so many have been asked for."""

    def __init__(self, target: str, path: str, parties: int) -> None:
        super().__init__(target)
        self._path = path
        self._left = parties
        self._lock = threading.Lock()
        self._barrier = threading.Barrier(parties, timeout=60)

    def handle(self, request: Request, handler: BaseHTTPRequestHandler) -> None:
        with self._lock:
            waits = self._path in request.path and self._left > 0
            self._left -= waits
        if not waits:
            super().handle(request, handler)
            return
        reply = self._pass_on(request)
        self._barrier.wait()
        self.statuses.append(reply.status)
        self.write(reply, handler)


def test_runs_that_start_at_the_same_moment_share_one_new_experiment(
    airflow: AirflowWorker, mlflow_server: MlflowServer
) -> None:
    name = new_experiment()
    runs = [("letters", f"manual__{number}") for number in range(4)]
    with Meeting(mlflow_server.url, "experiments/get-by-name", len(runs)) as meeting:
        ids = _start_at_once(airflow, meeting, name, runs)

    # None of them had found it.
    assert meeting.statuses[: len(runs)] == [404] * len(runs)
    assert mlflow_server.experiments().count(name) == 1
    assert len(set(ids)) == len(runs)
    found = mlflow_server.runs(name)
    assert {run.id for run in found} == set(ids)
    assert {run.tags["airflow.run_id"] for run in found} == {run_id for _, run_id in runs}


def test_runs_that_start_at_the_same_moment_restore_a_deleted_experiment_together(
    airflow: AirflowWorker, mlflow_server: MlflowServer
) -> None:
    name = new_experiment()
    mlflow_server.delete_experiment(mlflow_server.create_experiment(name))
    with Meeting(mlflow_server.url, "experiments/get-by-name", 2) as meeting:
        ids = _start_at_once(airflow, meeting, name, [RUN, OTHER_RUN])

    assert {run.id for run in mlflow_server.runs(name)} == set(ids)
    assert len(set(ids)) == 2


def _start_at_once(
    airflow: AirflowWorker, proxy: FaultProxy, name: str, runs: list[tuple[str, str]]
) -> list[str]:
    arguments = {"tracking_uri": proxy.url, "run_name": "r", "experiment": name, "tags": TAGS}
    found: list[str] = airflow.call("start_at_once", arguments, runs)
    return found


def test_the_run_says_where_it_comes_from(
    operators: Operators, mlflow_server: MlflowServer
) -> None:
    name = new_experiment()
    run_id, log = operators.start(name, context={"logical_date": "2026-01-01T06:00:00+00:00"})

    run = mlflow_server.run(run_id)
    url = "https://airflow.example.com/dags/letters/runs/manual__1"
    assert (run.status, run.name, run.end_time) == ("RUNNING", "letters 1", None)
    assert {key: run.tags[key] for key in (*TAGS, *(k for k in run.tags if "airflow." in k))} == {
        **TAGS,
        "airflow.dag_id": RUN[0],
        "airflow.run_id": RUN[1],
        "airflow.logical_date": "2026-01-01T06:00:00+00:00",
        "airflow.url": url,
    }
    assert f"({url})" in run.tags["mlflow.note.content"]
    (said,) = log
    page = f"{operators.uri}/#/experiments/{run.experiment_id}/runs/{run_id}"
    assert said == f"Started MLflow run {run_id} in experiment {name!r}: {page}"


def test_a_run_without_a_logical_date_has_no_tag_for_it(
    operators: Operators, mlflow_server: MlflowServer
) -> None:
    run_id, _ = operators.start(new_experiment(), context={"logical_date": None})

    assert "airflow.logical_date" not in mlflow_server.run(run_id).tags


@pytest.mark.parametrize(
    ("page", "link"),
    [
        (
            "http://localhost:8080/dags/a/runs/r%2Ftasks%2F1/tasks/start_mlflow_run?try_number=2",
            "http://localhost:8080/dags/a/runs/r%2Ftasks%2F1",
        ),
        (
            "https://a.example.com/x/dags/a/grid?dag_run_id=r%26b&task_id=s&base_date=1&tab=logs",
            "https://a.example.com/x/dags/a/grid?dag_run_id=r%26b",
        ),
    ],
    ids=["airflow3", "airflow2"],
)
def test_the_link_is_that_of_the_airflow_run(
    operators: Operators, mlflow_server: MlflowServer, page: str, link: str
) -> None:
    run_id, _ = operators.start(new_experiment(), context={"url": page})

    assert mlflow_server.run(run_id).tags["airflow.url"] == link


def test_another_try_takes_the_same_run_up_again(
    operators: Operators, mlflow_server: MlflowServer
) -> None:
    name = new_experiment()
    first, _ = operators.start(name)
    operators.end(first, "upstream_failed")

    again, log = operators.start(name, run_name="renamed")

    assert again == first
    assert log == [f"MLflow run {first} exists: used again."]
    run = mlflow_server.run(first)
    assert (run.status, run.name) == ("RUNNING", "renamed")
    assert len(mlflow_server.runs(name)) == 1


@pytest.mark.parametrize(
    ("other", "page"),
    [
        (OTHER_RUN, ""),
        (("numbers", RUN[1]), ""),
        (RUN, "https://another.example.com/dags/letters/runs/manual__1/tasks/start_mlflow_run"),
    ],
    ids=["another run", "another DAG", "another Airflow"],
)
def test_each_dag_run_has_a_run_of_its_own(
    operators: Operators, other: tuple[str, str], page: str
) -> None:
    name = new_experiment()
    first, _ = operators.start(name)

    second, _ = operators.start(
        name, other, context={"url": page or f"https://airflow.example.com/{other}/tasks/start"}
    )

    assert second != first


@pytest.mark.parametrize(
    "run_id", ['it\'s "r"', "a' OR tags.x = '", "a/b `c` %27", "ż😀", "r" * 250]
)
def test_a_run_id_may_be_any_text(
    operators: Operators, mlflow_server: MlflowServer, run_id: str
) -> None:
    name = new_experiment()
    started = [operators.start(name, ("letters", run_id))[0] for _ in range(2)]

    assert len(set(started)) == 1
    assert mlflow_server.run(started[0]).tags["airflow.run_id"] == run_id


def test_a_name_too_long_for_mlflows_databases_is_cut(
    operators: Operators, mlflow_server: MlflowServer
) -> None:
    run_id, _ = operators.start(new_experiment(), run_name="n" * 501)
    assert mlflow_server.run(run_id).name == "n" * 250

    operators.end(run_id, run_name="m" * 501)
    assert mlflow_server.run(run_id).name == "m" * 250


def test_a_run_that_somebody_deleted_is_not_taken_up_again(
    operators: Operators, mlflow_server: MlflowServer
) -> None:
    name = new_experiment()
    first, _ = operators.start(name)
    mlflow_server.delete_run(first)

    second, _ = operators.start(name)

    assert second != first
    assert mlflow_server.run(second).status == "RUNNING"


@pytest.mark.parametrize(
    ("state", "status"),
    [
        ("success", "FINISHED"),
        ("upstream_failed", "FAILED"),
        ("failed", "KILLED"),
        ("skipped", "KILLED"),
        ("removed", "FAILED"),
    ],
)
@pytest.mark.parametrize("written", ["RUNNING", "FINISHED", "FAILED", "KILLED"])
def test_the_run_ends_as_the_dag_run_does_whatever_pods_have_written(
    operators: Operators, mlflow_server: MlflowServer, state: str, status: str, written: str
) -> None:
    name = new_experiment()
    run_id, _ = operators.start(name)
    mlflow_server.call(
        "POST", "runs/update", run_id=run_id, status=written, end_time=1, run_name="of a pod"
    )

    value, log = operators.end(run_id, state)

    run = mlflow_server.run(run_id)
    assert (value, run.status, run.name) == (status, status, "letters 1")
    assert run.end_time is not None
    assert run.end_time > 1
    assert log == [f"MLflow run {run_id} is {status}."]


@pytest.mark.parametrize(
    ("tasks", "status"),
    [
        ({"clean": "success", "ns.train": "success"}, "FINISHED"),
        # A task that was cleared without those behind it, and then failed.
        ({"clean": "failed", "ns.train": "success"}, "FAILED"),
        ({"clean": "success", "ns.train": None}, "FAILED"),
    ],
)
def test_a_run_is_finished_only_if_every_task_succeeded(
    operators: Operators, mlflow_server: MlflowServer, tasks: dict[str, Any], status: str
) -> None:
    run_id, _ = operators.start(new_experiment())

    assert operators.end(run_id, tasks=tasks)[0] == status
    assert mlflow_server.run(run_id).status == status


def test_a_witness_without_a_state_is_no_success(
    operators: Operators, mlflow_server: MlflowServer
) -> None:
    run_id, _ = operators.start(new_experiment())

    assert operators.end(run_id, witness="nobody")[0] == "FAILED"


def test_a_run_can_be_ended_twice(operators: Operators, mlflow_server: MlflowServer) -> None:
    run_id, _ = operators.start(new_experiment())
    for _ in range(2):
        assert operators.end(run_id)[0] == "FINISHED"

    assert mlflow_server.run(run_id).status == "FINISHED"


def _delete(server: MlflowServer, run_id: str) -> str:
    server.delete_run(run_id)
    return "must be in the 'active' state"


def _forget(server: MlflowServer, run_id: str) -> str:
    return "not found"


@pytest.mark.parametrize("lose", [_delete, _forget])
def test_the_end_of_a_run_that_is_gone_fails_in_mlflows_words(
    operators: Operators, mlflow_server: MlflowServer, lose: Any
) -> None:
    run_id, _ = operators.start(new_experiment())
    words = lose(mlflow_server, run_id)

    with pytest.raises(OperatorFailed, match=words) as failure:
        operators.end(run_id if lose is _delete else "0" * 32)

    assert failure.value.kind == "MlflowRefusal"
    assert failure.value.log == []
