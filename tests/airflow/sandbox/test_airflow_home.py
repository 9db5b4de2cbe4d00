"""The database of the sandbox's Airflow survives what happens to its processes."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from kedro_airflow_k8s.errors import SandboxError
from kedro_airflow_k8s.sandbox.airflow_home import AirflowHome

# Dies in the middle of a change that is too large for memory, so that the file has half of it.
KILLED_WRITER = """
import os, signal, sqlite3, sys
database = sqlite3.connect(sys.argv[1], isolation_level=None)
database.execute("CREATE TABLE task_instance (text)")
database.execute("PRAGMA cache_size = 1")
database.execute("BEGIN")
for _ in range(1000):
    database.execute("INSERT INTO task_instance VALUES (?)", ("x" * 1000,))
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def home(tmp_path: Path) -> AirflowHome:
    versions = ("3.3.2", "10.25.0")
    return AirflowHome(Path(sys.executable), tmp_path, tmp_path / "k", "kubernetes", versions)


def test_records_are_kept_where_a_process_was_killed_while_it_wrote_some(
    home: AirflowHome,
) -> None:
    file = home.home / "airflow.db"
    died = subprocess.run([sys.executable, "-c", KILLED_WRITER, file], check=False)
    assert died.returncode == -signal.SIGKILL
    assert file.with_name("airflow.db-journal").exists()

    assert home.has_database()

    with contextlib.closing(home.open_database()) as database:
        assert database.execute("SELECT count(*) FROM task_instance").fetchone() == (0,)


@pytest.mark.parametrize("content", [b"", b"no database at all, but something else" * 100])
def test_what_is_no_database_is_not_taken_for_one(home: AirflowHome, content: bytes) -> None:
    assert not home.has_database()
    (home.home / "airflow.db").write_bytes(content)
    assert not home.has_database()


def test_a_database_that_cannot_be_opened_is_named_and_not_made_anew(home: AirflowHome) -> None:
    (home.home / "airflow.db").mkdir()
    with pytest.raises(SandboxError, match=r"airflow\.db cannot be opened"):
        home.has_database()
