"""What goes wrong between the client and the server: right outcome, one run, no secret told."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Iterator
from datetime import datetime, timezone
from functools import partial

import pytest

from kedro_airflow_k8s.airflow_api import AirflowClient, RunState
from kedro_airflow_k8s.errors import (
    AirflowApiError,
    Conflict,
    NotAirflow,
    NotAuthenticated,
    ServerFailed,
    Unreachable,
)
from tests.airflow.airflow_api.clients import Connector
from tests.airflow.airflow_api.fault_proxy import Fault, FaultProxy
from tests.airflow.airflow_api.small_airflow import PASSWORD, SmallAirflow
from tests.airflow.airflow_api.web_server import Reply, html

TRIGGER = "POST .*/dagRuns$"


@pytest.fixture
def airflow(request: pytest.FixtureRequest) -> SmallAirflow:
    airflow = SmallAirflow(getattr(request, "param", "3.3.2"))
    airflow.add_dag("shop")
    return airflow


both_versions = pytest.mark.parametrize("airflow", ["3.3.2", "2.11.2"], indirect=True)


@pytest.fixture
def proxy(airflow: SmallAirflow) -> Iterator[FaultProxy]:
    with airflow.serve() as server, FaultProxy(server.url) as proxy:
        yield proxy


@pytest.fixture
def client(proxy: FaultProxy) -> AirflowClient:
    return Connector().connect(proxy.url)


SLOW = Fault("hold")
RESET = Fault("reset")
HALF = Fault("half")
FAILING = Fault("answer", times=3, reply=Reply(500, b"Internal Server Error"))
BUSY = Fault("answer", reply=Reply(429, b"", {"Retry-After": "7"}))
DOWN = Fault("answer", times=4, reply=html("<title>503 Service Unavailable</title>", 503))


@both_versions
@pytest.mark.parametrize(
    ("fault", "served"),
    [
        (SLOW, False),
        (RESET, False),
        (RESET, True),
        (HALF, False),
        (FAILING, True),
        (BUSY, False),
        (DOWN, True),
    ],
)
def test_a_fault_that_passes_starts_one_run_and_no_one_notices(
    proxy: FaultProxy, airflow: SmallAirflow, fault: Fault, served: bool
) -> None:
    client = Connector(read=0.2 if fault is SLOW else 30).connect(proxy.url)
    proxy.faults.append(Fault(fault.act, TRIGGER, fault.times, served, fault.reply))

    run = client.trigger("shop", "run-1", {"kedro_params": {"a": "b"}})

    assert (run.run_id, run.state) == ("run-1", RunState.QUEUED)
    assert [(run["dag_run_id"], run["conf"]) for run in airflow.runs] == [
        ("run-1", {"kedro_params": {"a": "b"}})
    ]
    assert proxy.seen(TRIGGER) == fault.times + 1


@both_versions
@pytest.mark.parametrize("fault", [RESET, FAILING, DOWN], ids=lambda fault: fault.act)
def test_a_dag_whose_deletion_was_not_confirmed_is_deleted_all_the_same(
    proxy: FaultProxy, client: AirflowClient, airflow: SmallAirflow, fault: Fault
) -> None:
    proxy.faults.append(Fault(fault.act, "DELETE", fault.times, served=True, reply=fault.reply))
    client.delete_dag("shop")
    assert not airflow.dags
    assert proxy.seen("DELETE") == fault.times + 1


@both_versions
def test_a_dag_with_running_tasks_is_not_deleted_and_airflows_words_say_so(
    client: AirflowClient, airflow: SmallAirflow
) -> None:
    airflow.add_run("shop", "run-1", "running")
    with pytest.raises(Conflict, match="still running"):
        client.delete_dag("shop")
    assert "shop" in airflow.dags


@both_versions
@pytest.mark.parametrize(
    ("act", "path"),
    [
        ("reset", "GET .*/dags/shop$"),
        ("half", "PATCH .*"),
        ("half", "GET .*/dags$"),
        ("reset", "POST .*/list"),
    ],
)
def test_a_broken_connection_is_tried_again_for_every_kind_of_request(
    proxy: FaultProxy, client: AirflowClient, airflow: SmallAirflow, act: str, path: str
) -> None:
    airflow.add_dag("ours", "generated_with_kedro_airflow_k8s:1.0.0")
    airflow.add_run("shop", "run-1")
    proxy.faults.append(Fault("reset" if act == "reset" else "half", path, times=4))

    client.set_paused("shop", True)
    dag, last = client.find_dag("shop"), client.last_runs(["shop"])

    assert dag is not None
    assert dag.paused
    assert list(last) == ["shop"]
    assert [dag.dag_id for dag in client.generated_dags()] == ["ours"]
    assert proxy.faults[0].times == 0


def test_what_does_not_pass_ends_after_five_attempts_with_longer_and_longer_pauses(
    proxy: FaultProxy, client: AirflowClient, pauses: list[float]
) -> None:
    reply = Reply(500, {"detail": "Database is gone"})
    proxy.faults.append(Fault("answer", "dags/shop", 99, reply=reply))

    with pytest.raises(ServerFailed, match="500 Internal Server Error: Database is gone"):
        client.find_dag("shop")

    assert proxy.seen("dags/shop") == 5
    assert pauses == [1.0, 2.0, 4.0]


@pytest.mark.parametrize(
    ("status", "asked", "waits"),
    [
        (429, "7", [7]),
        (503, "7", [7]),
        (500, "7", [7]),
        (429, "0", []),
        (429, "86400", [60]),
        (429, "Fri, 31 Dec 2100 23:59:59 GMT", [60]),
        (429, "Sat, 01 Jan 2000 00:00:00 GMT", []),
        (429, "soon", []),
        (429, "-3", []),
    ],
)
def test_the_server_says_how_long_to_wait_within_reason(
    proxy: FaultProxy,
    client: AirflowClient,
    pauses: list[float],
    status: int,
    asked: str,
    waits: list[float],
) -> None:
    reply = Reply(status, b"", {"Retry-After": asked})
    proxy.faults.append(Fault("answer", "dags/shop", reply=reply))

    assert client.find_dag("shop") is not None
    assert pauses == waits
    assert proxy.seen("dags/shop") == 2


def test_a_token_that_expires_in_a_long_wait_is_renewed_once_and_the_request_repeated() -> None:
    airflow = SmallAirflow("3.3.2")
    airflow.add_dag("shop")
    airflow.add_run("shop", "run-1", "running")
    with airflow.serve() as server:
        client = Connector().connect(server.url)
        for _ in range(3):
            assert client.run("shop", "run-1").state is RunState.RUNNING
        airflow.expire()
        airflow.runs[0]["state"] = "success"

        assert client.run("shop", "run-1").state is RunState.SUCCESS
        assert airflow.log_ins == 2


def test_a_trigger_whose_token_has_expired_starts_one_run() -> None:
    airflow = SmallAirflow("3.3.2")
    airflow.add_dag("shop")
    with airflow.serve() as server:
        client = Connector().connect(server.url)
        client.find_dag("shop")
        airflow.expire()

        assert client.trigger("shop", "run-1", {}).run_id == "run-1"
        assert len(airflow.runs) == 1


def test_a_server_that_refuses_also_fresh_credentials_is_asked_no_third_time(
    proxy: FaultProxy, client: AirflowClient
) -> None:
    reply = Reply(401, {"detail": "Not authenticated"})
    proxy.faults.append(Fault("answer", "dags/shop", 99, reply=reply))

    with pytest.raises(NotAuthenticated, match="AIRFLOW_API_PASSWORD right"):
        client.find_dag("shop")

    assert proxy.seen("dags/shop") <= 2


@pytest.mark.parametrize(
    ("only", "reply", "words"),
    [
        (
            "GET .*dags/shop",
            html("<!DOCTYPE html><title>Corporate &amp; proxy</title>"),
            "'Corporate & proxy'",
        ),
        (TRIGGER, html("<title>Corporate proxy</title>"), "'Corporate proxy'"),
        (TRIGGER, html("", 302, Location="/login?next=/api"), "looks like a login page"),
        (TRIGGER, html("", 302, Location="//evil.example.com/x"), "to http://evil.example.com/x"),
    ],
)
def test_a_page_in_place_of_an_answer_is_said_so_and_starts_no_run(
    proxy: FaultProxy,
    client: AirflowClient,
    airflow: SmallAirflow,
    reply: Reply,
    words: str,
    only: str,
) -> None:
    proxy.faults.append(Fault("answer", only, 99, reply=reply))

    ask = client.find_dag if "GET" in only else partial(client.trigger, run_id="run-1", conf={})
    with pytest.raises(NotAirflow) as caught:
        ask("shop")

    assert words in str(caught.value)
    assert airflow.runs == []


@both_versions
def test_a_run_of_the_same_logical_date_is_a_conflict_in_the_servers_words(
    client: AirflowClient, airflow: SmallAirflow
) -> None:
    noon = datetime(2026, 1, 2, 12, tzinfo=timezone.utc)
    client.trigger("shop", "run-1", {}, noon)

    with pytest.raises(Conflict, match=r"409 Conflict: (Unique constraint|There is such a run)"):
        client.trigger("shop", "run-2", {}, noon)

    assert [run["dag_run_id"] for run in airflow.runs] == ["run-1"]


@both_versions
def test_a_run_that_exists_is_returned_as_it_stands(
    client: AirflowClient, airflow: SmallAirflow
) -> None:
    airflow.add_run("shop", "run-1", "running")

    assert client.trigger("shop", "run-1", {}).state is RunState.RUNNING
    assert len(airflow.runs) == 1


ECHO = "Authorization: {0} was refused; password={1}"
SECRET_FAULTS = [
    Fault("answer", times=99, reply=Reply(400, {"detail": ECHO})),
    Fault("answer", times=99, reply=Reply(403, {"title": ECHO, "detail": ECHO})),
    Fault("answer", times=99, reply=Reply(422, {"detail": [{"loc": ["body"], "msg": ECHO}]})),
    Fault("answer", times=99, reply=Reply(500, ECHO.encode(), {"Content-Type": "text/plain"})),
    Fault("answer", times=99, reply=html(f"<title>{ECHO}</title>", 200)),
    Fault("answer", times=99, reply=html("", 302, Location="https://a:{1}@x.example.com/{0}?{1}")),
    Fault("reset", times=99),
    Fault("half", times=99),
]


@both_versions
@pytest.mark.parametrize("fault", SECRET_FAULTS, ids=lambda fault: str(fault.reply.status))
def test_no_secret_is_reported_whatever_the_server_repeats(
    proxy: FaultProxy, client: AirflowClient, fault: Fault, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    client.find_dag("shop")
    sent = next(r.headers["Authorization"] for r in reversed(proxy.requests) if "shop" in str(r))
    bare = sent.partition(" ")[2]

    def filled(text: str) -> str:
        return text.replace("{0}", sent).replace("{1}", PASSWORD)

    reply = fault.reply
    body = reply.body
    if isinstance(body, dict):
        body = {
            key: filled(value) if isinstance(value, str) else [{"msg": filled(ECHO)}]
            for key, value in body.items()
        }
    elif isinstance(body, bytes):
        body = filled(body.decode()).encode()
    headers = {
        key: filled(value).encode().decode("latin-1") for key, value in reply.headers.items()
    }
    proxy.faults.append(Fault(fault.act, "dags/shop", 99, reply=Reply(reply.status, body, headers)))

    with pytest.raises(AirflowApiError) as caught:
        client.find_dag("shop")

    error = caught.value
    told = "".join(traceback.format_exception(error)) + repr(error) + caplog.text + repr(client)
    assert bare not in told
    assert PASSWORD not in told
    assert error.__cause__ is None
    assert error.__context__ is None


def test_half_an_answer_for_ever_is_unreachable(proxy: FaultProxy, client: AirflowClient) -> None:
    proxy.faults.append(Fault("half", "dags/shop", 99))

    with pytest.raises(Unreachable, match="the connection or the answer broke off"):
        client.find_dag("shop")
