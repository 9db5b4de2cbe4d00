"""Which server answers is found out by asking, and what is not an Airflow is said so."""

from __future__ import annotations

import socket

import pytest
from semver import Version

from kedro_airflow_k8s.airflow_api.airflow2 import Airflow2Client
from kedro_airflow_k8s.airflow_api.airflow3 import Airflow3Client
from kedro_airflow_k8s.errors import (
    AirflowApiError,
    ConfigError,
    NotAirflow,
    NotAuthenticated,
    ServerFailed,
    Unreachable,
)
from tests.airflow.airflow_api.clients import Connector
from tests.airflow.airflow_api.small_airflow import SmallAirflow
from tests.airflow.airflow_api.web_server import Reply, Request, WebServer, html
from tests.support.storage_servers import free_port


def telling(version: str) -> WebServer:
    return SmallAirflow(version).serve()


def refusal(server: WebServer, path: str = "", connector: Connector | None = None) -> str:
    with server, pytest.raises(AirflowApiError) as caught:
        (connector or Connector()).connect(server.url + path)
    return str(caught.value)


@pytest.mark.parametrize(
    ("told", "version", "client"),
    [
        ("2.11.0", "2.11.0", Airflow2Client),
        ("2.11.2+composer", "2.11.2", Airflow2Client),
        ("3.0.0b1", "3.0.0", Airflow3Client),
        ("3.3.2", "3.3.2", Airflow3Client),
        ("3.10.1rc2", "3.10.1", Airflow3Client),
    ],
)
def test_the_version_that_the_server_tells_chooses_the_client(
    told: str, version: str, client: type
) -> None:
    with telling(told) as server:
        made = Connector().connect(server.url)

    assert isinstance(made, client)
    assert made.version == Version.parse(version)
    assert made.host == server.url


def test_a_path_in_front_and_a_slash_at_the_end_are_part_of_the_host() -> None:
    airflow = SmallAirflow()
    airflow.add_dag("there")

    def behind_a_proxy(request: Request) -> Reply:
        assert request.target.startswith("/team a/airflow/".replace(" ", "%20"))
        inner = request.target.removeprefix("/team%20a/airflow")
        return airflow.answer(Request(request.method, inner, request.headers, request.body))

    with WebServer(behind_a_proxy) as server:
        client = Connector().connect(f"{server.url}/team%20a/airflow/")
        found = client.find_dag("there")

    assert found is not None
    assert client.dag_url("there") == f"{server.url}/team%20a/airflow/dags/there"


@pytest.mark.parametrize("told", ["2.10.5", "2.2.0", "1.10.15"])
def test_an_older_airflow_is_refused_with_what_is_needed(told: str) -> None:
    def answer(request: Request) -> Reply:
        if request.path == "/api/v1/version":
            return Reply(body={"version": told})
        return html("<title>Airflow 404</title>", 404)

    assert f"is Airflow {told}. kedro-airflow-k8s needs 2.11 or newer." in refusal(
        WebServer(answer)
    )


@pytest.mark.parametrize("told", ["4.0.0", "17.1.0"])
def test_an_airflow_of_the_future_is_refused(told: str) -> None:
    server = WebServer(lambda request: Reply(body={"version": told}))

    assert f"is Airflow {told}, which this version of kedro-airflow-k8s does not" in refusal(server)


def test_a_version_that_is_none_is_said_so() -> None:
    server = WebServer(lambda request: Reply(body={"version": "seven"}))

    assert "reports an invalid version, 'seven'" in refusal(server)


@pytest.mark.parametrize(
    ("reply", "kind", "words"),
    [
        (html("<html><title>Welcome to nginx!</title>", 200), NotAirflow, "'Welcome to nginx!'"),
        (html("<html><title>Nothing here</title>", 404), NotAirflow, "Nothing here"),
        (Reply(404, {"error": "no route"}), NotAirflow, "Is there no Airflow at"),
        (Reply(200, b"hello", {"Content-Type": "text/plain"}), NotAirflow, "text/plain, not JSON"),
        (Reply(200, b"hello"), NotAirflow, "of unknown type, not JSON"),
        (Reply(200, ["a", "list"]), AirflowApiError, "Not a JSON object"),
        (Reply(200, {"status": "ok"}), AirflowApiError, "`version`: Field required"),
        (Reply(418, {"title": "teapot"}), AirflowApiError, "teapot"),
        (
            html("", 302, Location="https://sso.example.com/realms/x/login?state=S3CRET-STATE"),
            NotAirflow,
            "redirected to https://sso.example.com/realms/x/login, which looks like a login page",
        ),
        (html("", 307, Location="/elsewhere"), NotAirflow, "/elsewhere. The server at http://"),
        (html("", 302), NotAirflow, "/version. The server at http://"),
        (html("<title>Zugriff verweigert</title>", 401), NotAuthenticated, "Zugriff verweigert"),
    ],
)
def test_what_is_not_an_airflow_is_one_clear_message(
    reply: Reply, kind: type[AirflowApiError], words: str
) -> None:
    with WebServer(lambda request: reply) as server, pytest.raises(kind) as caught:
        Connector().connect(server.url)

    text = str(caught.value)
    assert words in text
    assert "S3CRET" not in text
    assert "<" not in text
    assert len(text) < 1000
    assert len(server.requests) == len({request.path for request in server.requests})


def test_an_http_address_that_only_leads_to_https_says_to_write_that() -> None:
    def upgrade(request: Request) -> Reply:
        return html("", 308, Location=f"https://127.0.0.1{request.target}")

    assert "Write the host with https:// in front" in refusal(WebServer(upgrade))


def test_redirects_in_a_loop_end_at_the_first() -> None:
    def cycle(request: Request) -> Reply:
        return html("", 302, Location="/b" if request.path != "/b" else "/a")

    server = WebServer(cycle)
    refusal(server)

    assert {request.path for request in server.requests} == {"/api/v2/version", "/api/v1/version"}


def test_nothing_that_listens_is_said_at_once(pauses: list[float]) -> None:
    with pytest.raises(Unreachable, match="the connection was refused"):
        Connector().connect(f"http://127.0.0.1:{free_port()}")

    assert pauses == []


def test_a_name_that_dns_does_not_know_is_said_at_once(pauses: list[float]) -> None:
    with pytest.raises(Unreachable, match="the host is unknown to DNS"):
        Connector().connect("https://airflow.invalid")

    assert pauses == []


@pytest.mark.parametrize("host", ["http://127.0.0.1:99999", "http://a..b", "http://" + "é" * 80])
def test_an_impossible_address_is_said(host: str) -> None:
    with pytest.raises(Unreachable):
        Connector().connect(host)


def test_a_server_that_never_answers_is_unreachable_after_five_attempts(
    pauses: list[float],
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(30)
        with pytest.raises(Unreachable, match="the request timed out"):
            Connector(read=0.05).connect(f"http://127.0.0.1:{listener.getsockname()[1]}")

    assert pauses == [1.0, 2.0, 4.0]


def test_a_proxy_without_airflow_behind_it_is_a_failed_server() -> None:
    server = WebServer(lambda request: html("<h1>502 Bad\nGateway</h1>", 502))
    with server, pytest.raises(ServerFailed, match="502 Bad Gateway"):
        Connector().connect(server.url)

    assert len(server.requests) == 5


def test_a_host_with_a_password_in_it_is_refused_without_repeating_it() -> None:
    with pytest.raises(ConfigError) as caught:
        Connector().connect("https://ada:hunter2@airflow.example.com")

    assert "hunter2" not in str(caught.value)
    assert "AIRFLOW_API_PASSWORD" in str(caught.value)
