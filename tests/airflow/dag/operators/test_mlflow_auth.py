"""How Airflow's workers make themselves known to MLflow, and that nothing of it is told on."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from tests.airflow.airflow_api.fault_proxy import FaultProxy
from tests.airflow.airflow_api.web_server import Reply, WebServer
from tests.airflow.dag.operators.airflow_process import AirflowWorker, OperatorFailed
from tests.airflow.dag.operators.mlflow_operators import Operators, new_experiment
from tests.support.google_accounts import GoogleAccounts
from tests.support.mlflow_servers import ADMIN, PASSWORD, MlflowServer, mlflow_server, needs_mlflow
from tests.support.storage_servers import free_port

pytestmark = needs_mlflow

USER, WORD, TOKEN = (
    f"AIRFLOW_VAR_MLFLOW_TRACKING_{name}" for name in ("USERNAME", "PASSWORD", "TOKEN")
)
SECRET = "s3cret-ż"
VARS = {"type": "vars"}


@pytest.fixture(name="guarded", scope="module")
def _guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MlflowServer]:
    """A server that wants a name and a password."""
    with mlflow_server(tmp_path_factory.mktemp("guarded"), basic_auth=True) as server:
        yield server


@pytest.fixture(name="proxy")
def _proxy(mlflow_server: MlflowServer) -> Iterator[FaultProxy]:
    """A server that tells what it was sent."""
    with FaultProxy(mlflow_server.url) as proxy:
        yield proxy


def _sent(proxy: WebServer) -> set[str | None]:
    """Which credentials came with the requests."""
    return {request.headers.get("Authorization") for request in proxy.requests}


def _basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def _uri(*parts: str) -> str:
    return "http://{}:{}@x".format(*(quote(part, safe="") for part in parts))


GIVEN: list[tuple[Mapping[str, Any], dict[str, str]]] = [
    (VARS, {USER: ADMIN, WORD: PASSWORD}),
    (VARS, {USER: ADMIN, WORD: f"{PASSWORD}\n", TOKEN: "another"}),
    (
        {
            "type": "vars",
            "params": ["MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD"],
        },
        {USER: ADMIN, WORD: PASSWORD},
    ),
    (
        {"type": "connection", "connection": "my_mlflow"},
        {"AIRFLOW_CONN_MY_MLFLOW": _uri(ADMIN, PASSWORD)},
    ),
]


@pytest.mark.parametrize(("authentication", "environment"), GIVEN)
def test_a_server_with_basic_auth_takes_the_credentials(
    airflow: AirflowWorker,
    guarded: MlflowServer,
    authentication: Mapping[str, Any],
    environment: dict[str, str],
) -> None:
    operators = Operators(airflow, guarded.url, authentication, environment)

    run_id, log = operators.start(new_experiment())
    status, more = operators.end(run_id)

    assert status == guarded.run(run_id).status == "FINISHED"
    assert PASSWORD not in "\n".join([run_id, status, *log, *more])


@pytest.mark.parametrize(
    ("authentication", "environment"),
    [({}, {}), (VARS, {USER: ADMIN, WORD: SECRET}), (VARS, {TOKEN: "s3cret"})],
    ids=["none", "wrong password", "token"],
)
def test_a_server_that_does_not_take_the_credentials_is_asked_once_and_the_way_out_is_said(
    airflow: AirflowWorker,
    guarded: MlflowServer,
    authentication: Mapping[str, Any],
    environment: dict[str, str],
) -> None:
    with pytest.raises(OperatorFailed) as failure:
        Operators(airflow, guarded.url, authentication, environment).start("e")

    assert failure.value.message == (
        f"MLflow at {guarded.url} answered 401: it does not take these credentials, or wants some."
        " Say where they are under run_config.mlflow.authentication in airflow-k8s.yaml."
    )
    assert failure.value.log == []
    assert "s3cret" not in failure.value.trace


@pytest.mark.parametrize(
    ("authentication", "environment", "sent"),
    [
        ({}, {}, None),
        # Variables that nobody has asked for.
        ({}, {USER: "u", WORD: "p", TOKEN: "t"}, None),
        (VARS, {USER: "u", WORD: "p:ż"}, _basic("u", "p:ż")),
        (VARS, {TOKEN: "abc"}, "Bearer abc"),
        (VARS, {TOKEN: "abc\r\n"}, "Bearer abc"),
        (VARS, {USER: "u", TOKEN: "abc"}, "Bearer abc"),
        (VARS, {USER: "u", WORD: "", TOKEN: "abc"}, "Bearer abc"),
        # As MLflow in the pods does.
        (VARS, {USER: "u", WORD: "p", TOKEN: "abc"}, _basic("u", "p")),
        (
            {"type": "vars", "params": ["MLFLOW_TRACKING_TOKEN"]},
            {USER: "u", WORD: "p", TOKEN: "abc"},
            "Bearer abc",
        ),
        (
            {"type": "connection", "connection": "m"},
            {"AIRFLOW_CONN_M": _uri("", "abc"), USER: "u", WORD: "p"},
            "Bearer abc",
        ),
        (
            {"type": "connection", "connection": "m"},
            {"AIRFLOW_CONN_M": _uri("u", "p")},
            _basic("u", "p"),
        ),
    ],
)
def test_what_is_sent_is_what_the_configuration_names(
    airflow: AirflowWorker,
    proxy: FaultProxy,
    authentication: Mapping[str, Any],
    environment: dict[str, str],
    sent: str | None,
) -> None:
    operators = Operators(airflow, proxy.url, authentication, environment)

    operators.end(operators.start(new_experiment())[0])

    assert _sent(proxy) == {sent}
    assert len(proxy.requests) == 5


@pytest.mark.parametrize(
    "environment",
    [{}, {USER: "u"}, {WORD: SECRET}, {USER: "u", WORD: ""}, {TOKEN: ""}],
)
def test_variables_that_are_missing_are_said_and_mlflow_is_not_asked(
    airflow: AirflowWorker, proxy: FaultProxy, environment: dict[str, str]
) -> None:
    with pytest.raises(OperatorFailed) as failure:
        Operators(airflow, proxy.url, VARS, environment).start("e")

    assert failure.value.message == (
        "Airflow variables MLFLOW_TRACKING_USERNAME, MLFLOW_TRACKING_PASSWORD,"
        " MLFLOW_TRACKING_TOKEN: there is no user with a password, and no token, for MLflow at"
        f" {proxy.url}. Create them in Airflow."
    )
    assert SECRET not in failure.value.trace
    assert proxy.requests == []


@pytest.mark.parametrize("uri", [_uri("u", ""), "http://"])
def test_a_connection_that_holds_no_credentials_is_said(
    airflow: AirflowWorker, proxy: FaultProxy, uri: str
) -> None:
    authentication = {"type": "connection", "connection": "half"}
    with pytest.raises(OperatorFailed, match="Airflow connection 'half': there is no user with"):
        Operators(airflow, proxy.url, authentication, {"AIRFLOW_CONN_HALF": uri}).start("e")

    assert proxy.requests == []


@pytest.mark.parametrize("token", ["s3cret\nX-Other: header", "s3cret\x00", "s3cretż"])
def test_a_token_that_no_header_can_have_is_refused_without_being_told(
    airflow: AirflowWorker, proxy: FaultProxy, token: str
) -> None:
    # A connection: an environment variable cannot hold each of them.
    connection = {"AIRFLOW_CONN_M": f"http://:{quote(token)}@x"}
    with pytest.raises(OperatorFailed) as failure:
        Operators(airflow, proxy.url, {"type": "connection", "connection": "m"}, connection).start(
            "e"
        )

    assert failure.value.message == (
        "Airflow connection 'm': the token for MLflow has characters that no token has."
    )
    assert "s3cret" not in failure.value.trace
    assert proxy.requests == []


def test_no_secret_is_told_by_any_failure(airflow: AirflowWorker) -> None:
    replies = [Reply(500), Reply(401), Reply(403), Reply(302), Reply(200), Reply(404, {})]
    uris = [f"http://127.0.0.1:{free_port()}", f"https://127.0.0.1:{free_port()}"]
    variables = {USER: "u", WORD: SECRET}
    for uri in uris:
        _tells_nothing(Operators(airflow, uri, VARS, variables))
    for reply in replies:
        with WebServer(lambda _, reply=reply: reply) as server:  # type: ignore[misc]
            _tells_nothing(Operators(airflow, server.url, VARS, variables))
            _tells_nothing(Operators(airflow, server.url, VARS, {TOKEN: "s3cret"}))
            assert len(_sent(server)) == 2


def _tells_nothing(operators: Operators) -> None:
    with pytest.raises(OperatorFailed) as failure:
        operators.start("e")
    told = "\n".join([failure.value.message, failure.value.trace, *failure.value.log])
    assert "s3cret" not in told
    assert _basic("u", SECRET) not in told


def test_a_redirect_does_not_take_the_credentials_elsewhere(airflow: AirflowWorker) -> None:
    with WebServer(lambda _: Reply(200, {})) as other:
        where = {"Location": f"{other.url}/login"}
        with WebServer(lambda _: Reply(307, b"", where)) as server:
            with pytest.raises(OperatorFailed, match="answered 307"):
                Operators(airflow, server.url, VARS, {TOKEN: "abc"}).start("e")
            assert _sent(server) == {"Bearer abc"}
        assert other.requests == []


@pytest.mark.parametrize(
    ("authentication", "sent"),
    [(VARS, "Bearer abc"), ({}, _basic("somebody", "else"))],
    ids=["configured", "nothing configured"],
)
def test_a_netrc_of_the_worker_counts_only_where_nothing_is_configured(
    airflow: AirflowWorker,
    proxy: FaultProxy,
    tmp_path: Path,
    authentication: Mapping[str, Any],
    sent: str,
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password else\n")
    netrc.chmod(0o600)
    variables = {"NETRC": str(netrc), TOKEN: "abc"}

    Operators(airflow, proxy.url, authentication, variables).start(new_experiment())

    assert _sent(proxy) == {sent}


@pytest.fixture(name="google")
def _google() -> Iterator[GoogleAccounts]:
    with GoogleAccounts() as google:
        yield google


def _has_google_auth(airflow: AirflowWorker) -> bool:
    return bool(airflow.call("has_module", "google.auth"))


@pytest.mark.parametrize("audience", ["", "1234.apps.example.com"])
def test_a_key_file_of_google_gives_a_token_for_the_audience(
    airflow: AirflowWorker,
    proxy: FaultProxy,
    google: GoogleAccounts,
    tmp_path: Path,
    audience: str,
) -> None:
    if not _has_google_auth(airflow):
        pytest.skip("this Airflow's Python has no google-auth: the test after the next is for it")
    authentication = {"type": "google", **({"audience": audience} if audience else {})}
    variables = {"GOOGLE_APPLICATION_CREDENTIALS": str(google.key_file(tmp_path))}
    operators = Operators(airflow, proxy.url, authentication, variables)

    _, log = operators.start(new_experiment())

    (token,) = google.tokens
    assert _sent(proxy) == {f"Bearer {token}"}
    assert google.audiences == [audience or proxy.url]
    assert token not in "\n".join(log)


def test_the_metadata_server_of_the_machine_gives_a_token(
    airflow: AirflowWorker,
    airflow_python: Path,
    proxy: FaultProxy,
    google: GoogleAccounts,
    tmp_path: Path,
) -> None:
    if not _has_google_auth(airflow):
        pytest.skip("this Airflow's Python has no google-auth: the next test is for it")
    worker = AirflowWorker(airflow_python, tmp_path, (), **google.metadata_variables)
    try:
        Operators(worker, proxy.url, {"type": "google"}).start(new_experiment())
    finally:
        worker.stop()

    assert _sent(proxy) == {f"Bearer {google.tokens[0]}"}
    assert google.audiences == [proxy.url]


def test_an_airflow_without_google_auth_says_what_it_lacks(
    airflow: AirflowWorker, proxy: FaultProxy
) -> None:
    operators = Operators(
        airflow, proxy.url, {"type": "google"}, missing=("google.auth.exceptions",)
    )
    with pytest.raises(OperatorFailed) as failure:
        operators.start("e")

    assert failure.value.message == (
        "A Google token for MLflow needs the package google-auth on Airflow's workers."
    )
    assert proxy.requests == []


@pytest.mark.parametrize("content", [None, "no JSON", '{"type": "service_account"}', "{}"])
def test_a_worker_without_a_google_account_says_so(
    airflow: AirflowWorker, proxy: FaultProxy, tmp_path: Path, content: str | None
) -> None:
    if not _has_google_auth(airflow):
        pytest.skip("this Airflow's Python has no google-auth")
    if content is not None:
        (tmp_path / "key.json").write_text(content)
    variables = {
        "GOOGLE_APPLICATION_CREDENTIALS": str(tmp_path / "key.json"),
        "GCE_METADATA_IP": f"127.0.0.1:{free_port()}",
    }
    with pytest.raises(OperatorFailed) as failure:
        Operators(airflow, proxy.url, {"type": "google"}, variables).start("e")

    assert failure.value.kind == "RuntimeError"
    assert failure.value.message.startswith(f"There is no Google id token for '{proxy.url}' on")
    assert proxy.requests == []
