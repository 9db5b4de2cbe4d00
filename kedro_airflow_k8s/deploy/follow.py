"""Shows what the tasks of a run write, until they end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from kedro_airflow_k8s.airflow_api import AirflowClient, DagRun
from kedro_airflow_k8s.airflow_api.records import ENDS, TaskInstance
from kedro_airflow_k8s.deploy.run import task_state
from kedro_airflow_k8s.deploy.waits import Waits
from kedro_airflow_k8s.errors import ServerFailed, Unreachable
from kedro_airflow_k8s.terminal.progress import Progress
from kedro_airflow_k8s.terminal.task_log import cause, lines_so_far
from kedro_airflow_k8s.terminal.task_table import in_words

POLL_SECONDS = 2.0

_ACTIVE = ("running", "deferred", "up_for_reschedule", "up_for_retry")


class Follower:
    """Shows the lines of logs as they come.

    Args:
        client: Airflow.
        run: The run, which has not ended.
        task_ids: The tasks to follow to their ends; None for all that have not ended, to the end of
            the run.
        progress: Where to write.
        raw: Whether Airflow's lines are shown, too.
    """

    def __init__(
        self,
        client: AirflowClient,
        run: DagRun,
        task_ids: Sequence[str] | None,
        progress: Progress,
        *,
        raw: bool,
    ) -> None:
        self._client = client
        self._run = run
        self._task_ids = task_ids
        self._progress = progress
        self._raw = raw
        self._begin = progress.clock.now()
        self._ended: set[str] = set()
        self._first_attempts: dict[str, int] = {}
        self._shown: dict[tuple[str, int], int] = {}
        self._logs: dict[tuple[str, int], str] = {}
        self._waits = Waits(lambda task_id, attempt: self._logs[task_id, attempt], progress)
        self._silent = False
        self._active = False

    def follow(self) -> None:
        """Return when the tasks, or the run, have ended.

        Raises:
            AirflowApiError: If Airflow cannot be asked, and that will not pass.
        """
        clock = self._progress.clock
        dag_id, run_id = self._run.dag_id, self._run.run_id
        self._say_if_paused()
        if self._task_ids is None:
            states = self._client.task_states(dag_id, run_id)
            self._ended |= {task_id for task_id, task in states.items() if task.state in ENDS}
        while True:
            asked = clock.now()
            try:
                run = self._client.run(dag_id, run_id)
                tasks = self._client.task_states(dag_id, run_id)
                self._look(tasks)
            except (Unreachable, ServerFailed) as error:
                if not self._silent:
                    self._progress.warn(
                        f"{error} The run does not need this command; trying again."
                    )
                self._silent = True
            else:
                self._silent = False
                if run.state.ended or (self._task_ids and self._ended.issuperset(self._task_ids)):
                    self._say_end(run)
                    return
                self._say_what_is_waited_for()
            clock.sleep(max(POLL_SECONDS, clock.now() - asked))

    def _say_if_paused(self) -> None:
        dag = self._client.dag_in_records(self._run.dag_id)
        if dag and dag.paused:
            self._progress.warn(
                f"DAG {dag.dag_id} is paused in Airflow: its runs start no further task."
                " `kedro airflow-k8s unpause` lets them go on."
            )

    def _look(self, tasks: Mapping[str, TaskInstance]) -> None:
        """Show what is new."""
        followed = {
            task_id: tasks[task_id]
            for task_id in (tasks if self._task_ids is None else self._task_ids)
            if task_id in tasks and task_id not in self._ended
        }
        for task in followed.values():
            if task.attempt and task.state in (*_ACTIVE, *ENDS):
                first = self._first_attempts.setdefault(task.task_id, task.attempt)
                for attempt in range(first, task.attempt + 1):
                    self._show_new(task, attempt)
                self._first_attempts[task.task_id] = task.attempt
            if task.state in ENDS:
                self._end(task)
        active = {i: task for i, task in followed.items() if task.state in _ACTIVE}
        if not self._raw:
            self._waits.look({task_id: task_state(task) for task_id, task in active.items()})
        self._active = bool(active)

    def _say_what_is_waited_for(self) -> None:
        if self._active:
            self._progress.done()
            return
        what = self._task_ids[0] if self._task_ids else "a task"
        self._progress.waiting(f"Waiting until {what} starts", self._begin)

    def _show_new(self, task: TaskInstance, attempt: int) -> None:
        key = task.task_id, attempt
        log = self._client.task_log(self._run.dag_id, self._run.run_id, *key)
        self._logs[key] = log
        lines = log.splitlines() if self._raw else lines_so_far(log)
        for line in lines[self._shown.get(key, 0) :]:
            self._say(task, line)
        self._shown[key] = max(len(lines), self._shown.get(key, 0))

    def _end(self, task: TaskInstance) -> None:
        self._ended.add(task.task_id)
        seconds = task_state(task).seconds
        took = "" if seconds is None else f" ({seconds:.1f} s)"
        log = self._logs.get((task.task_id, task.attempt), "")
        why = cause(log) if task.state == "failed" else ""
        self._progress.done()
        self._progress.say(f"{task.task_id}: {in_words(task.state)}{took}{why and ': '}{why}")

    def _say_end(self, run: DagRun) -> None:
        if run.state.ended:
            self._progress.say(
                f"Run {run.run_id} has ended: {run.state.value}. See"
                f" {self._client.run_url(run.dag_id, run.run_id)}"
            )

    def _say(self, task: TaskInstance, line: str) -> None:
        """Write a line; where several tasks write, with the name of the task."""
        self._progress.done()
        alone = self._task_ids is not None and len(self._task_ids) == 1
        self._progress.say(line if alone else f"{task.task_id} | {line}")
