"""What the MLflow operators do with a server that fails: how often they ask, and what they say."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests

from tests.airflow.airflow_api.fault_proxy import Fault, FaultProxy
from tests.airflow.airflow_api.test_tls import certificate
from tests.airflow.airflow_api.web_server import Reply, Request, WebServer, html
from tests.airflow.dag.operators.airflow_process import AirflowWorker, OperatorFailed
from tests.airflow.dag.operators.mlflow_operators import PAUSES, Operators, new_experiment
from tests.support.mlflow_servers import MlflowServer, mlflow_server, needs_mlflow
from tests.support.storage_servers import free_port

pytestmark = needs_mlflow

ERROR = Reply(500, {"error_code": "INTERNAL_ERROR", "message": "database is locked"})
BAD_GATEWAY = html("<html>\n<h1>502 Bad Gateway</h1>\n</html>", 502)


@pytest.fixture(name="proxy")
def _proxy(mlflow_server: MlflowServer) -> Iterator[FaultProxy]:
    with FaultProxy(mlflow_server.url) as proxy:
        yield proxy


@pytest.fixture(name="operators")
def _operators(airflow: AirflowWorker, proxy: FaultProxy) -> Operators:
    return Operators(airflow, proxy.url)


def _failure(call: Callable[[], Any]) -> OperatorFailed:
    with pytest.raises(OperatorFailed) as failure:
        call()
    return failure.value


CREATION = "POST .*/runs/create"
ANYTHING = [
    "GET .*/experiments/get-by-name",
    "POST .*/experiments/create",
    "POST .*/experiments/restore",
    "POST .*/runs/search",
    CREATION,
]


@pytest.mark.parametrize("only", ANYTHING)
@pytest.mark.parametrize(
    "fault",
    [
        Fault("answer", reply=ERROR),
        Fault("answer", reply=ERROR, served=True),
        Fault("answer", reply=BAD_GATEWAY, served=True),
        Fault("answer", reply=Reply(429, b"slow down")),
        Fault("reset"),
        Fault("reset", served=True),
        Fault("half"),
    ],
    ids=["500", "500-served", "502-served", "429", "reset", "reset-served", "half"],
)
def test_one_failure_of_any_request_leaves_one_experiment_and_one_run(
    operators: Operators, proxy: FaultProxy, mlflow_server: MlflowServer, only: str, fault: Fault
) -> None:
    name = new_experiment()
    if "restore" in only:
        mlflow_server.delete_experiment(mlflow_server.create_experiment(name))
    proxy.faults = [Fault(fault.act, only, 1, fault.served, fault.reply)]

    run_id, log = operators.start(name)

    assert proxy.faults[0].times == 0
    assert log[0] == "waits 1 s"
    assert [run.id for run in mlflow_server.runs(name)] == [run_id]
    assert mlflow_server.experiments().count(name) == 1


@pytest.mark.parametrize("act", ["reset", "half"])
def test_a_creation_whose_answer_is_lost_is_found_in_the_same_try(
    operators: Operators, proxy: FaultProxy, act: Any
) -> None:
    proxy.faults = [Fault(act, CREATION, served=True)]

    run_id, log = operators.start(new_experiment())

    assert proxy.seen(CREATION) == 1
    assert log == ["waits 1 s", f"MLflow run {run_id} exists: used again."]


def test_a_retry_finds_the_run_of_a_try_that_was_killed_before_it_had_the_answer(
    operators: Operators, proxy: FaultProxy, mlflow_server: MlflowServer
) -> None:
    name = new_experiment()
    proxy.faults = [
        Fault("answer", "runs/search", reply=Reply(200, {})),
        Fault("reset", CREATION, served=True),
        # The server goes away as soon as it has made the run.
        Fault("reset", "runs/search", times=100),
    ]
    _failure(lambda: operators.start(name))
    (made,) = mlflow_server.runs(name)
    proxy.faults = []

    assert operators.start(name)[0] == made.id
    assert len(mlflow_server.runs(name)) == 1


@pytest.mark.parametrize("fault", [Fault("answer", reply=BAD_GATEWAY), Fault("reset")])
@pytest.mark.parametrize("only", ["experiments/get-by-name", CREATION])
def test_a_server_that_stays_away_is_given_up_after_six_tries(
    operators: Operators, proxy: FaultProxy, only: str, fault: Fault
) -> None:
    proxy.faults = [Fault(fault.act, only, 100, reply=fault.reply)]

    failure = _failure(lambda: operators.start(new_experiment()))

    assert proxy.seen(only) == 6
    assert failure.kind == "MlflowDown"
    assert failure.log == PAUSES
    assert failure.message.startswith(f"MLflow at {proxy.url} does not work: ")
    assert "Is it up, and is this its address as Airflow's workers see it?" in failure.message
    assert "\n" not in failure.message
    if fault.act == "answer":
        assert "it answered 502 <html> <h1>502 Bad Gateway</h1> </html>" in failure.message


def test_a_server_that_is_down_at_the_end_is_given_up_after_six_tries(
    operators: Operators, proxy: FaultProxy, mlflow_server: MlflowServer
) -> None:
    run_id, _ = operators.start(new_experiment())
    proxy.faults = [Fault("reset", "runs/update", 100)]

    failure = _failure(lambda: operators.end(run_id))

    assert (proxy.seen("runs/update"), failure.log) == (6, PAUSES)
    assert "tries: 6" in failure.message
    assert mlflow_server.run(run_id).status == "RUNNING"
    proxy.faults = [Fault("reset", "runs/update", 5, served=True)]
    assert operators.end(run_id)[0] == "FINISHED"


def test_nothing_at_the_address_is_given_up_after_six_tries(airflow: AirflowWorker) -> None:
    uri = f"http://127.0.0.1:{free_port()}"

    failure = _failure(lambda: Operators(airflow, uri).start("e"))

    assert failure.log == PAUSES
    assert failure.message.startswith(f"MLflow at {uri} does not work: no answer (")
    assert "refused" in failure.message


def test_a_name_that_no_dns_knows_is_said(airflow: AirflowWorker) -> None:
    failure = _failure(lambda: Operators(airflow, "http://mlflow.invalid:5000").start("e"))

    assert failure.kind == "MlflowDown"
    assert "mlflow.invalid" in failure.message


class ForwardProxy(FaultProxy):
    """A proxy that clients are configured with, to which every name is that of its server."""

    def _pass_on(self, request: Request) -> Reply:
        asked = urlsplit(request.target)
        target = asked._replace(scheme="", netloc="").geturl()
        answer = requests.request(
            request.method,
            f"http://{self._target.netloc}{target}",
            data=request.body,
            headers={**request.headers, "Host": asked.netloc},
            allow_redirects=False,
            timeout=60,
        )
        return Reply(answer.status_code, answer.content)


def test_a_server_that_does_not_know_its_own_name_says_how_to_tell_it(
    airflow: AirflowWorker, mlflow_server: MlflowServer
) -> None:
    # An HTTP proxy, so that the server hears a name that no DNS need know.
    with ForwardProxy(mlflow_server.url) as proxy:
        variables = {"http_proxy": proxy.url}
        uri = "http://mlflow.team.svc.cluster.local:5000"
        operators = Operators(airflow, uri, environment=variables)
        failure = _failure(lambda: operators.start("e"))

        assert proxy.statuses == [403]
    assert failure.log == []
    assert failure.message == (
        f"MLflow at {uri} answered 403 Invalid Host header: it does not know itself by the name"
        " mlflow.team.svc.cluster.local:5000. Start it with --allowed-hosts"
        " mlflow.team.svc.cluster.local:5000 (or MLFLOW_SERVER_ALLOWED_HOSTS), with what else it"
        " is called by."
    )


def test_a_server_started_as_that_message_says_takes_the_run_through_a_proxy(
    airflow: AirflowWorker, tmp_path: Path
) -> None:
    name = "mlflow.team.svc.cluster.local:5000"
    with (
        mlflow_server(tmp_path / "named", allowed_hosts=f"{name},127.0.0.1:*") as server,
        ForwardProxy(server.url) as proxy,
    ):
        operators = Operators(airflow, f"http://{name}", environment={"http_proxy": proxy.url})
        run_id, _ = operators.start("by proxy")

        assert server.run(run_id).status == "RUNNING"
        assert set(proxy.statuses) == {404, 200}


def _login(status: int) -> Reply:
    where = "https://login.example.com/auth?state=secret-of-the-redirect"
    return html("<html>Found</html>", status, Location=where)


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (_login(302), "answered 302 (go to https://login.example.com), but not as MLflow does"),
        (_login(307), "answered 307 (go to https://login.example.com), but not as MLflow does"),
        (html("<html>\n  <b>Log in</b>"), "answered 200, but not as MLflow does: '<html> <b>Log"),
        (html("not here", 404), "answered 404, but not as MLflow does: 'not here'"),
        (Reply(404, {"detail": "Not Found"}), "answered 404, but not as MLflow does"),
        (Reply(200, b""), "answered 200, but not as MLflow does: ''"),
        (Reply(200, [1]), "answered 200, but not as MLflow does: '[1]'"),
        (Reply(200, {"status": "ok"}), "is not MLflow: the answer lacks experiment.experiment_id"),
        (Reply(200, {"experiment": None}), "the answer lacks experiment.experiment_id"),
        (Reply(200, b"\xff\xfe\x00"), "answered 200, but not as MLflow does"),
        (Reply(401, b"no"), "answered 401: it does not take these credentials, or wants some"),
        (html("Forbidden", 403), "answered 403: it does not take these credentials"),
    ],
)
def test_an_answer_that_is_not_mlflows_is_said_at_once(
    airflow: AirflowWorker, reply: Reply, words: str
) -> None:
    with WebServer(lambda _: reply) as server:
        failure = _failure(lambda: Operators(airflow, server.url).start("e"))

        assert len(server.requests) == 1
    assert words in failure.message
    assert server.url in failure.message
    assert (failure.kind, failure.log) == ("RuntimeError", [])
    assert "secret-of-the-redirect" not in failure.trace + failure.message
    assert "KeyError" not in failure.trace


def test_an_address_with_a_wrong_path_is_said(
    airflow: AirflowWorker, mlflow_server: MlflowServer
) -> None:
    failure = _failure(lambda: Operators(airflow, f"{mlflow_server.url}/mlflow").start("e"))

    assert f"MLflow at {mlflow_server.url}/mlflow answered 404, but not as MLflow" in str(failure)
    assert "Is that its address" in failure.message


def test_a_slash_at_the_end_of_the_address_does_no_harm(
    airflow: AirflowWorker, mlflow_server: MlflowServer
) -> None:
    run_id, _ = Operators(airflow, f"{mlflow_server.url}/").start(new_experiment())

    assert mlflow_server.run(run_id).status == "RUNNING"


@pytest.fixture(name="tls")
def _tls(tmp_path: Path, mlflow_server: MlflowServer) -> Iterator[tuple[WebServer, Path]]:
    files = certificate(tmp_path, "server")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files.certificate, files.key)
    behind = FaultProxy(mlflow_server.url)
    with WebServer(behind._pass_on, context) as server:
        yield server, files.certificate


def test_a_certificate_that_nobody_vouches_for_is_said_with_the_way_out(
    airflow: AirflowWorker, tls: tuple[WebServer, Path]
) -> None:
    server, authority = tls

    failure = _failure(lambda: Operators(airflow, server.url).start("e"))

    assert failure.log == []
    assert failure.message.startswith(f"The certificate of MLflow at {server.url} is not trusted")
    assert "REQUESTS_CA_BUNDLE" in failure.message
    trusting = Operators(airflow, server.url, environment={"REQUESTS_CA_BUNDLE": str(authority)})
    assert trusting.start(new_experiment())[1]


def test_https_where_http_is_spoken_is_said(
    airflow: AirflowWorker, mlflow_server: MlflowServer
) -> None:
    uri = mlflow_server.url.replace("http:", "https:")

    failure = _failure(lambda: Operators(airflow, uri).start("e"))

    assert failure.message.startswith(f"MLflow at {uri} does not speak TLS as it should: ")
    assert failure.message.endswith("Is it http there?")
    assert "certificate" not in failure.message.lower()
