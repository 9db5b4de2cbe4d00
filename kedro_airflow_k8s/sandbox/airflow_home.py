"""What an Airflow of the sandbox's own needs: a home folder, settings, and an SQLite database."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sqlite3
import subprocess
import tempfile
from pathlib import Path

from kedro_airflow_k8s.errors import SandboxError

KUBERNETES_PROVIDER = "apache-airflow-providers-cncf-kubernetes"

_VERSIONS = f"""
import importlib.metadata as m, json
found = {{d.metadata["Name"].lower(): d.version for d in m.distributions() if d.metadata["Name"]}}
print(json.dumps([found.get("apache-airflow"), found.get("{KUBERNETES_PROVIDER}")]))
"""

# What a user's Airflow settings would change of the sandbox must not reach it; variables and
# connections are the user's input.
_KEPT_AIRFLOW_VARIABLES = ("AIRFLOW_VAR_", "AIRFLOW_CONN_")


class AirflowHome:
    """Airflow in a folder of its own.

    Args:
        python: The Python that has Airflow and its Kubernetes provider.
        home: The folder for Airflow's files.
        kubeconfig: How to reach the sandbox's Kubernetes API.
        connection: The id of the Airflow connection that the DAG's tasks use to reach Kubernetes.
        versions: Those that `airflow_versions` has found, where it was asked already.

    Raises:
        SandboxError: If that Python cannot be run, or has no Airflow or no Kubernetes provider.
    """

    def __init__(
        self,
        python: Path,
        home: Path,
        kubeconfig: Path,
        connection: str,
        versions: tuple[str, str] | None = None,
    ) -> None:
        self.python = python
        self.home = home
        self.version, self.provider_version = versions or airflow_versions(python)
        self.environment = self._environment(kubeconfig, connection)

    @property
    def dags(self) -> Path:
        """Where the DAG file belongs."""
        return self.home / "dags"

    @property
    def output(self) -> Path:
        """What Airflow's commands have said."""
        return self.home / "airflow.log"

    def create_database(self) -> None:
        """Make the database; a copy of an empty one is kept in the user's cache for the next time.

        Raises:
            SandboxError: If Airflow cannot make it.
        """
        cached = cache_folder() / self._template
        made = self._new_database
        for file in self.home.glob(f"{made.name}*"):  # Of a start that was killed.
            file.unlink()
        if cached.exists():
            shutil.copyfile(cached, made)
        if not _is_database(made):
            made.unlink(missing_ok=True)
            self._fill_database()
            if not _is_database(made):
                raise SandboxError(f"Airflow has made no database:\n{tail(self.output)}")
            with contextlib.suppress(OSError):  # Only the next start will be slower.
                cached.parent.mkdir(parents=True, exist_ok=True)
                with tempfile.NamedTemporaryFile(dir=cached.parent, delete=False) as copy:
                    copy.write(made.read_bytes())
                Path(copy.name).replace(cached)
        made.replace(self._database)

    def open_database(self, mode: str = "ro") -> sqlite3.Connection:
        """Open the database: `ro` to read it, `rw` to change it.

        Raises:
            sqlite3.Error: There is none.
        """
        uri = f"{self._database.as_uri()}?mode={mode}"
        return sqlite3.connect(uri, uri=True, timeout=10)

    def has_database(self) -> bool:
        """Whether there is a database that Airflow has made.

        Raises:
            SandboxError: There is one that cannot be opened.
        """
        return _is_database(self._database)

    @property
    def _database(self) -> Path:
        return self.home / "airflow.db"

    @property
    def _new_database(self) -> Path:
        """The database while it is made: one that is there is whole."""
        return self.home / "new-airflow.db"

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
            # Airflow starts itself by its name.
            "PATH": os.pathsep.join([str(self.python.parent), inherited.get("PATH", os.defpath)]),
            "AIRFLOW_HOME": str(self.home),
            "AIRFLOW__CORE__DAGS_FOLDER": str(self.dags),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{self._database}",
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

    @property
    def _template(self) -> str:
        """The name of the copy in the cache."""
        return f"airflow-{self.version}.db"

    def _fill_database(self) -> None:
        self.airflow("db", "migrate")

    def airflow(self, *arguments: str) -> None:
        """Run a command of Airflow's that has to do with a new database.

        Raises:
            SandboxError: It fails.
        """
        with self.output.open("ab") as output:
            done = subprocess.run(
                [self.python, "-m", "airflow", *arguments],
                env={
                    **self.environment,
                    "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{self._new_database}",
                },
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


def _is_database(file: Path) -> bool:
    """Whether a file is a database of Airflow's, and not what is left of one.

    Raises:
        SandboxError: It cannot be opened, for instance because the disk is full.
    """
    if not file.exists():
        return False
    tables = "SELECT count(*) FROM sqlite_master WHERE name = 'task_instance'"
    try:
        # To be written, because what a killed process has begun to write is undone now.
        uri = f"{file.as_uri()}?mode=rw"
        with contextlib.closing(sqlite3.connect(uri, uri=True, timeout=10)) as database:
            return bool(database.execute(tables).fetchone()[0])
    except sqlite3.OperationalError as error:
        raise SandboxError(f"Airflow's database {file} cannot be opened: {error}") from error
    except sqlite3.DatabaseError:
        return False


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


def cache_folder() -> Path:
    """The user's folder for what only saves time."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "kedro-airflow-k8s"
