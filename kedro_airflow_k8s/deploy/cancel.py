"""Cancels runs: marks them as failed, so that Airflow stops their pods and cleans up."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from kedro_airflow_k8s.airflow_api import AirflowClient, DagRun
from kedro_airflow_k8s.airflow_api.records import ENDS
from kedro_airflow_k8s.config.own_names import is_teardown
from kedro_airflow_k8s.config.wording import first_of
from kedro_airflow_k8s.deploy.find import find_own_dag, find_run, ordered, tasks_in_order
from kedro_airflow_k8s.errors import RunError
from kedro_airflow_k8s.terminal.progress import Progress


@dataclass(frozen=True)
class Cancelled:
    """A run that was cancelled.

    Attributes:
        dag_id: The DAG.
        run_id: The run.
        url: Its page in Airflow.
        stopped: The tasks that were running: Airflow stops them.
        teardown: The tasks that Airflow still runs, to clean up.
        paused: Whether the DAG is paused: then these wait.
    """

    dag_id: str
    run_id: str
    url: str
    stopped: list[str]
    teardown: list[str]
    paused: bool


def cancel(client: AirflowClient, dag_id: str, run_id: str | None) -> Cancelled:
    """Cancel a run.

    Args:
        client: Airflow.
        dag_id: The DAG, which this plugin has made.
        run_id: The run; None for the only one that has not ended.

    Raises:
        RunError: If there is no such run, it has ended, or several have not.
        AirflowApiError: If Airflow cannot be asked, or refuses.
    """
    dag = find_own_dag(client, dag_id)
    run = _unfinished_run(client, dag_id, run_id)
    tasks = client.task_states(dag_id, run.run_id)
    order = ordered(tasks, tasks_in_order(client, dag_id))
    mark_failed(client, dag_id, run.run_id, order)
    return Cancelled(
        dag_id=dag_id,
        run_id=run.run_id,
        url=client.run_url(dag_id, run.run_id),
        stopped=[i for i in order if tasks[i].state in ("running", "deferred")],
        teardown=[i for i in order if is_teardown(i) and tasks[i].state not in ENDS],
        paused=dag.paused,
    )


def mark_failed(client: AirflowClient, dag_id: str, run_id: str, task_ids: Sequence[str]) -> None:
    """Mark a run as failed, and its last task that has not ended.

    Without the latter, the run would end as a success: see `AirflowClient.fail_run`.

    Args:
        client: Airflow.
        dag_id: The DAG.
        run_id: The run, which has not ended.
        task_ids: The tasks of the DAG, in an order in which they can run.

    Raises:
        NotFound: If the run does not exist.
        AirflowApiError: If Airflow cannot be asked, or refuses.
    """
    states = client.task_states(dag_id, run_id)
    unfinished = [
        task_id
        for task_id in task_ids
        if task_id in states and states[task_id].state not in ENDS and not is_teardown(task_id)
    ]
    if unfinished:
        client.mark_task(dag_id, run_id, unfinished[-1], "failed")
    client.fail_run(dag_id, run_id)


def as_json(cancelled: Cancelled) -> str:
    """Return what was cancelled as JSON in one line, as Kedro may have logged some before it."""
    return json.dumps(asdict(cancelled))


def say_cancelled(cancelled: Cancelled, progress: Progress) -> None:
    """Say what was cancelled, and what Airflow does next."""
    progress.say(f"Run {cancelled.run_id} is marked as failed: {cancelled.url}")
    if cancelled.stopped:
        progress.say(f"Airflow stops {_some(cancelled.stopped)}, and deletes the pods.")
    if not cancelled.teardown:
        return
    progress.say(f"The tasks that clean up run after that: {_some(cancelled.teardown)}.")
    if cancelled.paused:
        progress.warn(
            f"DAG {cancelled.dag_id} is paused in Airflow: these tasks wait until it is unpaused."
            " Until then, the run keeps its volume. `kedro airflow-k8s unpause` lets them run."
        )


def _unfinished_run(client: AirflowClient, dag_id: str, run_id: str | None) -> DagRun:
    if run_id is not None:
        run = find_run(client, dag_id, run_id)
        if run.state.ended:
            raise RunError(
                f"Run {run_id} has ended: {run.state.value}. Only a run that is running or queued"
                f" can be cancelled. See {client.run_url(dag_id, run_id)}"
            )
        return run
    runs = client.newest_runs(dag_id, unfinished=True)
    if not runs:
        raise RunError(
            f"No run of DAG {dag_id} is running or queued. `kedro airflow-k8s status` shows the"
            " last one."
        )
    if len(runs) > 1:
        names = first_of((run.run_id for run in runs), f"see {client.dag_url(dag_id)}", str)
        raise RunError(
            f"{len(runs)} runs of DAG {dag_id} have not ended. Name the one to cancel: {names}."
        )
    return runs[0]


def _some(task_ids: Sequence[str]) -> str:
    return first_of(task_ids, "`kedro airflow-k8s status` shows all", str)
