"""Pauses and unpauses DAGs."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from kedro_airflow_k8s.airflow_api import AirflowClient
from kedro_airflow_k8s.config.wording import first_of
from kedro_airflow_k8s.deploy.find import find_own_dag
from kedro_airflow_k8s.terminal.progress import Progress


@dataclass(frozen=True)
class Paused:
    """A DAG that was paused or unpaused.

    Attributes:
        dag_id: The DAG.
        paused: Whether it is paused now.
        changed: Whether it was not so before.
        schedule: Its schedule; None if it runs only when triggered.
        unfinished_runs: Its runs that are running or queued, the newest first.
        url: Its page in Airflow.
    """

    dag_id: str
    paused: bool
    changed: bool
    schedule: str | None
    unfinished_runs: list[str]
    url: str


def set_paused(client: AirflowClient, dag_id: str, paused: bool) -> Paused:
    """Pause or unpause a DAG that this plugin has made.

    Raises:
        RunError: If Airflow does not have it, or something else has made it.
        AirflowApiError: If Airflow cannot be asked, or refuses.
    """
    dag = find_own_dag(client, dag_id)
    runs = [run.run_id for run in client.newest_runs(dag_id, unfinished=True)]
    if dag.paused != paused:
        client.set_paused(dag_id, paused)
    return Paused(
        dag_id=dag_id,
        paused=paused,
        changed=dag.paused != paused,
        schedule=dag.schedule,
        unfinished_runs=runs,
        url=client.dag_url(dag_id),
    )


def as_json(found: Paused) -> str:
    """Return the outcome as JSON in one line, as Kedro may have logged some before it."""
    return json.dumps(asdict(found))


def say_paused(found: Paused, progress: Progress) -> None:
    """Say how the DAG stands, and what that means for its runs."""
    word = "paused" if found.paused else "unpaused"
    already = "" if found.changed else "already "
    effect = ": no run starts until you unpause it" if found.paused else ""
    progress.say(f"DAG {found.dag_id} is {already}{word}{effect}. See {found.url}")
    runs = found.unfinished_runs
    if runs:
        names = first_of(runs, f"see {found.url}", str)
        progress.say(f"Not ended yet: {names}. {_effect_on_runs(found)}")
    if found.changed and not found.paused and found.schedule:
        progress.say(
            f"Its schedule is {found.schedule}. If the last interval has had no run, Airflow starts"
            " one now."
        )


def _effect_on_runs(found: Paused) -> str:
    if not found.paused:
        return "Airflow starts their tasks."
    return (
        "Tasks that are running go on, and no further task starts, also none that cleans up."
        " `kedro airflow-k8s cancel` cancels a run."
    )
