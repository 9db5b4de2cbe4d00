"""`run-once` over a network that fails: what a person sees, and how many runs there are then."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest

from tests.airflow.airflow_api.fault_proxy import Fault, FaultProxy
from tests.airflow.airflow_api.web_server import Reply
from tests.e2e.server_project import kedro, said
from tests.support.airflow_servers import AirflowServer

TRIGGER = r"^POST .*/dagRuns$"
WATCH = r"^GET .*/dagRuns/[^/]+$"
TOO_MANY = Reply(429, b"", {"Retry-After": "1"})
NOT_AUTHENTICATED = Reply(401, {"detail": "Not authenticated", "title": "Unauthorized"})
LOG_IN = Reply(302, b"", {"Location": "https://login.example.com/?next=dags"})
PAGE = Reply(200, b"<html><title>Welcome to nginx!</title></html>", {"Content-Type": "text/html"})


@contextmanager
def behind(server: AirflowServer, *faults: Fault) -> Iterator[FaultProxy]:
    """Let the project's configuration lead to the server by way of a proxy."""
    config = server.project / "conf/local/airflow-k8s.yaml"
    direct = config.read_text()
    with FaultProxy(server.url, faults) as proxy:
        # By a name for this machine that nobody takes for the sandbox's.
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
    ("act", "times", "served", "reply", "seconds"),
    [
        ("hold", 1, False, Reply(), 5),
        ("reset", 1, False, Reply(), None),
        ("reset", 1, True, Reply(), None),
        ("half", 1, False, Reply(), None),
        ("answer", 3, True, Reply(500, b"oh no"), None),
        ("answer", 1, False, TOO_MANY, None),
    ],
    ids=["latency", "reset before", "reset after", "half a body", "500 thrice", "too many"],
)
def test_a_fault_that_passes_starts_one_run_and_nobody_notices(
    server: AirflowServer,
    act: str,
    times: int,
    served: bool,
    reply: Reply,
    seconds: float | None,
) -> None:
    before = count_runs(server)
    fault = Fault(act, TRIGGER, times, served, reply, seconds)  # type: ignore[arg-type]
    with behind(server, fault) as proxy:
        code, text = run_once(server, proxy)

    assert code == 0, text
    assert "Started run run-once-" in text
    assert fault.times == 0
    assert proxy.seen(TRIGGER) == times + (act != "hold")
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
        assert re.search(r"Run run-once-\S+ goes on in Airflow without this command: http", text)
        assert "AIRFLOW_API_PASSWORD" in text
    assert proxy.seen(TRIGGER) == 1


@pytest.mark.parametrize(
    ("reply", "words"),
    [(PAGE, "Welcome to nginx!"), (LOG_IN, "login.example.com")],
    ids=["a proxy's page", "a log-in page"],
)
@pytest.mark.parametrize("only", ["", TRIGGER], ids=["always", "at the trigger"])
def test_pages_in_place_of_answers_are_said_so_and_start_no_run(
    server: AirflowServer,
    reply: Reply,
    words: str,
    only: str,
) -> None:
    before = count_runs(server)
    fault = Fault("answer", only, times=1000, reply=reply)
    with behind(server, fault) as proxy:
        code, text = run_once(server, proxy)

    assert code == 1
    assert words in text
    assert "Started run" not in text
    assert count_runs(server) == before
