"""The MLflow run of a DAG run, started and ended by real Airflow on a real MLflow server."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from tests.airflow.airflow_api.fault_proxy import Fault, FaultProxy
from tests.airflow.airflow_api.web_server import Reply, Request
from tests.airflow.dag.operators.airflow_process import AirflowWorker, OperatorFailed
from tests.airflow.dag.operators.mlflow_operators import (
    TASK,
    URL,
    WAITS,
    MlflowTasks,
    new_experiment,
)
from tests.support.mlflow_servers import MlflowServer, needs_mlflow
from tests.support.waiting import WAIT_SECONDS

pytestmark = needs_mlflow

HOSTILE_NAMES = [
    'it\'s "quoted" `so` and so',
    "/team/a b/../c?d=e&f#g%2F",
    "żółć 実験 😀 {{ ds }} ${oc.env:HOME} $(HOME) %s {0}",
    "x' OR name != 'x",
    "n" * 500,
]


@pytest.fixture(name="tasks")
def _tasks(airflow: AirflowWorker, mlflow_server: MlflowServer) -> MlflowTasks:
    return MlflowTasks(airflow, mlflow_server.url)


def test_an_experiment_is_created_with_its_settings_and_later_used_as_it_is(
    tasks: MlflowTasks, mlflow_server: MlflowServer, tmp_path: Path
) -> None:
    name = new_experiment()
    settings = {"artifact_location": f"file://{tmp_path}", "tags": [{"key": "k", "value": "v"}]}

    run_id, _ = tasks.start(name, settings=settings)
    another, _ = tasks.start(name, f"{URL}2{TASK}", settings={"artifact_location": "file:///o"})

    made = mlflow_server.experiment(name)
    assert made["artifact_location"] == f"file://{tmp_path}"
    assert made["tags"] == [{"key": "k", "value": "v"}]
    assert {run.id for run in mlflow_server.runs(name)} == {run_id, another}


def test_a_deleted_experiment_is_restored(tasks: MlflowTasks, mlflow_server: MlflowServer) -> None:
    name = new_experiment()
    experiment_id = mlflow_server.create_experiment(name)
    mlflow_server.delete_experiment(experiment_id)

    run_id, _ = tasks.start(name)

    assert mlflow_server.experiment(name)["lifecycle_stage"] == "active"
    assert mlflow_server.run(run_id).experiment_id == experiment_id


def test_a_deleted_experiment_that_must_stay_deleted_fails_the_run(
    tasks: MlflowTasks, mlflow_server: MlflowServer
) -> None:
    name = new_experiment()
    mlflow_server.delete_experiment(mlflow_server.create_experiment(name))

    with pytest.raises(OperatorFailed, match="must be in the 'active' state"):
        tasks.start(name, server={"restore": False})

    assert mlflow_server.experiment(name)["lifecycle_stage"] == "deleted"


@pytest.mark.parametrize("name", HOSTILE_NAMES, ids=range(len(HOSTILE_NAMES)))
def test_an_experiment_may_have_any_name_that_mlflow_takes(
    tasks: MlflowTasks, mlflow_server: MlflowServer, name: str
) -> None:
    first, _ = tasks.start(name)
    again, _ = tasks.start(name)

    assert first == again
    assert mlflow_server.run(first).experiment_id == mlflow_server.experiment(name)["experiment_id"]


def test_a_refusal_is_in_mlflows_words_and_tried_once(tasks: MlflowTasks) -> None:
    with pytest.raises(OperatorFailed, match="exceeds the maximum length of 500") as failure:
        tasks.start("n" * 501)

    assert failure.value.kind == "AirflowException"
    assert f"MLflow at {tasks.uri} answered 400" in failure.value.message
    assert failure.value.log == []


class Meeting(FaultProxy):
    """Holds the first answers to a kind of request back until so many have been asked for."""

    def __init__(self, target: str, path: str, parties: int) -> None:
        super().__init__(target)
        self._path = path
        self._left = parties
        self._lock = threading.Lock()
        self._barrier = threading.Barrier(parties, timeout=WAIT_SECONDS)

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


@pytest.mark.parametrize("deleted", [False, True])
def test_runs_that_start_at_the_same_moment_share_one_experiment(
    airflow: AirflowWorker, mlflow_server: MlflowServer, deleted: bool
) -> None:
    name = new_experiment()
    if deleted:
        mlflow_server.delete_experiment(mlflow_server.create_experiment(name))
    urls = [f"{URL}{number}{TASK}" for number in range(3)]
    with Meeting(mlflow_server.url, "experiments/get-by-name", len(urls)) as meeting:
        server = MlflowTasks(airflow, meeting.url).server(name)
        ids: list[str] = airflow.call("start_at_once", server, urls)

    # None of them had found it, or all of them had found it deleted.
    assert meeting.statuses[: len(urls)] == [200 if deleted else 404] * len(urls)
    assert mlflow_server.experiments().count(name) == 1
    assert len(set(ids)) == len(urls)
    assert {run.id for run in mlflow_server.runs(name)} == set(ids)


@pytest.mark.core
def test_the_run_has_its_name_and_tags_and_a_link_to_airflow(
    tasks: MlflowTasks, mlflow_server: MlflowServer
) -> None:
    run_id, log = tasks.start(new_experiment())

    run = mlflow_server.run(run_id)
    assert (run.status, run.name, run.end_time) == ("RUNNING", "letters 1", None)
    assert run.tags == {
        "kedro.commit": "abc123",
        "kedro.image": "shop:1",
        "kedro-airflow-k8s.run": URL,
        "airflow.url": URL,
        "mlflow.note.content": f"[Run in Airflow]({URL})",
        "mlflow.runName": "letters 1",
    }
    page = f"{tasks.uri}/#/experiments/{run.experiment_id}/runs/{run_id}"
    assert log == [f"MLflow run: {page}"]


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
    tasks: MlflowTasks, mlflow_server: MlflowServer, page: str, link: str
) -> None:
    name = new_experiment()
    run_id, _ = tasks.start(name, page)

    assert mlflow_server.run(run_id).tags["airflow.url"] == link
    assert tasks.start(name, page.replace("try_number=2", "try_number=3"))[0] == run_id


def test_another_try_takes_the_same_run_up_again(
    tasks: MlflowTasks, mlflow_server: MlflowServer
) -> None:
    name = new_experiment()
    first, _ = tasks.start(name)
    tasks.end(first, "upstream_failed")

    again, _ = tasks.start(name, run_name="renamed")

    assert again == first
    run = mlflow_server.run(first)
    assert (run.status, run.name) == ("RUNNING", "renamed")
    assert len(mlflow_server.runs(name)) == 1


@pytest.mark.parametrize(
    "url", [f"{URL}2", URL.replace("letters", "numbers"), URL.replace("airflow", "another")]
)
def test_each_dag_run_of_each_airflow_has_a_run_of_its_own(tasks: MlflowTasks, url: str) -> None:
    name = new_experiment()

    assert tasks.start(name)[0] != tasks.start(name, url + TASK)[0]


def test_a_run_that_a_user_deleted_is_not_taken_up_again(
    tasks: MlflowTasks, mlflow_server: MlflowServer
) -> None:
    name = new_experiment()
    first, _ = tasks.start(name)
    mlflow_server.delete_run(first)

    second, _ = tasks.start(name)

    assert second != first
    assert mlflow_server.run(second).status == "RUNNING"


@pytest.mark.core
@pytest.mark.parametrize(
    ("all_succeeded", "states", "status"),
    [
        ("success", {"clean": "success", "ns.train": "success"}, "FINISHED"),
        ("upstream_failed", {"clean": "failed"}, "FAILED"),
        # A task that was cleared without those behind it.
        ("success", {"clean": "failed", "ns.train": "success"}, "FAILED"),
        ("success", {"clean": None}, "FAILED"),
        (None, {}, "FAILED"),
        ("failed", {"clean": "failed"}, "KILLED"),
        ("skipped", {"clean": "success"}, "KILLED"),
    ],
)
def test_the_run_ends_as_the_dag_run_does_whatever_pods_have_written(
    tasks: MlflowTasks,
    mlflow_server: MlflowServer,
    all_succeeded: str | None,
    states: dict[str, str | None],
    status: str,
) -> None:
    run_id, _ = tasks.start(new_experiment())
    written = "FAILED" if status == "FINISHED" else "FINISHED"
    mlflow_server.call("POST", "runs/update", run_id=run_id, status=written, end_time=1)

    for _ in range(2):
        assert tasks.end(run_id, all_succeeded, **states)[0] == status

    run = mlflow_server.run(run_id)
    assert run.status == status
    assert run.end_time is not None
    assert run.end_time > 1


@pytest.mark.parametrize(
    ("gone", "words"), [("deleted", "must be in the 'active' state"), ("unknown", "not found")]
)
def test_the_end_of_a_run_that_is_gone_fails_in_mlflows_words(
    tasks: MlflowTasks, mlflow_server: MlflowServer, gone: str, words: str
) -> None:
    run_id, _ = tasks.start(new_experiment())
    mlflow_server.delete_run(run_id)

    with pytest.raises(OperatorFailed, match=words):
        tasks.end(run_id if gone == "deleted" else "0" * 32)


@pytest.fixture(name="proxy")
def _proxy(mlflow_server: MlflowServer) -> Any:
    with FaultProxy(mlflow_server.url) as proxy:
        yield proxy


BUSY = Reply(503, b"come back later", {"Retry-After": "3"})


@pytest.mark.parametrize(
    "fault",
    [
        Fault("answer", reply=BUSY),
        Fault("answer", reply=Reply(500, b"broken"), served=True),
        Fault("reset", served=True),
    ],
    ids=["busy", "500-served", "reset-served"],
)
def test_one_failure_of_each_request_leaves_one_experiment_and_one_run(
    airflow: AirflowWorker, proxy: FaultProxy, mlflow_server: MlflowServer, fault: Fault
) -> None:
    name = new_experiment()
    requests = ["get-by-name", "experiments/create", "runs/search", "runs/create", "runs/update"]
    proxy.faults = [Fault(fault.act, only, 1, fault.served, fault.reply) for only in requests]

    run_id, log = MlflowTasks(airflow, proxy.url).start(name)

    assert [fault.times for fault in proxy.faults] == [0] * len(requests)
    assert [run.id for run in mlflow_server.runs(name)] == [run_id]
    assert mlflow_server.experiments().count(name) == 1
    assert log.count("waits 3 s") == (len(requests) if fault.reply is BUSY else 0)


def test_a_try_that_was_killed_after_a_repeated_creation_leaves_one_run_to_the_next(
    airflow: AirflowWorker, proxy: FaultProxy, mlflow_server: MlflowServer
) -> None:
    tasks, name = MlflowTasks(airflow, proxy.url), new_experiment()
    proxy.faults = [
        Fault("answer", "runs/search", reply=Reply(200, {})),
        Fault("reset", "runs/create", served=True),
        Fault("reset", "runs/search", times=100),
    ]
    with pytest.raises(OperatorFailed):
        tasks.start(name)
    assert len(mlflow_server.runs(name)) == 2
    proxy.faults = []

    run_id, _ = tasks.start(name)

    assert [run.id for run in mlflow_server.runs(name)] == [run_id]


def test_a_server_that_is_down_at_the_end_is_given_up_after_six_tries_in_half_a_minute(
    airflow: AirflowWorker, proxy: FaultProxy, mlflow_server: MlflowServer
) -> None:
    tasks = MlflowTasks(airflow, proxy.url)
    run_id, _ = tasks.start(new_experiment())
    proxy.faults = [Fault("reset", "runs/update", 100)]

    with pytest.raises(OperatorFailed, match="did not answer") as failure:
        tasks.end(run_id)

    assert proxy.seen("runs/update") == 1 + 6
    assert failure.value.log == WAITS
    assert mlflow_server.run(run_id).status == "RUNNING"
    proxy.faults = [Fault("reset", "runs/update", 5, served=True)]
    assert tasks.end(run_id)[0] == "FINISHED"
