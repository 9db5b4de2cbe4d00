"""Credentials: found where they are, sent only where they belong, renewed when they expire."""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from kedro_airflow_k8s.config.model import AirflowAuth
from kedro_airflow_k8s.errors import AirflowK8sError, ConfigError, NotAuthenticated
from tests.airflow.airflow_api.clients import LOG_IN, Connector
from tests.airflow.airflow_api.small_airflow import PASSWORD, USER, SmallAirflow
from tests.airflow.airflow_api.web_server import Reply, Request, WebServer, html

TOKEN = {"AIRFLOW_API_TOKEN": "token-of-mine"}


class Airflow3Taking:
    """An Airflow 3 that takes some bearer tokens, and lets no one else do anything."""

    def __init__(self, *tokens: str) -> None:
        self.airflow = SmallAirflow("3.3.2")
        self.airflow.add_dag("shop")
        self.airflow.tokens.update(tokens)

    def serve(self) -> WebServer:
        return self.airflow.serve()


@pytest.mark.parametrize(
    ("environ", "sent"),
    [
        (TOKEN, "Bearer token-of-mine"),
        ({"AIRFLOW_API_TOKEN": " token-of-mine\n"}, "Bearer token-of-mine"),
        ({**TOKEN, **LOG_IN}, "Bearer token-of-mine"),
        ({"AIRFLOW_API_TOKEN": "", **LOG_IN}, "Bearer token-number-1"),
        (LOG_IN, "Bearer token-number-1"),
        ({}, None),
    ],
)
def test_the_environment_tells_which_credentials_to_use(
    environ: dict[str, str], sent: str | None
) -> None:
    with Airflow3Taking("token-of-mine", "").serve() as server:
        Connector(environ).connect(server.url).find_dag("shop")

    assert server.requests[-1].headers.get("Authorization") == sent


def test_airflow_2_gets_user_and_password_and_its_version_is_asked_without() -> None:
    airflow = SmallAirflow("2.11.2")
    airflow.add_dag("shop")
    with airflow.serve() as server:
        found = Connector().connect(server.url).find_dag("shop")

    assert found is not None
    versions = [request for request in server.requests if "version" in str(request)]
    assert all("Authorization" not in request.headers for request in versions)


@pytest.mark.parametrize(
    ("auth", "environ", "words"),
    [
        ("token", {}, "variable AIRFLOW_API_TOKEN is empty. Authentication with `token` needs"),
        ("password", {}, "AIRFLOW_API_USERNAME and AIRFLOW_API_PASSWORD is empty"),
        (None, {"AIRFLOW_API_USERNAME": "ada"}, "variable AIRFLOW_API_PASSWORD is empty"),
        (None, {"AIRFLOW_API_PASSWORD": "hunter2"}, "variable AIRFLOW_API_USERNAME is empty"),
        (
            "token",
            {"AIRFLOW_API_TOKEN": "hunter2\nHost: x"},
            "not valid in a token",
        ),
        ("token", {"AIRFLOW_API_TOKEN": "hunter2-ż"}, "not valid in a token"),
    ],
)
def test_missing_or_impossible_credentials_are_said_before_any_request(
    auth: str | None, environ: dict[str, str], words: str
) -> None:
    chosen = AirflowAuth.model_validate({"type": auth}) if auth else None
    with Airflow3Taking().serve() as server, pytest.raises(ConfigError) as caught:
        Connector(environ, chosen).connect(server.url)

    assert words in str(caught.value)
    assert "hunter2" not in str(caught.value)
    assert server.requests == []


def test_none_in_the_config_sends_nothing_whatever_the_environment_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login ada password hunter2\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    with Airflow3Taking("").serve() as server:
        Connector({**TOKEN, **LOG_IN}, AirflowAuth(type="none")).connect(server.url).find_dag("x")

    assert all("Authorization" not in request.headers for request in server.requests)


def test_a_token_is_not_replaced_by_what_a_netrc_file_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("default login ada password hunter2\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    with Airflow3Taking("token-of-mine").serve() as server:
        assert Connector(dict(TOKEN)).connect(server.url).find_dag("shop") is not None


def test_an_airflow_3_that_gives_no_tokens_for_passwords_says_to_use_a_token() -> None:
    def answer(request: Request) -> Reply:
        if request.path == "/api/v2/version":
            return Reply(body={"version": "3.3.2"})
        return Reply(404, {"detail": "Not Found"})

    with WebServer(answer) as server:
        client = Connector().connect(server.url)
        with pytest.raises(NotAuthenticated, match="Use AIRFLOW_API_TOKEN"):
            client.find_dag("shop")


@pytest.mark.parametrize(
    ("host", "warns"),
    [
        ("http://airflow.invalid", True),
        ("http://192.0.2.7:8080/x", True),
        ("https://airflow.invalid", False),
        ("http://localhost:1", False),
        ("http://127.9.9.9:1", False),
        ("http://[::1]:1", False),
    ],
)
@pytest.mark.parametrize("environ", [{}, LOG_IN])
def test_credentials_in_clear_text_across_a_network_are_warned_of_once(
    host: str, warns: bool, environ: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: object, **more: object) -> None:
        raise ConnectionRefusedError(111, "Connection refused")

    connector = Connector(dict(environ))
    monkeypatch.setattr("requests.Session.request", refuse)
    with pytest.raises(AirflowK8sError):
        connector.connect(host)

    assert len(connector.warnings) == (1 if warns and environ else 0)
    assert all("is not encrypted" in warning for warning in connector.warnings)


def test_what_shows_a_client_shows_no_secret() -> None:
    with Airflow3Taking().serve() as server:
        client = Connector().connect(server.url)
        client.find_dag("shop")

    shown = repr(client) + repr(vars(client)) + repr(vars(client.__dict__["_transport"]))
    assert PASSWORD not in shown
    assert USER not in shown
    assert "token-number-1" not in shown


@pytest.fixture
def google(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Has Google's library find a service account, whose tokens a server of the test gives."""

    def use(token_url: str) -> None:
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        pem = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        account = {
            "type": "service_account",
            "project_id": "shop",
            "private_key_id": "1",
            "private_key": pem.decode(),
            "client_email": "shop@example.com",
            "token_uri": token_url,
        }
        path = tmp_path / "account.json"
        path.write_text(json.dumps(account))
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(path))

    return use


def test_google_credentials_are_a_bearer_token_renewed_when_refused(
    google: Callable[[str], None],
) -> None:
    airflow = Airflow3Taking("ya29.first-token").airflow
    given = iter(["ya29.first-token", "ya29.second-token"])

    def tokens(request: Request) -> Reply:
        return Reply(body={"access_token": next(given), "expires_in": 3600})

    with WebServer(tokens) as token_server, airflow.serve() as server:
        google(f"{token_server.url}/token")
        client = Connector({}, AirflowAuth(type="google")).connect(server.url)
        assert client.find_dag("shop") is not None
        airflow.tokens = {"ya29.second-token"}

        assert client.find_dag("shop") is not None

    # Composer's web server lets no one in without, also to ask for the version.
    assert server.requests[0].headers["Authorization"] == "Bearer ya29.first-token"
    assert len(token_server.requests) == 2


def test_google_credentials_that_get_no_token_are_said_so_without_details(
    google: Callable[[str], None],
) -> None:
    refuse = WebServer(lambda request: Reply(400, {"error": "invalid_grant hunter2"}))
    with refuse as token_server, Airflow3Taking().serve() as server:
        google(f"{token_server.url}/token")
        with pytest.raises(NotAuthenticated, match="got no token") as caught:
            Connector({}, AirflowAuth(type="google")).connect(server.url)

    assert "hunter2" not in str(caught.value)
    assert caught.value.__context__ is None


def test_no_google_credentials_are_said_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS", raising=False)
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path))
    monkeypatch.setenv("NO_GCE_CHECK", "True")
    wanted = pytest.raises(NotAuthenticated, match="gcloud auth application-default login")
    with Airflow3Taking().serve() as server, wanted:
        Connector({}, AirflowAuth(type="google")).connect(server.url)


@pytest.mark.parametrize(
    ("auth", "module", "extra"),
    [
        (AirflowAuth(type="google"), "google.auth", "gcp"),
        (AirflowAuth(type="aws", environment="shop"), "botocore.session", "aws"),
    ],
)
def test_a_library_that_is_not_installed_is_said_with_what_installs_it(
    auth: AirflowAuth, module: str, extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, module, None)

    with pytest.raises(ConfigError, match=rf"pip install 'kedro-airflow-k8s\[{extra}\]'"):
        Connector({}, auth).connect("http://127.0.0.1:1")


AWS = AirflowAuth(type="aws", environment="shop", region="eu-central-1")


@pytest.fixture
def aws(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Has AWS's library ask a server of the test, with keys that no one else knows."""

    def use(url: str) -> None:
        settings = tmp_path / "aws"
        settings.write_text(
            f"[default]\nendpoint_url = {url}\ndisable_host_prefix_injection = true\n"
            "retry_mode = standard\nmax_attempts = 1\n"
        )
        monkeypatch.setenv("AWS_CONFIG_FILE", str(settings))
        monkeypatch.setenv("AWS_DISABLE_HOST_PREFIX_INJECTION", "true")
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIA-TEST")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hunter2")

    return use


class Mwaa:
    """AWS's API and the web server of an MWAA environment, whose sessions can be ended."""

    def __init__(self, version: str) -> None:
        self.airflow = SmallAirflow(version)
        self.airflow.add_dag("shop")
        self.web_tokens: set[str] = set()
        self.session = 0

    def give(self, request: Request) -> Reply:
        assert request.parts == ["webtoken", "shop"]
        assert "Credential=AKIA-TEST" in request.headers["Authorization"]
        token = f"web-token-{len(self.web_tokens)}"
        self.web_tokens.add(token)
        return Reply(body={"WebToken": token, "WebServerHostname": "x.example.com"})

    def answer(self, request: Request) -> Reply:
        major3 = self.airflow.major == 3
        if request.path == ("/pluginsv2/aws_mwaa/login" if major3 else "/aws_mwaa/login"):
            assert request.body.decode().removeprefix("token=") in self.web_tokens
            self.session += 1
            name = "_token" if major3 else "session"
            return html("ok", 200, **{"Set-Cookie": f"{name}=session-{self.session}; Path=/"})
        wanted = f"session-{self.session}"
        if major3:
            known = request.headers.get("Authorization") == f"Bearer {wanted}"
        else:
            known = f"session={wanted}" in request.headers.get("Cookie", "")
        if "login" in request.path:
            return html("<title>Airflow 404</title>", 404)
        if not known:
            return self.airflow.error(403, "Forbidden")
        self.airflow.tokens = {wanted}
        headers = {"Authorization": f"Bearer {wanted}"}
        if not major3:
            headers = {"Authorization": BASIC}
        return self.airflow.answer(Request(request.method, request.target, headers, request.body))


BASIC = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()


@pytest.mark.parametrize("version", ["3.3.2", "2.11.2"])
def test_aws_credentials_begin_a_session_renewed_when_refused(
    version: str, aws: Callable[[str], None]
) -> None:
    mwaa = Mwaa(version)
    with WebServer(mwaa.give) as api, WebServer(mwaa.answer) as server:
        aws(api.url)
        client = Connector({}, AWS).connect(server.url)
        assert client.find_dag("shop") is not None
        mwaa.session += 1

        assert client.find_dag("shop") is not None

    assert mwaa.session == 3


def test_what_aws_refuses_is_said_in_its_words(aws: Callable[[str], None]) -> None:
    error = {"Message": "not authorized to perform airflow:CreateWebLoginToken"}
    reply = Reply(403, error, {"x-amzn-ErrorType": "AccessDeniedException"})
    with WebServer(lambda request: reply) as api, Airflow3Taking().serve() as server:
        aws(api.url)
        with pytest.raises(NotAuthenticated) as caught:
            Connector({}, AWS).connect(server.url)

    text = str(caught.value)
    assert "'shop'" in text
    assert "AccessDeniedException: not authorized to perform" in text
    assert "hunter2" not in text


def test_a_host_that_is_not_an_mwaa_is_said_so(aws: Callable[[str], None]) -> None:
    mwaa = Mwaa("3.3.2")
    with WebServer(mwaa.give) as api, Airflow3Taking().serve() as server:
        aws(api.url)
        with pytest.raises(NotAuthenticated, match="is not a web server of MWAA"):
            Connector({}, AWS).connect(server.url)
