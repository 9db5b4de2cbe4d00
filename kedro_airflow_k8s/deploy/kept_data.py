"""Which data of a run is still there, as far as Airflow and the cluster can tell."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from kedro_airflow_k8s.airflow_api import AirflowClient
from kedro_airflow_k8s.airflow_api.records import TaskInstance
from kedro_airflow_k8s.compile import CompiledDag
from kedro_airflow_k8s.config.own_names import DELETE_DATA, DELETE_VOLUME
from kedro_airflow_k8s.deploy.run_volumes import RunVolumes
from kedro_airflow_k8s.plan.data_places import DataPlace, missing_inputs

_KEEP_UNTIL = "--keep-until="
_DELETED_BY = {DataPlace.VOLUME: DELETE_VOLUME, DataPlace.OBJECTS: DELETE_DATA}


@dataclass(frozen=True)
class KeptData:
    """The data of a run that is still there.

    Attributes:
        places: Where it is stored.
        reason: Why the rest is gone.
    """

    places: frozenset[DataPlace]
    reason: str


def kept_data(
    client: AirflowClient,
    dag_id: str,
    run_id: str,
    states: Mapping[str, TaskInstance],
    volumes: RunVolumes | None = None,
) -> KeptData:
    """Return which data of a run is still there.

    Args:
        client: Airflow.
        dag_id: The DAG.
        run_id: The run.
        states: The tasks of the run.
        volumes: What the cluster has; None if the volume is of no interest.

    Raises:
        AirflowApiError: If Airflow cannot be asked.
        ClusterError: If the user has named a cluster that cannot be asked.
    """
    places, reasons = {DataPlace.LASTING}, []
    for place, task_id in _DELETED_BY.items():
        if task_id not in states or states[task_id].state != "success":
            places.add(place)
            continue
        until = _kept_until(client.rendered_fields(dag_id, run_id, task_id))
        if until and until > datetime.now(timezone.utc):
            places.add(place)
        elif until:
            reasons.append(f"What is {place.value} was kept until {until:%Y-%m-%d %H:%M} UTC.")
    if volumes and DataPlace.VOLUME in places and (loss := volumes.loss(dag_id, run_id)):
        places.remove(DataPlace.VOLUME)
        reasons.append(loss)
    reason = " ".join(reasons) or (
        "It was deleted at the end of the run: `run_config.keep_failed` was not set."
    )
    return KeptData(frozenset(places), reason)


def needs_volume(dag: CompiledDag, chosen: Collection[str]) -> bool:
    """Return whether tasks read from the volume of the run what only other tasks make.

    Args:
        dag: The DAG.
        chosen: The ids of the tasks.
    """
    taken = missing_inputs(dag.tasks, chosen, dag.storage, {DataPlace.LASTING})
    return any(dag.storage[name] is DataPlace.VOLUME for name in taken)


def _kept_until(fields: Mapping[str, Any]) -> datetime | None:
    """Return until when the data of a run is kept, from the arguments of the task that deletes it.

    It is an argument of that task, or one of its container.
    """
    found = fields.get("until") or next(
        (
            str(argument).removeprefix(_KEEP_UNTIL)
            for argument in fields.get("arguments") or ()
            if str(argument).startswith(_KEEP_UNTIL)
        ),
        "",
    )
    try:
        return datetime.fromisoformat(str(found))
    except ValueError:
        return None
