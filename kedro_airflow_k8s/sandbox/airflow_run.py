"""Runs a DAG with `dag.test()`, in Airflow's own Python, which has no plugin and no Kedro.

Usage: airflow_run.py DAG_ID SKIP RESULT LOGS EVENTS
    SKIP: a pattern of the tasks to mark as successful without running them, or nothing.
    RESULT: the file that gets the outcome, as JSON.
    LOGS: the folder that gets a file for each task with what Airflow says while the task runs.
    EVENTS: the file that gets a line of JSON for each task that begins or ends.
"""

from __future__ import annotations

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

try:
    from airflow.sdk.listener import get_listener_manager
except ImportError:  # Airflow 2, and 3.0 to 3.2
    from airflow.listeners.listener import get_listener_manager  # type: ignore[assignment]

hookimpl = pluggy.HookimplMarker("airflow")


class TaskListener:
    """Tells when tasks begin and end, and gives each a log file of its own.

    Airflow 2 does not write that into its database while `dag.test()` runs.
    """

    def __init__(self, logs: Path, events: Path) -> None:
        self.logs = logs
        self.events = events.open("a", buffering=1)
        self.outside = os.dup(1)

    @hookimpl
    def on_task_instance_running(self, task_instance: Any) -> None:
        """Begin or go on with the task's file."""
        path = self.logs / f"{task_instance.task_id}.log"
        log = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self.redirect(log)
        os.close(log)
        self.tell(task_instance, "running")

    @hookimpl
    def on_task_instance_success(self, task_instance: Any) -> None:
        """Note the end."""
        self.tell(task_instance, "success")
        self.redirect(self.outside)

    @hookimpl
    def on_task_instance_failed(self, task_instance: Any) -> None:
        """Note the end; whether there will be another attempt is Airflow's to say."""
        self.tell(task_instance, "failed")
        self.redirect(self.outside)

    def tell(self, task_instance: Any, event: str) -> None:
        """Write an event."""
        self.events.write(json.dumps([task_instance.task_id, event, time.time()]) + "\n")

    def redirect(self, target: int) -> None:
        """Make a file descriptor this process's output."""
        sys.stdout.flush()
        sys.stderr.flush()
        os.dup2(target, 1)
        os.dup2(target, 2)


def end_with_parent() -> None:
    """Kill this process and all that it has started when the one that started it is gone."""
    parent = os.getppid()
    while os.getppid() == parent:
        time.sleep(1)
    os.killpg(0, signal.SIGKILL)


def main(dag_id: str, skip: str, result: str, logs: str, events: str) -> None:
    """Run the DAG and write how it went."""
    bag = DagBag()
    outcome: dict[str, Any] = {"import_errors": dict(bag.import_errors), "state": None}
    if dag_id in bag.dags:
        listener = TaskListener(Path(logs), Path(events))
        get_listener_manager().add_listener(listener)  # type: ignore[no-untyped-call]
        try:
            run = bag.dags[dag_id].test(mark_success_pattern=skip or None)
        finally:
            listener.redirect(listener.outside)
        outcome["state"] = str(getattr(run.state, "value", run.state))
    Path(result).write_text(json.dumps(outcome))


if __name__ == "__main__":
    threading.Thread(target=end_with_parent, daemon=True).start()
    main(*sys.argv[1:])
