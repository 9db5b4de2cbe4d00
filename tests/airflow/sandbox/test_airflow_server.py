"""The files of the Airflow that `sandbox up` starts, before any of its services runs."""

from __future__ import annotations

import contextlib
import sqlite3
import stat
import sys
from pathlib import Path

import pytest

from kedro_airflow_k8s.errors import SandboxError
from kedro_airflow_k8s.sandbox.airflow_server import AirflowServer
from kedro_airflow_k8s.sandbox.folder import SandboxFolder

RECORDS = """
CREATE TABLE task_instance (state TEXT, end_date TEXT);
CREATE TABLE dag_run (state TEXT, end_date TEXT);
CREATE TABLE ab_user (username TEXT, password TEXT);
INSERT INTO dag_run (state) VALUES ('success');
"""


@pytest.fixture
def server(tmp_path: Path) -> AirflowServer:
    folder = SandboxFolder(tmp_path)
    folder.create()
    return AirflowServer(Path(sys.executable), folder, "kubernetes_default", 8080, {})


def write_records(server: AirflowServer, sql: str) -> None:
    with contextlib.closing(sqlite3.connect(server.home / "airflow.db")) as records, records:
        records.executescript(sql)


def test_airflows_files_are_for_this_user_alone(server: AirflowServer) -> None:
    assert stat.S_IMODE(server.home.stat().st_mode) == 0o700
    server.home.chmod(0o755)  # As earlier versions have made it.

    again = AirflowServer(server.python, server.folder, "kubernetes_default", 8080, {})

    assert again.keys == server.keys
    assert stat.S_IMODE(server.home.stat().st_mode) == 0o700


@pytest.mark.parametrize(
    ("count", "said"),
    [
        (0, []),
        (1, ["1 DAG run that did not end before the sandbox did is marked as failed."]),
        (2, ["2 DAG runs that did not end before the sandbox did are marked as failed."]),
    ],
)
def test_runs_that_did_not_end_are_told(server: AirflowServer, count: int, said: list[str]) -> None:
    write_records(server, RECORDS + "INSERT INTO dag_run (state) VALUES ('running');" * count)
    told: list[str] = []

    server.prepare(told.append)

    assert told == said
    with contextlib.closing(server.open_database()) as records:
        states = [state for (state,) in records.execute("SELECT state FROM dag_run")]
    assert sorted(states) == ["failed"] * count + ["success"]


def test_records_that_cannot_be_used_are_named(server: AirflowServer) -> None:
    write_records(server, "CREATE TABLE task_instance (id TEXT)")

    with pytest.raises(SandboxError, match=rf"{server.home}/airflow.db cannot be used: no such"):
        server.prepare(print)
