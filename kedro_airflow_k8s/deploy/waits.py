"""Why the pods of running tasks have not started, as far as Airflow's logs tell."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from kedro_airflow_k8s.airflow_api import AirflowClient
from kedro_airflow_k8s.errors import AirflowApiError
from kedro_airflow_k8s.terminal.progress import Progress
from kedro_airflow_k8s.terminal.task_log import has_started, pod_event
from kedro_airflow_k8s.terminal.task_table import TaskState

PATIENCE_SECONDS = 10.0
_WITH_POD = ("running", "deferred")
"""A pod usually starts within this time. Its task's log is read again after the same time."""


class Waits:
    """Shows the last event of each pod that has not started for a while.

    Args:
        read_log: Returns the log of a task's attempt.
        progress: Where to show it.
    """

    def __init__(self, read_log: Callable[[str, int], str], progress: Progress) -> None:
        self._read_log = read_log
        self._progress = progress
        self._next: dict[tuple[str, int], float] = {}
        self._started: set[tuple[str, int]] = set()
        self._reasons: dict[str, str] = {}

    @classmethod
    def of_run(cls, client: AirflowClient, dag_id: str, run_id: str, progress: Progress) -> Waits:
        """Return those of a run."""

        def read(task_id: str, attempt: int) -> str:
            return client.task_log(dag_id, run_id, task_id, attempt)

        return cls(read, progress)

    def look(self, tasks: Mapping[str, TaskState]) -> None:
        """Show what is new, with at most one request."""
        now = self._progress.clock.now()
        running = {(name, t.attempt) for name, t in tasks.items() if t.state in _WITH_POD}
        self._reasons = {n: r for n, r in self._reasons.items() if any(n == m for m, _ in running)}
        for task in running - self._next.keys():
            self._next[task] = now + PATIENCE_SECONDS
        due = [task for task in running - self._started if self._next[task] <= now]
        if not due:
            return
        task = min(due, key=self._next.__getitem__)
        self._next[task] = now + PATIENCE_SECONDS
        try:
            log = self._read_log(*task)
        except AirflowApiError:
            return  # The run is watched all the same, and says so if Airflow does not answer.
        if has_started(log):
            self._started.add(task)
            self._reasons.pop(task[0], None)
            return
        reason = pod_event(log)
        if reason and self._reasons.get(task[0]) != reason:
            self._reasons[task[0]] = reason
            self._progress.say(f"{task[0]} waits for its pod: {reason}")

    @property
    def reasons(self) -> Mapping[str, str]:
        """The last event of each pod that has not started, by task id."""
        return self._reasons
