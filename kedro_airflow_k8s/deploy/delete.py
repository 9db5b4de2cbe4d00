"""Deletes DAGs: first the file, so that Airflow does not find it again, then Airflow's records."""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import asdict, dataclass, replace
from pathlib import PurePosixPath

from kedro_airflow_k8s.airflow_api import AirflowClient, Dag, RunState
from kedro_airflow_k8s.config.own_names import TAG_FINGERPRINT, TAG_VERSION
from kedro_airflow_k8s.config.wording import counted, first_of
from kedro_airflow_k8s.deploy.find import no_dag, refuse_foreign
from kedro_airflow_k8s.errors import AirflowApiError, RunError
from kedro_airflow_k8s.terminal.progress import Progress
from kedro_airflow_k8s.upload import StoredFile, delete_dag, read_dag

_KEEPS = b"\nKEEP_FAILED = "
"""A line of the files of DAGs that keep the data of failed runs."""

RUNS_COUNTED = 100
"""How many runs Airflow returns at most: the newest ones."""


@dataclass(frozen=True)
class Deletion:
    """A DAG that is to be deleted, or was.

    Attributes:
        dag_id: The DAG.
        file: Where its file is; None if it is gone already.
        runs: How many runs Airflow has records of; 100 if there are more.
        keeping: How many of them have failed, of a DAG that keeps the data of failed runs.
        airflow: The address of Airflow.
        deleted: Whether it was deleted.
    """

    dag_id: str
    file: str | None
    runs: int
    keeping: int
    airflow: str
    deleted: bool = False


def plan_deletion(client: AirflowClient, dag_id: str, output: str) -> Deletion:
    """Return what would be deleted, and check that it may be.

    Args:
        client: Airflow.
        dag_id: The DAG.
        output: Where Airflow reads DAGs.

    Raises:
        RunError: If Airflow has no such DAG, something else has made it, its file is not in the
            output, or a run of it has not ended.
        UploadError: If the output cannot be read.
        AirflowApiError: If Airflow cannot be asked.
    """
    dag = client.dag_in_records(dag_id)
    if dag is None:
        raise no_dag(client, dag_id)
    refuse_foreign(client, dag)
    stored = read_dag(PurePosixPath(dag.file).name, output)
    if stored.size is None:
        _check_gone(dag, stored.address)
    else:
        _check_same(dag, stored)
    unfinished = client.newest_runs(dag_id, unfinished=True)
    if unfinished:
        names = first_of((run.run_id for run in unfinished), f"see {client.dag_url(dag_id)}", str)
        raise RunError(
            f"DAG {dag_id} has runs that have not ended: {names}. Wait for their end, or cancel"
            " them with `kedro airflow-k8s cancel`. Nothing was deleted."
        )
    runs = client.newest_runs(dag_id)
    keeps = _KEEPS in (stored.data or b"")
    return Deletion(
        dag_id=dag_id,
        file=None if stored.size is None else stored.address,
        runs=len(runs),
        keeping=sum(run.state is RunState.FAILED for run in runs) if keeps else 0,
        airflow=client.host,
    )


def delete(client: AirflowClient, deletion: Deletion, output: str) -> Deletion:
    """Delete a DAG as planned, and return what was deleted.

    Raises:
        UploadError: If the file cannot be deleted: then nothing was.
        AirflowApiError: If Airflow does not delete its records.
    """
    if deletion.file is not None:
        delete_dag(deletion.file.rpartition("/")[2], output)
    try:
        client.delete_dag(deletion.dag_id)
    except AirflowApiError as error:
        gone = f"{deletion.file} is deleted" if deletion.file else "There was no file to delete"
        raise type(error)(
            f"{gone}, and the records in Airflow are not. {error} Airflow notices within minutes"
            " that the file is gone: delete the DAG again then."
        ) from error
    return replace(deletion, deleted=True)


def as_json(deletion: Deletion) -> str:
    """Return what was deleted as JSON in one line, as Kedro may have logged some before it."""
    return json.dumps(asdict(deletion))


def warning(deletion: Deletion) -> str | None:
    """Return what to do before the deletion; None if there is nothing."""
    if not deletion.keeping:
        return None
    return (
        f"{counted(deletion.keeping, 'failed run')} of DAG {deletion.dag_id} may have kept data."
        " It is not deleted with the DAG, and `clean` deletes it only while Airflow knows the runs:"
        f" call `kedro airflow-k8s clean --kept --dag-name {shlex.quote(deletion.dag_id)}` before."
    )


def question(deletion: Deletion) -> str:
    """Return the question whether to delete a DAG."""
    file = f"the file {deletion.file} and " if deletion.file else ""
    return f"Delete {file}the records of DAG {deletion.dag_id} {_with_runs(deletion)}?"


def say_deleted(deletion: Deletion, progress: Progress) -> None:
    """Say what was deleted."""
    if deletion.file:
        progress.say(f"Deleted {deletion.file}.")
    else:
        progress.say("The file of the DAG was gone already.")
    progress.say(f"Deleted the records of DAG {deletion.dag_id} {_with_runs(deletion)}.")
    if deletion.file and "://" in deletion.file:
        progress.say(
            "If Airflow reads a copy of the bucket, the DAG may come back until the copy has"
            " followed. Then delete it again."
        )


def _with_runs(deletion: Deletion) -> str:
    more = " or more" if deletion.runs == RUNS_COUNTED else ""
    return f"in {deletion.airflow}, with {counted(deletion.runs, 'run')}{more}"


def _check_gone(dag: Dag, address: str) -> None:
    """Check that Airflow has only records of a DAG whose file is not in the output.

    Raises:
        RunError: If Airflow has the file.
    """
    if dag.active:
        raise RunError(
            f"The file of DAG {dag.dag_id} is not in the output: {address} does not exist. Airflow"
            f" reads the DAG from {dag.file}. Use --output, --env or --sandbox for the place that"
            " this Airflow reads. If you have just deleted the file, Airflow notices within"
            " minutes: delete the DAG again then."
        )


def _check_same(dag: Dag, stored: StoredFile) -> None:
    """Check that the file in the output is the one from which Airflow has a DAG.

    Raises:
        RunError: If it is not.
    """
    text = (stored.data or b"").decode("utf-8", "replace")
    named = re.search(rf"""(["']){re.escape(dag.dag_id)}\1""", text)
    if f"{TAG_VERSION}:" not in text or not named:
        raise RunError(
            f"{stored.address} is not the file of DAG {dag.dag_id}. It is of another DAG, or this"
            f" plugin has not made it. Airflow reads the DAG from {dag.file}. Delete the file"
            " yourself, or use --output, --env or --sandbox for the place that this Airflow reads."
        )
    fingerprint = next((tag for tag in dag.tags if tag.startswith(f"{TAG_FINGERPRINT}:")), "")
    if dag.active and fingerprint not in text:
        raise RunError(
            f"{stored.address} is another version of DAG {dag.dag_id} than Airflow has. If you have"
            " just uploaded it, wait until Airflow has read it. Otherwise this Airflow reads DAGs"
            " from elsewhere: use --output, --env or --sandbox for the place that it reads."
        )
