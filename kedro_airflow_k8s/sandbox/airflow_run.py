"""Runs a DAG with `dag.test()`. Airflow's own Python executes this file, which has no plugin and no Kedro.

Usage: airflow_run.py DAG_ID SKIP RESULT LOGS
    SKIP: a pattern of the tasks to mark as successful without running them, or nothing.
    RESULT: the file that gets the outcome, as JSON.
    LOGS: the folder that gets a file for each task with what Airflow says while the task runs.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import pluggy
from airflow.models import DagBag

try:
    from airflow.sdk.listener import get_listener_manager
except ImportError:  # Airflow 2, and 3.0 to 3.2
    from airflow.listeners.listener import get_listener_manager

hookimpl = pluggy.HookimplMarker("airflow")


class LogPerTask:
    """Sends what this process writes to a file of the task that is running."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.outside = os.dup(1)

    @hookimpl
    def on_task_instance_running(self, task_instance: Any) -> None:
        """Begin or go on with the task's file."""
        name = f"{task_instance.task_id}.log"
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        task_log = os.open(self.folder / name, flags, 0o600)
        self.redirect(task_log)
        os.close(task_log)

    @hookimpl
    def on_task_instance_success(self) -> None:
        """End the task's file."""
        self.redirect(self.outside)

    def redirect(self, target: int) -> None:
        """Make a file descriptor this process's output."""
        sys.stdout.flush()
        sys.stderr.flush()
        os.dup2(target, 1)
        os.dup2(target, 2)


def main(dag_id: str, skip: str, result: str, logs: str) -> None:
    """Run the DAG and write how it went."""
    bag = DagBag()
    outcome: dict[str, Any] = {"import_errors": dict(bag.import_errors), "state": None}
    if dag_id in bag.dags:
        log = LogPerTask(Path(logs))
        get_listener_manager().add_listener(log)
        try:
            run = bag.dags[dag_id].test(mark_success_pattern=skip or None)
        finally:
            log.redirect(log.outside)
        outcome["state"] = str(getattr(run.state, "value", run.state))
    Path(result).write_text(json.dumps(outcome))


if __name__ == "__main__":
    main(*sys.argv[1:])
