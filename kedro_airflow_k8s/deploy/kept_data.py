"""Which data of a run is still there, as far as Airflow can tell."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from kedro_airflow_k8s.airflow_api import AirflowClient
from kedro_airflow_k8s.airflow_api.records import TaskInstance
from kedro_airflow_k8s.config.own_names import DELETE_DATA, DELETE_VOLUME
from kedro_airflow_k8s.plan.data_places import DataPlace

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
    client: AirflowClient, dag_id: str, run_id: str, states: Mapping[str, TaskInstance]
) -> KeptData:
    """Return which data of a run is still there.

    Args:
        client: Airflow.
        dag_id: The DAG.
        run_id: The run.
        states: The tasks of the run.

    Raises:
        AirflowApiError: If Airflow cannot be asked.
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
    reason = " ".join(reasons) or (
        "It was deleted at the end of the run: `run_config.keep_failed` was not set."
    )
    return KeptData(frozenset(places), reason)


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
