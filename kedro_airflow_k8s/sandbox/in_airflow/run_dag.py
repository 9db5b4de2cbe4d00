"""Runs a DAG with `dag.test()` and reports how it goes.

Usage: run_dag.py DAG_ID SKIP REPORT LOGS CONF
    SKIP: a pattern of the tasks to mark as successful without running them, or nothing.
    REPORT: the file that gets the states of the run and its tasks, as JSON, twice a second.
    LOGS: the folder that gets a file for each task with Airflow's output while the task runs.
    CONF: the file with the run's configuration, as JSON.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pluggy
from airflow.models import DagBag
from airflow.models.dagrun import DagRun
from airflow.utils.state import State
from sqlalchemy.exc import OperationalError

try:
    from airflow.sdk.listener import get_listener_manager
except ImportError:  # Airflow 2, and 3.0 to 3.2
    from airflow.listeners.listener import get_listener_manager  # type: ignore[assignment]

REPORT_SECONDS = 0.5

hookimpl = pluggy.HookimplMarker("airflow")


class TaskListener:
    """Notes when tasks begin and end, and gives each a log file of its own.

    Airflow 2 does not write these times into its database while `dag.test()` runs.
    """

    def __init__(self, logs: Path) -> None:
        self.logs = logs
        self.outside = os.dup(1)
        self.times: dict[str, tuple[float, float | None]] = {}

    @hookimpl
    def on_task_instance_running(self, task_instance: Any) -> None:
        """Begin or go on with the task's file."""
        path = self.logs / f"{task_instance.task_id}.log"
        log = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self.redirect(log)
        os.close(log)
        _, end = self.times.get(task_instance.task_id, (0.0, 0.0))
        if end is not None:  # Otherwise it goes on after it was deferred.
            self.times[task_instance.task_id] = time.time(), None

    @hookimpl
    def on_task_instance_success(self, task_instance: Any) -> None:
        """Note the end."""
        self.note_end(task_instance)

    @hookimpl
    def on_task_instance_failed(self, task_instance: Any) -> None:
        """Note the end of an attempt."""
        self.note_end(task_instance)

    def note_end(self, task_instance: Any) -> None:
        """Note the end, and give Airflow its own output again."""
        start, _ = self.times.get(task_instance.task_id, (time.time(), None))
        self.times[task_instance.task_id] = start, time.time()
        self.redirect(self.outside)

    def redirect(self, target: int) -> None:
        """Make a file descriptor this process's output."""
        sys.stdout.flush()
        sys.stderr.flush()
        os.dup2(target, 1)
        os.dup2(target, 2)


class Reporter(threading.Thread):
    """Writes how the run and its tasks stand."""

    def __init__(self, dag_id: str, file: Path, listener: TaskListener) -> None:
        super().__init__(daemon=True)
        self.dag_id = dag_id
        self.file = file
        self.listener = listener
        self.ended = threading.Event()

    def run(self) -> None:
        """Report until the run has ended."""
        while not self.ended.wait(REPORT_SECONDS):
            with contextlib.suppress(OperationalError):  # The database is locked for a moment.
                self.write(None, {})

    def write(self, state: str | None, import_errors: dict[str, str]) -> None:
        """Write the report, whole."""
        report = {"state": state, "import_errors": import_errors, "tasks": self.tasks()}
        new = self.file.with_name("new-report.json")
        new.write_text(json.dumps(report))
        new.replace(self.file)

    def tasks(self) -> dict[str, tuple[str | None, float | None, float | None, int]]:
        """Return the state, start, end and attempt of each task, by task id."""
        found = {}
        for run in DagRun.find(dag_id=self.dag_id):
            for task in run.get_task_instances():
                start, end = self.listener.times.get(task.task_id, (None, None))
                ended = task.state in State.finished
                if start is not None and end is None and ended:
                    # Airflow notes the end before it calls the listener.
                    end = time.time()
                runs = start is not None and end is None
                state = "running" if runs else task.state and str(task.state)
                found[task.task_id] = state, start, end, task.try_number
        return found


def end_with_parent() -> None:
    """Kill this process and all that it has started when the one that started it is gone."""
    parent = os.getppid()
    while os.getppid() == parent:
        time.sleep(1)
    os.killpg(0, signal.SIGKILL)


def main(dag_id: str, skip: str, report: str, logs: str, conf: str) -> None:
    """Run the DAG and report how it goes."""
    bag = DagBag()
    listener = TaskListener(Path(logs))
    reporter = Reporter(dag_id, Path(report), listener)
    state = None
    if dag_id in bag.dags:
        get_listener_manager().add_listener(listener)  # type: ignore[no-untyped-call]
        # The first query imports all of Airflow's models. In the reporter's thread, it could wait
        # for a model that this thread imports, while this thread waits for SQLAlchemy's lock.
        reporter.write(None, {})
        reporter.start()
        try:
            run = bag.dags[dag_id].test(
                run_conf=json.loads(Path(conf).read_text()), mark_success_pattern=skip or None
            )
        finally:
            listener.redirect(listener.outside)
            reporter.ended.set()
            reporter.join()
        state = str(getattr(run.state, "value", run.state))
    reporter.write(state, dict(bag.import_errors))


if __name__ == "__main__":
    threading.Thread(target=end_with_parent, daemon=True).start()
    main(*sys.argv[1:])
