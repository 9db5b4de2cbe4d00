"""An Airflow of its own for the sandbox: home folder, SQLite database, one DAG run at a time."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from kedro_airflow_k8s.errors import SandboxError
from kedro_airflow_k8s.task_state import ENDS, TaskState

KUBERNETES_PROVIDER = "apache-airflow-providers-cncf-kubernetes"

_RUNNER = Path(__file__).with_name("airflow_run.py")
_VERSIONS = f"""
import importlib.metadata as m, json
found = {{d.metadata["Name"].lower(): d.version for d in m.distributions() if d.metadata["Name"]}}
print(json.dumps([found.get("apache-airflow"), found.get("{KUBERNETES_PROVIDER}")]))
"""

# What a user's Airflow settings would change of the sandbox must not reach it; variables and
# connections are the user's input.
_KEPT_AIRFLOW_VARIABLES = ("AIRFLOW_VAR_", "AIRFLOW_CONN_")


@dataclass(frozen=True)
class Outcome:
    """How a DAG run ended: Airflow's word for its state, or why the DAG could not be imported."""

    state: str | None
    import_errors: Mapping[str, str]


class SandboxAirflow:
    """Airflow in a folder of its own.

    Args:
        python: The Python that has Airflow and its Kubernetes provider.
        home: The folder for Airflow's files.
        kubeconfig: How to reach the sandbox's Kubernetes API.
        connection: The id of the Airflow connection that the DAG's tasks use to reach Kubernetes.

    Raises:
        SandboxError: If that Python cannot be run, or has no Airflow or no Kubernetes provider.
    """

    def __init__(self, python: Path, home: Path, kubeconfig: Path, connection: str) -> None:
        self.python = python
        self.home = home
        self.version, self.provider_version = airflow_versions(python)
        self.environment = self._environment(kubeconfig, connection)
        self._process: subprocess.Popen[bytes] | None = None
        for folder in (self.dags, self.logs):
            folder.mkdir(parents=True)

    @property
    def dags(self) -> Path:
        """Where the DAG file belongs."""
        return self.home / "dags"

    @property
    def logs(self) -> Path:
        """Holds a file `<task id>.log` for each task that has begun."""
        return self.home / "task-logs"

    @property
    def output(self) -> Path:
        """What Airflow said outside of tasks."""
        return self.home / "airflow.log"

    def create_database(self) -> None:
        """Make the database; a copy of an empty one is kept in the user's cache for the next time.

        Raises:
            SandboxError: If Airflow cannot make it.
        """
        cached = _cache_folder() / f"airflow-{self.version}.db"
        if cached.exists():
            shutil.copyfile(cached, self._database)
        if not self._has_tables():
            self._database.unlink(missing_ok=True)
            self._migrate()
            with contextlib.suppress(OSError):  # Only the next start will be slower.
                cached.parent.mkdir(parents=True, exist_ok=True)
                with tempfile.NamedTemporaryFile(dir=cached.parent, delete=False) as file:
                    file.write(self._database.read_bytes())
                Path(file.name).replace(cached)

    def start(self, dag_id: str, skip: str) -> None:
        """Begin a run of a DAG in the DAG folder.

        Args:
            dag_id: Its id.
            skip: A pattern of the tasks to count as successful without running them; may be empty.
        """
        # Python puts the folder of a script first on its path: not this one, with its `kubernetes`.
        script = shutil.copy(_RUNNER, self.home)
        with self.output.open("ab") as output:
            self._process = subprocess.Popen(
                [self.python, script, dag_id, skip, self._result, self.logs, self._events],
                env=self.environment,
                cwd=self.home,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def wait(self, seconds: float) -> bool:
        """Whether the run has ended within so many seconds."""
        if self._process is None:
            return True
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def stop(self) -> None:
        """Kill the run and all it has started."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None

    def outcome(self) -> Outcome:
        """How the run ended.

        Raises:
            SandboxError: If Airflow ended without saying it.
        """
        try:
            found = json.loads(self._result.read_text())
        except (OSError, ValueError) as error:
            raise SandboxError(
                f"Airflow {self.version} ended before the run did. The end of what it said:\n"
                f"{tail(self.output)}"
            ) from error
        return Outcome(found["state"], found["import_errors"])

    def task_states(self, dag_id: str) -> dict[str, TaskState]:
        """How each task stands, by task id; empty until the run has begun.

        Raises:
            SandboxError: If Airflow's database cannot be read.
        """
        query = "SELECT task_id, state, try_number FROM task_instance WHERE dag_id = ?"
        # Airflow's own API would need a server; these columns are the same in Airflow 2.11 and 3.
        try:
            with contextlib.closing(self._open_database()) as database:
                rows = database.execute(query, (dag_id,)).fetchall()
        except sqlite3.Error as error:
            raise SandboxError(f"Airflow's database cannot be read: {error}") from error
        begun, ended = self._read_events()
        states = {}
        for task_id, state, attempt in rows:
            start, end = begun.get(task_id), ended.get(task_id)
            runs = start is not None and end is None and state not in ENDS
            states[task_id] = TaskState("running" if runs else state, start, end, attempt or 0)
        return states

    def _open_database(self) -> sqlite3.Connection:
        return sqlite3.connect(f"{self._database.as_uri()}?mode=ro", uri=True, timeout=10)

    def _has_tables(self) -> bool:
        """Whether there is a database that Airflow has made, and not what is left of one."""
        try:
            with contextlib.closing(self._open_database()) as database:
                database.execute("SELECT count(*) FROM task_instance")
        except sqlite3.Error:
            return False
        return True

    def _read_events(self) -> tuple[dict[str, float], dict[str, float]]:
        """When the last attempt of each task began, and when it ended if it has."""
        begun: dict[str, float] = {}
        ended: dict[str, float] = {}
        if self._events.exists():
            for line in self._events.read_text().splitlines():
                with contextlib.suppress(ValueError):  # The last line may not be whole yet.
                    task_id, event, moment = json.loads(line)
                    if event == "running":
                        begun[task_id] = moment
                        ended.pop(task_id, None)
                    else:
                        ended[task_id] = moment
        return begun, ended

    @property
    def _database(self) -> Path:
        return self.home / "airflow.db"

    @property
    def _events(self) -> Path:
        return self.home / "events.jsonl"

    @property
    def _result(self) -> Path:
        return self.home / "outcome.json"

    def _environment(self, kubeconfig: Path, connection: str) -> dict[str, str]:
        inherited = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith("AIRFLOW") or name.startswith(_KEPT_AIRFLOW_VARIABLES)
        }
        # The variables of the environment that runs the plugin would mislead another Python.
        # Inside a pod, Airflow would take that pod's own cluster for the sandbox's.
        for name in ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "KUBERNETES_SERVICE_HOST"):
            inherited.pop(name, None)
        return {
            **inherited,
            "AIRFLOW_HOME": str(self.home),
            "AIRFLOW__CORE__DAGS_FOLDER": str(self.dags),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{self.home / 'airflow.db'}",
            "AIRFLOW__LOGGING__COLORED_CONSOLE_LOG": "False",
            "KUBECONFIG": str(kubeconfig),
            # It would win over KUBECONFIG, and the user's may lead to a real cluster.
            f"AIRFLOW_CONN_{connection.upper()}": json.dumps(
                {"conn_type": "kubernetes", "extra": {"kube_config_path": str(kubeconfig)}}
            ),
            # Nothing is sent anywhere.
            "SCARF_ANALYTICS": "false",
            **{
                name: ",".join(filter(None, (inherited.get(name), "127.0.0.1")))
                for name in ("NO_PROXY", "no_proxy")
            },
        }

    def _migrate(self) -> None:
        with self.output.open("ab") as output:
            done = subprocess.run(
                [self.python, "-m", "airflow", "db", "migrate"],
                env=self.environment,
                cwd=self.home,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                check=False,
            )
        if done.returncode:
            raise SandboxError(
                f"Airflow {self.version} cannot make its database:\n{tail(self.output)}"
            )


def airflow_versions(python: Path) -> tuple[str, str]:
    """The versions of Airflow and of its Kubernetes provider that a Python has.

    Raises:
        SandboxError: If it cannot be run, or lacks one of them.
    """
    try:
        done = subprocess.run(
            [python, "-c", _VERSIONS], capture_output=True, text=True, check=True, cwd="/"
        )
    except (OSError, subprocess.CalledProcessError) as error:
        raise SandboxError(f"{python} is not a Python that runs: {error}") from error
    airflow, provider = json.loads(done.stdout)
    if airflow is None or provider is None:
        missing = "apache-airflow" if airflow is None else KUBERNETES_PROVIDER
        raise SandboxError(
            f"The sandbox needs Airflow with its Kubernetes provider; {python} has no {missing}."
            " Install it with pip install 'kedro-airflow-k8s[sandbox]', or name the Python of"
            " another environment with --airflow-python."
        )
    return airflow, provider


def tail(file: Path, lines: int = 20) -> str:
    """The end of a text file; empty if there is none."""
    if not file.exists():
        return ""
    return "\n".join(file.read_text(errors="replace").splitlines()[-lines:])


def _cache_folder() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "kedro-airflow-k8s"
