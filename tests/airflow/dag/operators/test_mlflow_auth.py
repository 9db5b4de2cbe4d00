"""The credentials that Airflow's workers send to MLflow, which nothing else may show."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.airflow.airflow_api.web_server import Reply, WebServer
from tests.airflow.dag.operators.airflow_process import AirflowWorker, OperatorFailed
from tests.airflow.dag.operators.mlflow_operators import MlflowTasks, new_experiment, small_mlflow
from tests.support.google_accounts import GoogleAccounts
from tests.support.mlflow_servers import ADMIN, PASSWORD, MlflowServer, mlflow_server, needs_mlflow
from tests.support.storage_servers import free_port

NAMES = [f"MLFLOW_TRACKING_{name}" for name in ("USERNAME", "PASSWORD", "TOKEN")]
USER, WORD, TOKEN = (f"AIRFLOW_VAR_{name}" for name in NAMES)
VARS = ["mlflow_vars", *NAMES]
CONNECTION = ["mlflow_connection", "m"]
SECRET = "s3cret-ż"


@pytest.fixture(name="server")
def _server() -> Iterator[WebServer]:
    with WebServer(small_mlflow) as server:
        yield server


def _sent(server: WebServer) -> set[str | None]:
    """Which credentials came with the requests."""
    return {request.headers.get("Authorization") for request in server.requests}


def _basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def _uri(*parts: str) -> str:
    return "http://{}:{}@x".format(*(quote(part, safe="") for part in parts))


@pytest.fixture(name="guarded", scope="session")
def _guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MlflowServer]:
    """A server that requires a name and a password."""
    with mlflow_server(tmp_path_factory.mktemp("guarded"), basic_auth=True) as server:
        yield server


@needs_mlflow
def test_a_server_with_basic_auth_takes_the_credentials_or_tells_where_they_belong(
    airflow: AirflowWorker, guarded: MlflowServer
) -> None:
    variables = {USER: ADMIN, WORD: f"{PASSWORD}\n"}
    tasks = MlflowTasks(airflow, guarded.url, VARS, variables)
    run_id, log = tasks.start(new_experiment())
    status, more = tasks.end(run_id)
    assert status == guarded.run(run_id).status == "FINISHED"
    assert PASSWORD not in "\n".join([run_id, status, *log, *more])

    with pytest.raises(OperatorFailed, match="answered 401: You are not authenticated") as failure:
        MlflowTasks(airflow, guarded.url, VARS, {USER: ADMIN, WORD: SECRET}).start("e")
    assert failure.value.message.endswith(
        "Set run_config.mlflow.authentication to an account with this permission."
    )
    assert "s3cret" not in failure.value.trace


@pytest.mark.parametrize(
    ("auth", "environment", "sent"),
    [
        # Variables that the configuration does not name.
        ([], {USER: "u", WORD: "p", TOKEN: "t"}, None),
        (VARS, {USER: "u", WORD: "p:ż\n"}, _basic("u", "p:ż")),
        (VARS, {TOKEN: "abc\r\n"}, "Bearer abc"),
        (VARS, {USER: "u", WORD: "", TOKEN: "abc"}, "Bearer abc"),
        # As MLflow in the pods does.
        (VARS, {USER: "u", WORD: "p", TOKEN: "abc"}, _basic("u", "p")),
        (["mlflow_vars", NAMES[2]], {USER: "u", WORD: "p", TOKEN: "abc"}, "Bearer abc"),
        (CONNECTION, {"AIRFLOW_CONN_M": _uri("", "abc")}, "Bearer abc"),
        (CONNECTION, {"AIRFLOW_CONN_M": _uri("u", "p")}, _basic("u", "p")),
    ],
)
def test_what_is_sent_is_what_the_configuration_names(
    airflow: AirflowWorker,
    server: WebServer,
    auth: list[str],
    environment: dict[str, str],
    sent: str | None,
) -> None:
    tasks = MlflowTasks(airflow, server.url, auth, environment)

    tasks.end(tasks.start("e")[0])

    assert _sent(server) == {sent}


@pytest.mark.parametrize(
    ("auth", "environment", "words"),
    [
        (
            VARS,
            {USER: "u", WORD: ""},
            f"Airflow variables {', '.join(NAMES)} have neither user and password nor a token",
        ),
        (VARS, {WORD: SECRET}, "have neither user and password nor a token"),
        (CONNECTION, {"AIRFLOW_CONN_M": _uri("u", "")}, "Airflow connection 'm' has no password"),
        (CONNECTION, {}, "isn't defined"),
        # None of these can be sent.
        (CONNECTION, {"AIRFLOW_CONN_M": _uri("", "s3cret\nX: y")}, "contains an invalid character"),
        (CONNECTION, {"AIRFLOW_CONN_M": _uri("", "s3cret\x00")}, "contains an invalid character"),
        (VARS, {TOKEN: SECRET}, "The token for MLflow contains an invalid character."),
    ],
)
def test_credentials_that_are_missing_or_impossible_are_reported_and_not_shown(
    airflow: AirflowWorker,
    server: WebServer,
    auth: list[str],
    environment: dict[str, str],
    words: str,
) -> None:
    with pytest.raises(OperatorFailed, match=words) as failure:
        MlflowTasks(airflow, server.url, auth, environment).start("e")

    assert "s3cret" not in failure.value.trace
    assert server.requests == []


def test_no_secret_is_shown_by_any_failure(airflow: AirflowWorker) -> None:
    addresses = [f"http://127.0.0.1:{free_port()}", f"https://127.0.0.1:{free_port()}"]
    for uri in addresses:
        _shows_nothing(MlflowTasks(airflow, uri, VARS, {USER: "u", WORD: SECRET}))
    for status in (200, 302, 401, 403, 404, 500):
        with WebServer(lambda _, status=status: Reply(status)) as server:  # type: ignore[misc]
            _shows_nothing(MlflowTasks(airflow, server.url, VARS, {USER: "u", WORD: SECRET}))
            _shows_nothing(MlflowTasks(airflow, server.url, VARS, {TOKEN: "s3cret"}))
            assert _sent(server) == {_basic("u", SECRET), "Bearer s3cret"}


def _shows_nothing(tasks: MlflowTasks) -> None:
    with pytest.raises(OperatorFailed) as failure:
        tasks.start("e")
    told = "\n".join([failure.value.message, failure.value.trace, *failure.value.log])
    assert "s3cret" not in told
    assert _basic("u", SECRET).removeprefix("Basic ") not in told


def test_a_redirect_does_not_take_the_credentials_elsewhere(airflow: AirflowWorker) -> None:
    with WebServer(small_mlflow) as other:
        where = {"Location": f"{other.url}/login"}
        with WebServer(lambda _: Reply(307, b"", where)) as server:
            with pytest.raises(OperatorFailed, match="answered 307"):
                MlflowTasks(airflow, server.url, VARS, {TOKEN: "abc"}).start("e")
            assert _sent(server) == {"Bearer abc"}
        assert other.requests == []


@pytest.mark.parametrize(
    ("auth", "sent"),
    [(VARS, "Bearer abc"), ([], _basic("another", "else"))],
    ids=["configured", "nothing configured"],
)
def test_a_netrc_of_the_worker_counts_only_where_nothing_is_configured(
    airflow: AirflowWorker, server: WebServer, tmp_path: Path, auth: list[str], sent: str
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login another password else\n")
    netrc.chmod(0o600)

    MlflowTasks(airflow, server.url, auth, {"NETRC": str(netrc), TOKEN: "abc"}).start("e")

    assert _sent(server) == {sent}


@pytest.fixture(name="google")
def _google() -> Iterator[GoogleAccounts]:
    with GoogleAccounts() as google:
        yield google


def _needs_google_auth(airflow: AirflowWorker) -> None:
    if not airflow.call("has_module", "google.auth"):
        pytest.skip("this Airflow's Python has no google-auth: another test is for that")


def test_a_google_account_of_the_worker_gives_one_token_for_the_audience(
    airflow: AirflowWorker, server: WebServer, google: GoogleAccounts, tmp_path: Path
) -> None:
    _needs_google_auth(airflow)
    key = {"GOOGLE_APPLICATION_CREDENTIALS": str(google.key_file(tmp_path))}

    _, log = MlflowTasks(airflow, server.url, ["mlflow_google", "1234.apps"], key).start("e")

    (token,) = google.tokens
    assert _sent(server) == {f"Bearer {token}"}
    assert google.audiences == ["1234.apps"]
    assert token not in "\n".join(log)


def test_an_airflow_without_google_auth_tells_what_it_lacks(
    airflow: AirflowWorker, server: WebServer
) -> None:
    lacking = ("google.auth.exceptions",)
    tasks = MlflowTasks(airflow, server.url, ["mlflow_google", "a"], missing=lacking)
    with pytest.raises(OperatorFailed) as failure:
        tasks.start("e")

    assert failure.value.message == "MLflow needs google-auth on Airflow's workers."
    assert server.requests == []


@pytest.mark.parametrize("content", [None, '{"type": "service_account"}'])
def test_a_worker_without_a_google_account_tells_so(
    airflow: AirflowWorker, server: WebServer, tmp_path: Path, content: str | None
) -> None:
    _needs_google_auth(airflow)
    if content is not None:
        (tmp_path / "key.json").write_text(content)
    variables = {
        "GOOGLE_APPLICATION_CREDENTIALS": str(tmp_path / "key.json"),
        "GCE_METADATA_IP": f"127.0.0.1:{free_port()}",
    }
    with pytest.raises(OperatorFailed) as failure:
        MlflowTasks(airflow, server.url, ["mlflow_google", "a"], variables).start("e")

    assert failure.value.message.startswith("Airflow's worker cannot get a Google ID token")
    assert server.requests == []
