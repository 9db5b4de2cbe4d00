"""MLflow in a pod finds the plugin's Google tokens, and sends them."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.airflow.airflow_api.fault_proxy import FaultProxy
from tests.kedro.pod.kedro_processes import pod_environment
from tests.kedro.pod.mlflow_pods import make_pods
from tests.support.google_accounts import GoogleAccounts
from tests.support.mlflow_servers import MLFLOW_PYTHON, MlflowServer, needs_mlflow
from tests.support.storage_servers import free_port

pytestmark = needs_mlflow

AUDIENCE = "1234.apps.example.com"


@pytest.fixture(name="proxy")
def _proxy(mlflow_server: MlflowServer) -> Iterator[FaultProxy]:
    """A server that tells what it was sent."""
    with FaultProxy(mlflow_server.url) as proxy:
        yield proxy


@pytest.fixture(name="google")
def _google() -> Iterator[GoogleAccounts]:
    with GoogleAccounts() as google:
        yield google


def _variables(proxy: FaultProxy, google: GoogleAccounts) -> dict[str, str]:
    return {
        **google.metadata_variables,
        "MLFLOW_TRACKING_URI": proxy.url,
        "MLFLOW_TRACKING_AUTH": "kedro-airflow-k8s-google",
        "KEDRO_AIRFLOW_K8S_MLFLOW_AUDIENCE": AUDIENCE,
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }


def _python(code: str, variables: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(MLFLOW_PYTHON), "-c", code],
        env=pod_environment(variables),
        capture_output=True,
        text=True,
        check=False,
    )


def _sent(proxy: FaultProxy) -> list[str | None]:
    return [request.headers.get("Authorization") for request in proxy.requests]


def test_a_task_sends_one_token_of_its_account_with_everything_it_logs(
    proxy: FaultProxy, google: GoogleAccounts, mlflow_server: MlflowServer, tmp_path: Path
) -> None:
    pods = make_pods(tmp_path / "project", mlflow_server)

    output = pods.execute("--nodes=report", **_variables(proxy, google))

    assert pods.run.metrics == {"score": 0.75}
    found = mlflow_server.call("GET", "artifacts/list", run_id=pods.run_id)
    assert [file["path"] for file in found["files"]] == ["report.txt"]
    (token,) = google.tokens
    assert google.audiences == [AUDIENCE]
    assert set(_sent(proxy)) == {f"Bearer {token}"}
    assert token not in output


OLD = """
import datetime, mlflow
from google.auth import _helpers

client, utcnow, later = mlflow.MlflowClient(), _helpers.utcnow, 0
_helpers.utcnow = lambda: utcnow() + datetime.timedelta(seconds=later)
for later in (0, 1, 3300, 3400):
    client.get_experiment_by_name("Default")
"""


def test_a_token_is_renewed_before_it_ends(proxy: FaultProxy, google: GoogleAccounts) -> None:
    # Google's are good for 3600 seconds.
    done = _python(OLD, _variables(proxy, google))

    assert done.returncode == 0, done.stderr
    first, second = (f"Bearer {token}" for token in google.tokens)
    assert _sent(proxy) == [first, first, first, second]


THREADS = """
import mlflow
from concurrent.futures import ThreadPoolExecutor

client = mlflow.MlflowClient()
with ThreadPoolExecutor(8) as pool:
    list(pool.map(client.get_experiment_by_name, ["Default"] * 8))
"""


def test_threads_share_a_token(proxy: FaultProxy, google: GoogleAccounts) -> None:
    done = _python(THREADS, _variables(proxy, google))

    assert done.returncode == 0, done.stderr
    (token,) = google.tokens
    assert _sent(proxy) == [f"Bearer {token}"] * 8


ONE = "import mlflow; mlflow.MlflowClient().get_experiment_by_name('Default')"


def test_an_image_without_google_auth_says_what_it_lacks(
    proxy: FaultProxy, google: GoogleAccounts
) -> None:
    code = f"import sys; sys.modules['google.auth.transport.requests'] = None; {ONE}"

    done = _python(code, _variables(proxy, google))

    assert done.returncode == 1
    # MLflow puts its own words before it.
    assert done.stderr.splitlines()[-1].endswith(
        "google-auth is not installed in the image. MLflow needs a Google token"
        " (run_config.mlflow.authentication). Add google-auth to requirements.txt."
    )
    assert proxy.requests == []


def test_a_pod_without_a_google_account_says_how_it_gets_one(
    proxy: FaultProxy, google: GoogleAccounts
) -> None:
    nowhere = {"GCE_METADATA_IP": f"127.0.0.1:{free_port()}"}

    done = _python(ONE, {**_variables(proxy, google), **nowhere})

    assert done.returncode == 1
    assert f"There is no Google id token for '{AUDIENCE}' in this pod" in done.stderr
    assert "run_config.service_account_name" in done.stderr
    assert proxy.requests == []


def test_without_the_dag_mlflow_sends_nothing(proxy: FaultProxy, google: GoogleAccounts) -> None:
    variables = _variables(proxy, google)
    del variables["MLFLOW_TRACKING_AUTH"], variables["KEDRO_AIRFLOW_K8S_MLFLOW_AUDIENCE"]

    done = _python(ONE, variables)

    assert done.returncode == 0, done.stderr
    assert _sent(proxy) == [None]
    assert google.tokens == []
