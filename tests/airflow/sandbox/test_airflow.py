"""The files of an Airflow of the sandbox, before any of its services runs."""

from __future__ import annotations

import stat
import subprocess
import sys
from pathlib import Path, PurePosixPath

import pytest

from kedro_airflow_k8s.errors import SandboxError
from kedro_airflow_k8s.sandbox.airflow import AirflowPython, AirflowServer
from kedro_airflow_k8s.sandbox.folder import SandboxFolder
from kedro_airflow_k8s.sandbox.spec import SandboxSpec
from tests.support.airflow_environments import AIRFLOW_PYTHONS

VERSION = "3.3.2"
PATIENCE = """
from airflow import settings
from sqlalchemy import text
if settings.engine is None:
    settings.configure_orm()
with settings.engine.connect() as connection:
    print("waits for", connection.execute(text("PRAGMA busy_timeout")).scalar(), "ms")
"""


def server_of(folder: SandboxFolder, *, triggerer: bool = False) -> AirflowServer:
    folder.create()
    folder.create_airflow_home(VERSION)
    spec = SandboxSpec(
        project=folder.project,
        connection="kubernetes_default",
        home=PurePosixPath("/home/kedro"),
        namespace="team",
        triggerer=triggerer,
    )
    return AirflowServer(AirflowPython(Path(sys.executable), VERSION), folder, spec, 8080)


@pytest.fixture
def server(tmp_path: Path) -> AirflowServer:
    return server_of(SandboxFolder(tmp_path))


def test_airflows_files_are_for_this_user_alone(server: AirflowServer, tmp_path: Path) -> None:
    assert stat.S_IMODE(server.home.stat().st_mode) == 0o700
    assert stat.S_IMODE((server.home / "keys.json").stat().st_mode) == 0o600
    server.home.chmod(0o755)  # As earlier versions have made it.

    again = server_of(SandboxFolder(tmp_path))

    assert again.keys == server.keys
    assert stat.S_IMODE(server.home.stat().st_mode) == 0o700


@pytest.mark.parametrize("content", [b"", b"something else than a database" * 100])
def test_only_a_database_is_kept(
    server: AirflowServer, content: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    cached = tmp_path / f"cache/kedro-airflow-k8s/airflow-{VERSION}-admin.db"
    cached.parent.mkdir(parents=True)
    cached.write_bytes(b"SQLite format 3\0, empty")
    database = server.home / "airflow.db"
    database.write_bytes(content)

    server.create_database()

    assert database.read_bytes() == cached.read_bytes()
    database.write_bytes(b"SQLite format 3\0, with records")
    server.create_database()
    assert database.read_bytes() == b"SQLite format 3\0, with records"


def test_a_database_that_cannot_be_opened_is_named_and_not_made_again(
    server: AirflowServer,
) -> None:
    (server.home / "airflow.db").mkdir()
    with pytest.raises(SandboxError, match=r"airflow\.db cannot be opened"):
        server.prepare()


def test_a_triggerer_runs_only_where_tasks_are_deferrable(
    server: AirflowServer, tmp_path: Path
) -> None:
    assert "triggerer" not in server.commands()
    assert "triggerer" in server_of(SandboxFolder(tmp_path), triggerer=True).commands()


def test_the_connection_names_no_kubeconfig_which_a_deferrable_task_could_not_have(
    server: AirflowServer,
) -> None:
    # The worker passes the content of KUBECONFIG to the triggerer, which refuses two sources.
    assert "kube_config" not in server.environment["AIRFLOW_CONN_KUBERNETES_DEFAULT"]
    assert Path(server.environment["KUBECONFIG"]).name == "kubeconfig"


@pytest.mark.parametrize("python", AIRFLOW_PYTHONS)
@pytest.mark.parametrize(("service", "patience"), [("scheduler", 60_000), ("api-server", 5_000)])
def test_only_the_api_server_gives_up_soon_when_another_process_writes_to_the_database(
    server: AirflowServer, python: Path, service: str, patience: int
) -> None:
    environment = {**server.environment, **server.patience().get(service, {})}
    command = [str(python), "-c", PATIENCE]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert f"waits for {patience} ms" in done.stdout
