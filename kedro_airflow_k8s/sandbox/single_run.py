"""One DAG run in an Airflow of its own, without a server: what `sandbox run` uses."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import sqlite3
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from kedro_airflow_k8s.airflow_api.records import ENDS, TaskState
from kedro_airflow_k8s.errors import SandboxError
from kedro_airflow_k8s.sandbox.airflow_home import AirflowHome, tail

_RUNNER = Path(__file__).with_name("airflow_run.py")


@dataclass(frozen=True)
class Outcome:
    """How a DAG run ended: Airflow's word for its state, or why the DAG could not be imported."""

    state: str | None
    import_errors: Mapping[str, str]


class SandboxAirflow(AirflowHome):
    """Airflow in a folder of its own, for one DAG run at a time; its arguments are AirflowHome's.

    Raises:
        SandboxError: If that Python cannot be run, or has no Airflow or no Kubernetes provider.
    """

    def __init__(self, python: Path, home: Path, kubeconfig: Path, connection: str) -> None:
        super().__init__(python, home, kubeconfig, connection)
        self.environment["AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS"] = "True"
        self._process: subprocess.Popen[bytes] | None = None
        for folder in (self.dags, self.logs):
            folder.mkdir(parents=True)

    @property
    def logs(self) -> Path:
        """Holds a file `<task id>.log` for each task that has begun."""
        return self.home / "task-logs"

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
            with contextlib.closing(self.open_database()) as database:
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
    def _events(self) -> Path:
        return self.home / "events.jsonl"

    @property
    def _result(self) -> Path:
        return self.home / "outcome.json"
