"""Airflow with its web page, its API and its scheduler, as `sandbox up` starts it."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import secrets
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import requests
import semver

from kedro_airflow_k8s.errors import SandboxError
from kedro_airflow_k8s.sandbox.airflow_home import AirflowHome, airflow_versions
from kedro_airflow_k8s.sandbox.folder import SandboxFolder, write_private

USERNAME = "admin"
DAG_PROCESSOR, SCHEDULER = "dag-processor", "scheduler"

# The password is random, and 2.11 works this out for each request with basic authentication.
_HASH_ROUNDS = 1000
_REQUEST_SECONDS = 5.0
_UNFINISHED = ("queued", "running", "scheduled", "restarting", "deferred", "up_for_retry",
               "up_for_reschedule")  # fmt: skip


@dataclass(frozen=True)
class Keys:
    """The secrets of an Airflow; its database is of no use without them.

    Attributes:
        password: Of the user `admin`.
        fernet: Encrypts connections and variables in the database.
        web: Signs the cookies of the web page.
        token: Signs the tokens of the API.
    """

    password: str = field(repr=False)
    fernet: str = field(repr=False)
    web: str = field(repr=False)
    token: str = field(repr=False)

    @classmethod
    def random(cls) -> Keys:
        """New ones."""
        return cls(
            password=secrets.token_urlsafe(12),
            fernet=base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
            web=secrets.token_hex(32),
            token=secrets.token_hex(64),
        )


class AirflowServer(AirflowHome):
    """Airflow's services on one port of 127.0.0.1.

    Args:
        python: The Python that has Airflow and its Kubernetes provider.
        folder: The sandbox's folder.
        connection: The id of the Airflow connection that leads to the sandbox's Kubernetes API.
        port: Where its web page and API are.
        extra: Settings in place of those made here.

    Raises:
        SandboxError: If that Python cannot be run, or has no Airflow or no Kubernetes provider.
    """

    def __init__(
        self,
        python: Path,
        folder: SandboxFolder,
        connection: str,
        port: int,
        extra: Mapping[str, str],
    ) -> None:
        self.folder = folder
        versions = airflow_versions(python)
        home = folder.airflow_home(versions[0])
        home.mkdir(mode=0o700, exist_ok=True)
        home.chmod(0o700)
        super().__init__(python, home, folder.kubeconfig, connection, versions)
        self.port = port
        self.is_3 = semver.Version.parse(self.version, optional_minor_and_patch=True).major >= 3
        if not folder.keys_file(self.version).exists():
            write_private(folder.keys_file(self.version), json.dumps(asdict(Keys.random())))
        self.keys = read_keys(folder, self.version)
        self.environment.update(self._settings(), **extra)

    @property
    def dags(self) -> Path:
        """Where DAG files belong."""
        return self.folder.dags

    @property
    def host(self) -> str:
        """The address of the web page and of the API."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def web_service(self) -> str:
        """The name of the service that listens on the port."""
        return "api-server" if self.is_3 else "webserver"

    def commands(self) -> dict[str, Sequence[str | Path]]:
        """What starts the services, by name."""
        airflow = (self.python, "-m", "airflow")
        host = "--host" if self.is_3 else "--hostname"
        web = (self.web_service, host, "127.0.0.1", "--port", str(self.port), "--workers", "1")
        # The server of logs would listen on all addresses; the files are here anyway.
        found: dict[str, Sequence[str | Path]] = {
            self.web_service: (*airflow, *web),
            SCHEDULER: (*airflow, "scheduler", "--skip-serve-logs"),
        }
        if self.is_3:
            found[DAG_PROCESSOR] = (*airflow, "dag-processor")
        return found

    def prepare(self, say: Callable[[str], None]) -> None:
        """Bring the database into the state in which the services can start; none of them runs.

        Raises:
            SandboxError: Airflow cannot make its database.
        """
        if not self.has_database():
            self.create_database()
        # A process that was killed has left it, and another one may have its number now.
        (self.home / "airflow-webserver.pid").unlink(missing_ok=True)
        try:
            ended = self._bring_up_to_date()
        except sqlite3.Error as error:
            raise SandboxError(
                f"Airflow's database {self._database} cannot be used: {error}"
            ) from error
        if ended:
            runs, are = ("DAG run", "is") if ended == 1 else ("DAG runs", "are")
            say(f"{ended} {runs} that did not end before the sandbox did {are} marked as failed.")
        if self.is_3:
            write_private(self._passwords, json.dumps({USERNAME: self.keys.password}))

    def _bring_up_to_date(self) -> int:
        """End what was not ended, and set the password; how many DAG runs had not ended."""
        with contextlib.closing(self.open_database("rw")) as database, database:
            if not self.is_3:
                hashed = password_hash(self.keys.password)
                database.execute(
                    "UPDATE ab_user SET password = ? WHERE username = ?", (hashed, USERNAME)
                )
            return _fail_unfinished_runs(database)

    def unready(self, since: Mapping[str, datetime]) -> list[str]:
        """What does not work yet.

        Args:
            since: When services were started, by name; others are taken to run.
        """
        with requests.Session() as session:
            session.trust_env = False  # No proxy, and no credentials of a .netrc.
            try:
                health = self._ask(session, "GET", "monitor/health" if self.is_3 else "health")
                if not self._knows_password(session):
                    return [self.web_service]
            except (requests.RequestException, ValueError):
                return [self.web_service]
        return [
            name
            for name, moment in since.items()
            if name in (SCHEDULER, DAG_PROCESSOR) and not _beats(health, name, moment)
        ]

    def _ask(self, session: requests.Session, method: str, path: str, **more: Any) -> Any:
        prefix = "/api/v2" if self.is_3 else "/api/v1"
        url = f"{self.host}{'' if path.startswith('/') else prefix + '/'}{path}"
        answer = session.request(method, url, timeout=_REQUEST_SECONDS, **more)
        answer.raise_for_status()
        return answer.json()

    def _knows_password(self, session: requests.Session) -> bool:
        """Whether the user can log in: another Airflow on the port would not know the password."""
        user = {"username": USERNAME, "password": self.keys.password}
        if self.is_3:
            return bool(self._ask(session, "POST", "/auth/token", json=user))
        return bool(self._ask(session, "GET", "dags?limit=1", auth=tuple(user.values())))

    @property
    def _passwords(self) -> Path:
        return self.home / "passwords.json"

    @property
    def _template(self) -> str:
        return super()._template if self.is_3 else f"airflow-{self.version}-{USERNAME}.db"

    def _fill_database(self) -> None:
        super()._fill_database()
        if not self.is_3:
            # The roles, which the web server would take seconds for at each start.
            self.airflow("sync-perm")
            # The user gets another password later.
            who = ("--username", USERNAME, "--role", "Admin", "--email", "admin@example.com")
            names = ("--firstname", "Sandbox", "--lastname", "Admin")
            self.airflow("users", "create", *who, *names, "--use-random-password")

    def _settings(self) -> dict[str, str]:
        common = {
            "AIRFLOW__CORE__FERNET_KEY": self.keys.fernet,
            # Each is a process that waits in memory, or a pod beside others on this machine.
            "AIRFLOW__CORE__PARALLELISM": "8",
            # Without asking a name server, which takes seconds where there is none.
            "AIRFLOW__CORE__HOSTNAME_CALLABLE": "socket.gethostname",
            # A DAG that was changed is taken at once.
            "AIRFLOW__CORE__MIN_SERIALIZED_DAG_UPDATE_INTERVAL": "0",
            "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.5",
        }
        if self.is_3:
            return {
                **common,
                "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
                "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": f"{USERNAME}:admin",
                "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(self._passwords),
                "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{self.host}/execution/",
                "AIRFLOW__API__HOST": "127.0.0.1",
                "AIRFLOW__API__BASE_URL": self.host,
                "AIRFLOW__API__SECRET_KEY": self.keys.web,
                "AIRFLOW__API_AUTH__JWT_SECRET": self.keys.token,
                "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "2",
                "AIRFLOW__DAG_PROCESSOR__BUNDLE_REFRESH_CHECK_INTERVAL": "1",
            }
        return {
            **common,
            "AIRFLOW__CORE__EXECUTOR": "SequentialExecutor",  # The only one on SQLite.
            "AIRFLOW__CORE__MIN_SERIALIZED_DAG_FETCH_INTERVAL": "0",
            "AIRFLOW__API__AUTH_BACKENDS": "airflow.providers.fab.auth_manager.api.auth.backend"
            ".basic_auth,airflow.api.auth.backend.session",
            "AIRFLOW__FAB__UPDATE_FAB_PERMS": "False",
            "AIRFLOW__SCHEDULER__DAG_DIR_LIST_INTERVAL": "2",
            "AIRFLOW__WEBSERVER__BASE_URL": self.host,
            "AIRFLOW__WEBSERVER__SECRET_KEY": self.keys.web,
            # The page asks for several things at a time, and there is one worker.
            "AIRFLOW__WEBSERVER__WORKER_CLASS": "gthread",
            "GUNICORN_CMD_ARGS": "--threads 8",
        }


def read_keys(folder: SandboxFolder, version: str) -> Keys:
    """The secrets of an Airflow of a sandbox that was started.

    Raises:
        SandboxError: They are not there, or cannot be read.
    """
    file = folder.keys_file(version)
    try:
        return Keys(**json.loads(file.read_text()))
    except (OSError, ValueError, TypeError) as error:
        # Not the text: it may be what is secret.
        reason = (
            error.strerror if isinstance(error, OSError) else "its content is not what was written"
        )
        raise SandboxError(
            f"The log-in of the sandbox's Airflow {version} is not in {file} any more ({reason})."
            " Stop it with kedro airflow-k8s sandbox down, delete the file if it is there, then"
            " start it again with up."
        ) from None


def password_hash(password: str) -> str:
    """A password as werkzeug keeps it, for the database of Airflow 2 (werkzeug.security)."""
    salt = secrets.token_hex(8)
    digest = hashlib.pbkdf2_hmac("sha256", password.encode(), salt.encode(), _HASH_ROUNDS)
    return f"pbkdf2:sha256:{_HASH_ROUNDS}${salt}${digest.hex()}"


def _fail_unfinished_runs(database: sqlite3.Connection) -> int:
    """Their pods and volumes are gone: a scheduler would begin them anew, without their data."""
    states = ", ".join("?" * len(_UNFINISHED))
    now = datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M:%S.%f")
    for table in ("task_instance", "dag_run"):
        ended = database.execute(
            f"UPDATE {table} SET state = 'failed', end_date = ? WHERE state IN ({states})",  # noqa: S608
            (now, *_UNFINISHED),
        )
    return ended.rowcount


def _beats(health: Any, name: str, since: datetime) -> bool:
    """Whether a service has given a sign of life since it was started."""
    part = name.replace("-", "_")
    last = (health.get(part) or {}).get(f"latest_{part}_heartbeat")
    return last is not None and _moment(last) > since


def _moment(text: str) -> datetime:
    # Python 3.10 does not read the Z.
    return datetime.fromisoformat(text.replace("Z", "+00:00"))
