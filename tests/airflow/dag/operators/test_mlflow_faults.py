"""What the tasks around an MLflow run say when something else than MLflow answers, or nothing."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests

from tests.airflow.airflow_api.fault_proxy import FaultProxy
from tests.airflow.airflow_api.test_tls import certificate
from tests.airflow.airflow_api.web_server import Reply, Request, WebServer, html
from tests.airflow.dag.operators.airflow_process import AirflowWorker, OperatorFailed
from tests.airflow.dag.operators.mlflow_operators import (
    WAITS,
    MlflowTasks,
    new_experiment,
    small_mlflow,
)
from tests.support.mlflow_servers import NAME_IN_CLUSTER, MlflowServer, needs_mlflow
from tests.support.storage_servers import free_port

ELSEWHERE = (
    "Check that it is running and that Airflow's workers can reach it at this address. If it is"
    " behind a login page, set run_config.mlflow.authentication."
)


def _failure(tasks: MlflowTasks) -> OperatorFailed:
    with pytest.raises(OperatorFailed) as failure:
        tasks.start("e")
    assert failure.value.kind == "AirflowException"
    assert "\n" not in failure.value.message
    return failure.value


@pytest.mark.parametrize(
    ("reply", "words", "fix"),
    [
        (
            html("<html>Found</html>", 302, Location="https://login.example.com/?state=s3cret"),
            "answered 302: <html>Found</html>",
            ELSEWHERE,
        ),
        (html("<html>\n  <b>Log in</b>"), "answered 200: <html> <b>Log in</b>", ELSEWHERE),
        (html("not here", 404), "answered 404: not here", ELSEWHERE),
        (Reply(404, {"detail": "Not Found"}), 'answered 404: {"detail": "Not Found"}', ELSEWHERE),
        (Reply(200, b""), "answered 200: ", ELSEWHERE),
        (
            Reply(401, b"You are not authenticated."),
            "answered 401: You are not authenticated.",
            "Set run_config.mlflow.authentication to an account with this permission.",
        ),
        (
            Reply(403, {"error_code": "PERMISSION_DENIED", "message": "Permission denied"}),
            'answered 403: {"error_code": "PERMISSION_DENIED", "message": "Permission denied"}',
            "Set run_config.mlflow.authentication to an account with this permission.",
        ),
        (
            Reply(400, {"error_code": "INVALID_PARAMETER_VALUE", "message": "Invalid name"}),
            'answered 400: {"error_code": "INVALID_PARAMETER_VALUE", "message": "Invalid name"}',
            "See the log of the MLflow server.",
        ),
    ],
)
def test_an_answer_that_is_an_error_is_reported_at_once_with_the_way_out(
    airflow: AirflowWorker, reply: Reply, words: str, fix: str
) -> None:
    with WebServer(lambda _: reply) as server:
        failure = _failure(MlflowTasks(airflow, server.url))

        assert len(server.requests) == 1
    assert failure.message == f"MLflow at {server.url} {words}. {fix}"
    assert failure.log == []
    assert "s3cret" not in failure.trace


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_server_that_stays_broken_is_given_up_after_six_tries_in_its_own_words(
    airflow: AirflowWorker, status: int
) -> None:
    with WebServer(lambda _: html("<h1>Bad\nday</h1>", status)) as server:
        failure = _failure(MlflowTasks(airflow, server.url))

        assert len(server.requests) == 6
    assert (
        failure.message
        == f"MLflow at {server.url} answered {status}: <h1>Bad day</h1>. {ELSEWHERE}"
    )
    assert failure.log == WAITS


def test_half_an_answer_is_an_error(airflow: AirflowWorker) -> None:
    half = Reply(200, b'{"experiment"', {"Content-Length": "100"})
    with WebServer(lambda _: half) as server:
        assert "did not answer: " in _failure(MlflowTasks(airflow, server.url)).message


def test_nothing_at_the_address_is_given_up_after_six_tries(airflow: AirflowWorker) -> None:
    uri = f"http://127.0.0.1:{free_port()}"

    failure = _failure(MlflowTasks(airflow, uri))

    assert failure.message.startswith(f"MLflow at {uri} did not answer: ")
    assert "refused" in failure.message
    assert failure.message.endswith(ELSEWHERE)
    assert failure.log == WAITS


def test_a_name_that_no_dns_knows_is_reported(airflow: AirflowWorker) -> None:
    assert "mlflow.invalid" in _failure(MlflowTasks(airflow, "http://mlflow.invalid:5000")).message


@pytest.fixture(name="tls")
def _tls(tmp_path: Path) -> Iterator[tuple[WebServer, Path]]:
    files = certificate(tmp_path, "server")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files.certificate, files.key)
    with WebServer(small_mlflow, context) as server:
        yield server, files.certificate


def test_a_certificate_of_an_unknown_authority_is_reported_at_once(
    airflow: AirflowWorker, tls: tuple[WebServer, Path]
) -> None:
    server, authority = tls

    failure = _failure(MlflowTasks(airflow, server.url))

    assert failure.log == []
    assert "CERTIFICATE_VERIFY_FAILED" in failure.message
    assert failure.message.endswith("Set REQUESTS_CA_BUNDLE on Airflow's workers to its CA bundle.")
    trusting = MlflowTasks(airflow, server.url, environment={"REQUESTS_CA_BUNDLE": str(authority)})
    assert trusting.start("e")[0] == "0" * 32


def test_https_where_http_is_spoken_is_reported_at_once(airflow: AirflowWorker) -> None:
    with WebServer(small_mlflow) as server:
        failure = _failure(MlflowTasks(airflow, server.url.replace("http:", "https:")))

    assert failure.message.endswith(
        "If the server uses plain HTTP, write its address with http://."
    )
    assert failure.log == []


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


@needs_mlflow
def test_a_server_that_does_not_know_its_own_name_tells_how_to_allow_it(
    airflow: AirflowWorker, mlflow_server: MlflowServer
) -> None:
    # An HTTP proxy, so that the server hears a name that no DNS need know.
    with ForwardProxy(mlflow_server.url) as proxy:
        uri = "http://mlflow:5000"
        failure = _failure(MlflowTasks(airflow, uri, environment={"http_proxy": proxy.url}))
        assert proxy.statuses == [403]

        allowed = f"http://{NAME_IN_CLUSTER}"
        tasks = MlflowTasks(airflow, allowed, environment={"http_proxy": proxy.url})
        run_id, _ = tasks.start(new_experiment())

    assert failure.message.startswith(f"MLflow at {uri} answered 403: Invalid Host header")
    assert failure.message.endswith(
        "Start MLflow with --allowed-hosts and the host of this address."
    )
    assert mlflow_server.run(run_id).status == "RUNNING"
