"""`run-once` over a network that fails: what a person sees, and how many runs there are then.

The client gets every kind of fault from a stub, in tests/airflow/airflow_api/test_faults.py.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace

import pytest

from tests.airflow.airflow_api.fault_proxy import Fault, FaultProxy
from tests.airflow.airflow_api.web_server import Reply
from tests.e2e.server_project import kedro, said
from tests.support.airflow_servers import AirflowServer

TRIGGER = r"^POST .*/dagRuns$"
WATCH = r"^GET .*/dagRuns/[^/]+$"
NOT_AUTHENTICATED = Reply(401, {"detail": "Not authenticated", "title": "Unauthorized"})
PAGE = Reply(200, b"<html><title>Welcome to nginx!</title></html>", {"Content-Type": "text/html"})


@contextmanager
def behind(server: AirflowServer, *faults: Fault) -> Iterator[FaultProxy]:
    """Let the project's configuration lead to the server by way of a proxy."""
    config = server.project / "conf/local/airflow-k8s.yaml"
    direct = config.read_text()
    with FaultProxy(server.url, faults) as proxy:
        # By a name for this machine that no one takes for the sandbox's.
        foreign = proxy.url.replace("127.0.0.1", "127.1")
        config.write_text(direct.replace(server.url, foreign))
        try:
            yield proxy
        finally:
            config.write_text(direct)


def run_once(server: AirflowServer, proxy: FaultProxy, *options: str) -> tuple[int, str]:
    """The exit code of the command, and what it prints, which holds no secret."""
    done = kedro(server, "run-once", "-p", "quick", "-d", "faulty", *options)
    text = said(done)
    authorizations = {request.headers.get("Authorization", "") for request in proxy.requests}
    for secret in (server.password, *(text.partition(" ")[2] for text in authorizations)):
        assert not secret or secret not in text
    assert "Traceback (most recent call last)" not in text
    return done.returncode, text


def count_runs(server: AirflowServer) -> int:
    """How many runs of the DAG Airflow has in its database."""
    (database,) = server.project.glob(".airflow-sandbox/airflow-*/airflow.db")
    with closing(sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True)) as connection:
        query = "SELECT count(*) FROM dag_run WHERE dag_id = 'faulty'"
        (count,) = connection.execute(query).fetchone()
    return int(count)


@pytest.mark.parametrize(
    "fault", [Fault("reset", TRIGGER, served=True), Fault("half", TRIGGER)], ids=["reset", "half"]
)
def test_a_fault_that_passes_starts_one_run_and_no_one_notices(
    server: AirflowServer, fault: Fault
) -> None:
    before = count_runs(server)
    with behind(server, replace(fault)) as proxy:
        code, text = run_once(server, proxy)

        assert code == 0, text
        assert "Started run run-once-" in text
        assert proxy.faults[0].times == 0
        assert proxy.seen(TRIGGER) == 2
    assert count_runs(server) == before + 1


def test_faults_while_watching_do_not_end_the_watch(
    server: AirflowServer,
) -> None:
    faults = [
        Fault("half", WATCH),
        Fault("answer", WATCH, times=8, reply=Reply(502, b"<html>Bad Gateway</html>")),
    ]
    with behind(server, *faults) as proxy:
        code, text = run_once(server, proxy, "-w", "10")

    assert code == 0, text
    assert text.count("The run does not need this command; trying again.") == 1
    assert "success: 1 of 1 tasks succeeded." in text


def test_credentials_refused_while_watching_are_renewed_where_they_can_be(
    server: AirflowServer,
) -> None:
    with behind(server, Fault("answer", WATCH, reply=NOT_AUTHENTICATED)) as proxy:
        code, text = run_once(server, proxy, "-w", "10")

    if server.major > 2:
        assert code == 0, text
        assert proxy.seen("POST /auth/token") == 2
    else:
        # The password goes with every request: there is nothing to renew.
        assert code == 1
        assert re.search(r"Run run-once-\S+ continues in Airflow without this command: http", text)
        assert "AIRFLOW_API_PASSWORD" in text
    assert proxy.seen(TRIGGER) == 1


def test_a_page_in_place_of_an_answer_is_said_so_and_starts_no_run(server: AirflowServer) -> None:
    before = count_runs(server)
    with behind(server, Fault("answer", TRIGGER, times=1000, reply=PAGE)) as proxy:
        code, text = run_once(server, proxy)

    assert code == 1
    assert "Welcome to nginx!" in text
    assert "Started run" not in text
    assert count_runs(server) == before
