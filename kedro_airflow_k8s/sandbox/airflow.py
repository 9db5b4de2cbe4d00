"""An Airflow of the sandbox: its home folder, settings, SQLite database and services."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import requests
import semver

from kedro_airflow_k8s.errors import SandboxError
from kedro_airflow_k8s.pod.atomic import atomic_write
from kedro_airflow_k8s.sandbox.folder import SandboxFolder
from kedro_airflow_k8s.sandbox.locks import cache_folder
from kedro_airflow_k8s.sandbox.spec import LOOK_SECONDS, SandboxSpec

KUBERNETES_PROVIDER = "apache-airflow-providers-cncf-kubernetes"
IN_AIRFLOW = Path(__file__).parent / "in_airflow"
USERNAME = "admin"

_DAG_PROCESSOR, _SCHEDULER, _TRIGGERER = "dag-processor", "scheduler", "triggerer"
_DATABASE = "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"
_REQUEST_SECONDS = 5.0
_VERSIONS = f"""
import importlib.metadata as m, json
found = {{d.metadata["Name"].lower(): d.version for d in m.distributions() if d.metadata["Name"]}}
print(json.dumps([found.get("apache-airflow"), found.get("{KUBERNETES_PROVIDER}")]))
"""
# Variables and connections are the user's input. Other settings of the user's Airflow would change
# the sandbox.
_KEPT_AIRFLOW_VARIABLES = ("AIRFLOW_VAR_", "AIRFLOW_CONN_")
# These would mislead another Python. Inside a pod, Airflow would use that pod's own cluster.
_DROPPED_VARIABLES = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "KUBERNETES_SERVICE_HOST")


@dataclass(frozen=True)
class AirflowPython:
    """A Python that has Airflow.

    Attributes:
        path: The interpreter.
        version: The version of Airflow.
        provider: The version of its Kubernetes provider.
    """

    path: Path
    version: str
    provider: str = "unknown"

    @classmethod
    def at(cls, path: Path) -> AirflowPython:
        """Ask an interpreter for the versions it has.

        Raises:
            SandboxError: It cannot be run, or lacks Airflow or its Kubernetes provider.
        """
        try:
            done = subprocess.run(
                [path, "-c", _VERSIONS], capture_output=True, text=True, check=True, cwd="/"
            )
        except (OSError, subprocess.CalledProcessError) as error:
            raise SandboxError(f"{path} is not a Python that runs: {error}") from error
        airflow, provider = json.loads(done.stdout)
        if airflow is None or provider is None:
            missing = "apache-airflow" if airflow is None else KUBERNETES_PROVIDER
            raise SandboxError(
                f"The sandbox needs Airflow with its Kubernetes provider; {path} has no {missing}."
                " Install it with pip install 'kedro-airflow-k8s[sandbox]', or name the Python of"
                " another environment with --airflow-python."
            )
        return cls(path, airflow, provider)

    @property
    def is_3(self) -> bool:
        """Whether it is Airflow 3."""
        return semver.Version.parse(self.version, optional_minor_and_patch=True).major >= 3


class AirflowHome:
    """Airflow in a folder of its own.

    Args:
        python: The Python that has it.
        home: The folder for Airflow's files.
        dags: The folder of DAG files.
        kubeconfig: How to reach the sandbox's Kubernetes API.
        connection: The id of the Airflow connection that the DAG's tasks use to reach Kubernetes.
    """

    def __init__(
        self, python: AirflowPython, home: Path, dags: Path, kubeconfig: Path, connection: str
    ) -> None:
        self.python = python
        self.home = home
        self.dags = dags
        self.environment = self._environment(kubeconfig, connection)

    @property
    def output(self) -> Path:
        """What Airflow's commands have written."""
        return self.home / "airflow.log"

    def create_database(self) -> None:
        """Make the database unless there is one; the user's cache keeps a copy of an empty one.

        Raises:
            SandboxError: Airflow cannot create it, or an existing database cannot be read.
        """
        if _is_database(self._database):
            return
        # The new database gets its name when it is whole.
        made = self.home / "new-airflow.db"
        for file in self.home.glob(f"{made.name}*"):  # left by a killed start
            file.unlink()
        cached = cache_folder() / f"airflow-{self.python.version}-{USERNAME}.db"
        if _is_database(cached):
            shutil.copyfile(cached, made)
        else:
            for command in self._commands_for_database():
                self._call(command, made)
            with contextlib.suppress(OSError):  # Only the next start is slower.
                cached.parent.mkdir(parents=True, exist_ok=True)
                with atomic_write(cached, fsync=True) as copy:
                    copy.write(made.read_bytes())
        made.replace(self._database)

    @property
    def _database(self) -> Path:
        return self.home / "airflow.db"

    def _commands_for_database(self) -> Sequence[Sequence[str]]:
        """Return the arguments of Airflow's commands that make the database."""
        migrate = ["db", "migrate"]
        if self.python.is_3:
            return [migrate]
        names = ("--firstname", "Sandbox", "--lastname", "Admin", "--email", "admin@example.com")
        # The password of the database is not used: see webserver_config.py.
        create = ["users", "create", "--username", USERNAME, "--role", "Admin", *names]
        # The web server would take seconds for the roles at each start.
        return [migrate, ["sync-perm"], [*create, "--use-random-password"]]

    def _call(self, command: Sequence[str], database: Path) -> None:
        """Run a command of Airflow on a database.

        Raises:
            SandboxError: It fails.
        """
        with self.output.open("ab") as output:
            done = subprocess.run(
                [self.python.path, "-m", "airflow", *command],
                env={
                    **self.environment,
                    _DATABASE: f"sqlite:///{database}",
                },
                cwd=self.home,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                check=False,
            )
        if done.returncode:
            raise SandboxError(
                f"Airflow {self.python.version} cannot make its database:\n{tail(self.output)}"
            )

    def _environment(self, kubeconfig: Path, connection: str) -> dict[str, str]:
        inherited = {
            name: value
            for name, value in os.environ.items()
            if name not in _DROPPED_VARIABLES
            and (not name.startswith("AIRFLOW") or name.startswith(_KEPT_AIRFLOW_VARIABLES))
        }
        # Airflow starts itself by its name.
        path = os.pathsep.join([str(self.python.path.parent), inherited.get("PATH", os.defpath)])
        return {
            **inherited,
            "PATH": path,
            "AIRFLOW_HOME": str(self.home),
            "AIRFLOW__CORE__DAGS_FOLDER": str(self.dags),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            _DATABASE: f"sqlite:///{self._database}",
            "AIRFLOW__LOGGING__COLORED_CONSOLE_LOG": "False",
            "KUBECONFIG": str(kubeconfig),
            # The user's connection, which may lead to a real cluster, would win over KUBECONFIG. It
            # names no kubeconfig: deferrable tasks pass the content of KUBECONFIG to the triggerer,
            # which refuses to have both.
            f"AIRFLOW_CONN_{connection.upper()}": json.dumps({"conn_type": "kubernetes"}),
            "SCARF_ANALYTICS": "false",  # Nothing is sent anywhere.
            **{
                name: ",".join(filter(None, (inherited.get(name), "127.0.0.1")))
                for name in ("NO_PROXY", "no_proxy")
            },
        }


class AirflowServer(AirflowHome):
    """Airflow's services on one port of 127.0.0.1.

    Args:
        python: The Python that has Airflow.
        folder: The sandbox's folder, with a home for this Airflow.
        spec: What the sandbox is to be like.
        port: Where its web page and API are.

    Raises:
        SandboxError: The secrets of this Airflow cannot be read.
    """

    def __init__(
        self, python: AirflowPython, folder: SandboxFolder, spec: SandboxSpec, port: int
    ) -> None:
        home = folder.airflow_home(python.version)
        super().__init__(python, home, folder.dags, folder.kubeconfig, spec.connection)
        self.port = port
        self.has_triggerer = spec.triggerer
        self.keys = folder.read_keys(python.version)
        self.environment |= self._settings() | dict(spec.settings)

    @property
    def host(self) -> str:
        """The address of the web page and of the API."""
        return f"http://127.0.0.1:{self.port}"

    def commands(self) -> dict[str, list[str]]:
        """Return what starts the services, by their names, the one with the web page first."""
        python = str(self.python.path)
        web = [python, "-m", "airflow", self._web_service, "--workers", "1"]
        host = "--host" if self.python.is_3 else "--hostname"
        scheduler = [python, str(IN_AIRFLOW / "scheduler.py"), str(self._failed_runs)]
        commands = {
            self._web_service: [*web, host, "127.0.0.1", "--port", str(self.port)],
            # The server of logs would listen on all addresses; the files are here anyway.
            _SCHEDULER: [*scheduler, "scheduler", "--skip-serve-logs"],
        }
        if self.python.is_3:
            commands[_DAG_PROCESSOR] = [python, "-m", "airflow", "dag-processor"]
        if self.has_triggerer:
            commands[_TRIGGERER] = [python, "-m", "airflow", "triggerer", "--skip-serve-logs"]
        return commands

    def patience(self) -> dict[str, dict[str, str]]:
        """Return variables that let services wait a minute for the database, by their names.

        With Python's limit of 5 seconds, the scheduler can end on a busy machine. The service of
        the web page keeps this limit: Airflow 3's API server can wait for a lock that it holds.
        """
        patient = {_DATABASE: f"sqlite:///{self._database}?timeout=60"}
        return {name: patient for name in self.commands() if name != self._web_service}

    def prepare(self) -> None:
        """Write the files that the services need; none of them runs.

        Raises:
            SandboxError: Airflow cannot make its database.
        """
        self.create_database()
        # A killed process has left it, and its number may be another process's now.
        (self.home / "airflow-webserver.pid").unlink(missing_ok=True)
        self._failed_runs.unlink(missing_ok=True)
        with atomic_write(self._passwords, 0o600) as file:
            file.write(json.dumps({USERNAME: self.keys.password}).encode())

    def failed_runs(self) -> int:
        """Return how many DAG runs had not ended before, which the scheduler marked as failed."""
        return int(self._failed_runs.read_text())

    def unready(self, since: datetime) -> list[str]:
        """Return the names of the services that do not work yet.

        Args:
            since: When they were started.
        """
        try:
            health = self._health()
        except (requests.RequestException, ValueError):
            return [self._web_service]
        parts = [name for name in self.commands() if name != self._web_service]
        return [name for name in parts if not _beats(health, name, since)]

    def _health(self) -> Any:
        """Ask the web service, and log in: another Airflow on the port would refuse the password.

        Raises:
            requests.RequestException, ValueError: It does not work yet.
        """
        with requests.Session() as session:
            session.trust_env = False  # No proxy, and no credentials of a .netrc.
            ask = partial(session.request, timeout=_REQUEST_SECONDS)
            if self.python.is_3:
                user = {"username": USERNAME, "password": self.keys.password}
                log_in = ask("POST", f"{self.host}/auth/token", json=user)
                health = ask("GET", f"{self.host}/api/v2/monitor/health")
            else:
                auth = (USERNAME, self.keys.password)
                log_in = ask("GET", f"{self.host}/api/v1/dags?limit=1", auth=auth)
                health = ask("GET", f"{self.host}/health")
        log_in.raise_for_status()
        health.raise_for_status()
        return health.json()

    @property
    def _web_service(self) -> str:
        """The name of the service that listens on the port."""
        return "api-server" if self.python.is_3 else "webserver"

    @property
    def _passwords(self) -> Path:
        return self.home / "passwords.json"

    @property
    def _failed_runs(self) -> Path:
        return self.home / "failed-runs"

    def _settings(self) -> dict[str, str]:
        common = {
            "AIRFLOW__CORE__FERNET_KEY": self.keys.fernet,
            # Each is a process that waits in memory, or a pod beside others on this machine.
            "AIRFLOW__CORE__PARALLELISM": "8",
            # Without asking a name server, which takes seconds where there is none.
            "AIRFLOW__CORE__HOSTNAME_CALLABLE": "socket.gethostname",
            # A changed DAG is stored at once.
            "AIRFLOW__CORE__MIN_SERIALIZED_DAG_UPDATE_INTERVAL": "0",
            # Airflow 2 ignores this setting; there webserver_config.py reads it.
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(self._passwords),
            "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.2",
        }
        if self.python.is_3:
            return {
                **common,
                "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
                "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": f"{USERNAME}:admin",
                "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{self.host}/execution/",
                # The default is 5 s. A busy machine may answer later; then the start of a task is
                # sent again and refused, because the task runs, and the task fails without a log.
                "AIRFLOW__WORKERS__EXECUTION_API_TIMEOUT": "60",
                "AIRFLOW__API__HOST": "127.0.0.1",
                "AIRFLOW__API__BASE_URL": self.host,
                "AIRFLOW__API__SECRET_KEY": self.keys.web,
                "AIRFLOW__API_AUTH__JWT_SECRET": self.keys.token,
                "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": str(LOOK_SECONDS),
                "AIRFLOW__DAG_PROCESSOR__BUNDLE_REFRESH_CHECK_INTERVAL": "1",
            }
        return {
            **common,
            "AIRFLOW__CORE__EXECUTOR": "SequentialExecutor",  # The only one on SQLite.
            "AIRFLOW__CORE__MIN_SERIALIZED_DAG_FETCH_INTERVAL": "0",
            "AIRFLOW__API__AUTH_BACKENDS": "airflow.providers.fab.auth_manager.api.auth.backend"
            ".basic_auth,airflow.api.auth.backend.session",
            "AIRFLOW__FAB__UPDATE_FAB_PERMS": "False",
            "AIRFLOW__SCHEDULER__DAG_DIR_LIST_INTERVAL": str(LOOK_SECONDS),
            "AIRFLOW__WEBSERVER__BASE_URL": self.host,
            "AIRFLOW__WEBSERVER__CONFIG_FILE": str(IN_AIRFLOW / "webserver_config.py"),
            "AIRFLOW__WEBSERVER__SECRET_KEY": self.keys.web,
            # The page asks for several things at a time, and there is one worker.
            "AIRFLOW__WEBSERVER__WORKER_CLASS": "gthread",
            "GUNICORN_CMD_ARGS": "--threads 8",
        }


def tail(file: Path, lines: int = 20) -> str:
    """Return the end of a text file; nothing if there is no such file."""
    if not file.exists():
        return ""
    return "\n".join(file.read_text(errors="replace").splitlines()[-lines:])


def _is_database(file: Path) -> bool:
    """Return whether a file is an SQLite database, and not an empty file left by a full disk.

    Raises:
        SandboxError: It cannot be read.
    """
    try:
        with file.open("rb") as database:
            return database.read(16) == b"SQLite format 3\0"
    except FileNotFoundError:
        return False
    except OSError as error:
        raise SandboxError(f"Airflow's database {file} cannot be opened: {error}") from error


def _beats(health: Any, name: str, since: datetime) -> bool:
    """Return whether a service has sent a heartbeat since a moment."""
    part = name.replace("-", "_")
    last = (health.get(part) or {}).get(f"latest_{part}_heartbeat")
    # Python 3.10 does not read the Z.
    return last is not None and datetime.fromisoformat(last.replace("Z", "+00:00")) > since
