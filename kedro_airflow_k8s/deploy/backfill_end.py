"""How the runs of a backfill stand, and how they have ended."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from kedro_airflow_k8s.airflow_api import AirflowClient, RunState
from kedro_airflow_k8s.airflow_api.records import Backfill
from kedro_airflow_k8s.config.wording import counted, first_of
from kedro_airflow_k8s.deploy.backfill_plan import PART, Moment
from kedro_airflow_k8s.deploy.status import run_status
from kedro_airflow_k8s.errors import AirflowApiError, RunError
from kedro_airflow_k8s.terminal.progress import Progress

CAUSES_SHOWN = 5
"""Of how many failed runs the cause is looked for."""


def show_end(
    client: AirflowClient, moments: Sequence[Moment], backfill: Backfill, progress: Progress
) -> None:
    """Say how all runs of the range of a backfill stand at its end.

    Raises:
        RunError: If one has not succeeded.
    """
    progress.say(f"Backfill of DAG {backfill.dag_id}: {counts(moments)}.")
    failed = [moment for moment in moments if moment.state == RunState.FAILED.value]
    for moment in failed[:CAUSES_SHOWN]:
        progress.say(f"{moment.name}: {_cause(client, moment)}")
    rest = [moment for moment in moments if moment.state != RunState.SUCCESS.value]
    if not rest:
        return
    parts = sum(moment.state == PART for moment in rest)
    if parts:
        progress.say(
            f"{counted(parts, 'run')} ran some nodes only, and a moment can have one run. Delete"
            f" {'it' if parts == 1 else 'them'} in Airflow, then start the backfill again."
        )
    names = first_of((m.name for m in rest), f"see {client.dag_url(backfill.dag_id)}", str)
    raise RunError(
        f"{len(rest)} of {counted(len(moments), 'run')} of the backfill did not succeed: {names}."
        " Fix the cause, then run them again: `kedro airflow-k8s backfill --from"
        f" {backfill.start:%Y-%m-%d} --to {backfill.end:%Y-%m-%d} --reprocess failed`. Or let a run"
        " go on where it stopped: `kedro airflow-k8s resume RUN_ID`."
    )


def _cause(client: AirflowClient, moment: Moment) -> str:
    if moment.run is None:
        return "it has no run."
    run_id = moment.run.run_id
    try:
        tasks = run_status(client, moment.run.dag_id, run_id).tasks
    except AirflowApiError as error:
        return f"run {run_id} failed. Airflow does not tell why: {error}"
    causes = [f"{task.task_id}: {task.cause}" for task in tasks if task.state == "failed"]
    return f"run {run_id} failed. {causes[0] if causes else 'No task of it failed.'}"


def range_of(backfill: Backfill) -> str:
    """Return the range of a backfill for messages."""
    return f"{backfill.start:%Y-%m-%d} to {backfill.end:%Y-%m-%d}"


def counts(moments: Sequence[Moment]) -> str:
    """Return how many runs are in each state: `3 of 31 runs succeeded, 1 failed, 2 running`."""
    found = Counter(moment.state for moment in moments)
    succeeded = found.pop(RunState.SUCCESS.value, 0)
    others = "".join(f", {count} {state}" for state, count in sorted(found.items()))
    return f"{succeeded} of {counted(len(moments), 'run')} succeeded{others}"
