"""Real Airflow servers for tests: the web server, the scheduler and what parses the DAG files."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
import requests
from filelock import FileLock

from tests.airflow_environments import AIRFLOW_PYTHONS
from tests.storage_servers import free_port

START_SECONDS = 180
STOP_SECONDS = 20
USERNAME = "admin"

# Short intervals, so that tests wait for Airflow as little as they can. The one for writing
# serialized DAGs stays far above the one for parsing: what a user meets is kept, only quicker.
COMMON = {
    "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
    "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
    "AIRFLOW__CORE__MIN_SERIALIZED_DAG_UPDATE_INTERVAL": "5",
    "AIRFLOW__CORE__MIN_SERIALIZED_DAG_FETCH_INTERVAL": "1",
    "AIRFLOW__CORE__UNIT_TEST_MODE": "False",
    "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.2",
    "AIRFLOW__SCHEDULER__JOB_HEARTBEAT_SEC": "1",
    "AIRFLOW__LOGGING__LOGGING_LEVEL": "INFO",
    "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
    "NO_COLOR": "1",
}
AIRFLOW2 = {
    "AIRFLOW__CORE__EXECUTOR": "SequentialExecutor",
    "AIRFLOW__API__AUTH_BACKENDS": "airflow.providers.fab.auth_manager.api.auth.backend.basic_auth",
    "AIRFLOW__SCHEDULER__DAG_DIR_LIST_INTERVAL": "2",
    "AIRFLOW__SCHEDULER__MIN_FILE_PROCESS_INTERVAL": "1",
    "AIRFLOW__WEBSERVER__WORKERS": "2",
}
AIRFLOW3 = {
    "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
    "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": f"{USERNAME}:admin",
    "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "2",
    "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "1",
    "AIRFLOW__DAG_PROCESSOR__BUNDLE_REFRESH_CHECK_INTERVAL": "1",
}


@dataclass(frozen=True)
class AirflowServer:
    """A running Airflow.

    Attributes:
        major: 2 or 3.
        url: Its base address.
        username: A user who may do everything.
        password: That user's.
        dags: The folder that Airflow reads its DAGs from.
        home: Its home, with a file of logs for each of its services.
    """

    major: int
    url: str
    username: str
    password: str
    dags: Path
    home: Path


@pytest.fixture(scope="session", params=AIRFLOW_PYTHONS)
def airflow_server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[AirflowServer]:
    """One server of each version for all tests of a process."""
    python: Path = request.param
    home = tmp_path_factory.mktemp("airflow")
    with running_airflow(python, home, request.config.cache.mkdir("airflow-home")) as server:
        yield server


@contextlib.contextmanager
def running_airflow(python: Path, home: Path, templates: Path) -> Iterator[AirflowServer]:
    """Runs Airflow until the block ends; enters when it answers and all its services live.

    Args:
        python: The interpreter that has Airflow.
        home: An empty folder for AIRFLOW_HOME.
        templates: Where migrated databases are kept, to be copied the next time.
    """
    version = _airflow_version(python)
    major = int(version.partition(".")[0])
    url = f"http://127.0.0.1:{free_port()}"
    password = secrets.token_urlsafe(12)
    dags = home / "dags"
    dags.mkdir()
    environment = _environment(major, home, url)
    airflow = [str(python), "-m", "airflow"]
    database = _migrated_database(airflow, version, environment, templates)
    shutil.copy(database, home / "airflow.db")
    if major == 2:
        # Hashing a new password needs Airflow's own code, which takes longer than anything here.
        user = ["users", "create", "-u", USERNAME, "-p", password, "-r", "Admin"]
        user += ["-e", "admin@example.com", "-f", "Ada", "-l", "Admin"]
        _run([*airflow, *user], environment)
    else:
        passwords = home / "simple_auth_manager_passwords.json.generated"
        passwords.write_text(json.dumps({USERNAME: password}))
    with contextlib.ExitStack() as services:
        for command in _services(major, url):
            log = home / f"{command[0]}.log"
            services.enter_context(_service([*airflow, *command], environment, log))
        _wait_until_healthy(url, major, home)
        yield AirflowServer(major, url, USERNAME, password, dags, home)


def _services(major: int, url: str) -> list[list[str]]:
    port = url.rpartition(":")[2]
    if major == 2:
        return [["webserver", "--hostname", "127.0.0.1", "--port", port], ["scheduler"]]
    server = ["api-server", "--host", "127.0.0.1", "--port", port, "--workers", "1"]
    return [server, ["scheduler"], ["dag-processor"]]


def _environment(major: int, home: Path, url: str) -> dict[str, str]:
    inherited = {
        name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")
    }
    specific = AIRFLOW2
    if major > 2:
        specific = {
            **AIRFLOW3,
            "AIRFLOW__API__BASE_URL": url,
            "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{url}/execution/",
            "AIRFLOW__API_AUTH__JWT_SECRET": secrets.token_hex(32),
            "AIRFLOW__API__SECRET_KEY": secrets.token_hex(16),
        }
    return {
        **inherited,
        **COMMON,
        **specific,
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(home / "dags"),
        "AIRFLOW__WEBSERVER__SECRET_KEY": secrets.token_hex(16),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home / 'airflow.db'}",
    }


def _airflow_version(python: Path) -> str:
    code = "from importlib.metadata import version; print(version('apache-airflow'))"
    return subprocess.check_output([str(python), "-c", code], text=True).strip()


def _migrated_database(
    airflow: list[str], version: str, environment: dict[str, str], templates: Path
) -> Path:
    """A database with all tables and nothing in them, made once for each version."""
    finished = templates / f"{version}.db"
    with FileLock(templates / f"{version}.lock"):
        if not finished.exists():
            home = templates / f"{version}-home"
            shutil.rmtree(home, ignore_errors=True)
            home.mkdir()
            made = home / "airflow.db"
            own = {
                "AIRFLOW_HOME": str(home),
                "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{made}",
            }
            _run([*airflow, "db", "migrate"], {**environment, **own})
            made.replace(finished)
            shutil.rmtree(home)
    return finished


def _run(command: list[str], environment: dict[str, str]) -> None:
    done = subprocess.run(command, check=False, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{command[3:5]} failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")


@contextlib.contextmanager
def _service(command: list[str], environment: dict[str, str], log: Path) -> Iterator[None]:
    """Runs a service in a session of its own, and in the end stops all that is in this session."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield
    finally:
        # Airflow's services have children in process groups of their own: the session has all.
        members = _session_members(process.pid)
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(STOP_SECONDS)
        for pid in members | _session_members(process.pid):
            with contextlib.suppress(ProcessLookupError):
                if os.getsid(pid) == process.pid:
                    os.kill(pid, signal.SIGKILL)
        process.wait()


def _session_members(leader: int) -> set[int]:
    members = set()
    for pid in psutil.pids():
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if os.getsid(pid) == leader:
                members.add(pid)
    return members


def _wait_until_healthy(url: str, major: int, home: Path) -> None:
    path = "api/v1/health" if major == 2 else "api/v2/monitor/health"
    wanted = {"scheduler"} if major == 2 else {"scheduler", "dag_processor"}
    deadline = time.monotonic() + START_SECONDS
    while True:
        with contextlib.suppress(requests.RequestException, ValueError):
            health = requests.get(f"{url}/{path}", timeout=5).json()
            if all((health.get(part) or {}).get("status") == "healthy" for part in wanted):
                return
        if time.monotonic() > deadline:
            logs = [f"{log.name}:\n{log.read_text()[-2000:]}" for log in home.glob("*.log")]
            raise RuntimeError("Airflow did not start:\n" + "\n".join(logs))
        time.sleep(0.1)  # between two looks at the server, not for a test to pass
