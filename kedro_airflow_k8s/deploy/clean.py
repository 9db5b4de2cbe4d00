"""Shows and deletes the data that runs have left."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime, timezone

from rich.console import Console
from rich.text import Text

from kedro_airflow_k8s.airflow_api import AirflowClient
from kedro_airflow_k8s.config.model import RunConfig
from kedro_airflow_k8s.deploy.kubernetes import Kubectl
from kedro_airflow_k8s.deploy.left_data import (
    OF_CLUSTERS,
    VOLUME,
    LeftData,
    Verdict,
    folders,
    judge,
    objects,
)
from kedro_airflow_k8s.errors import AirflowK8sError, RunError
from kedro_airflow_k8s.terminal.tables import plain_table, print_table

_DAY, _HOUR = 86_400, 3_600


def find(
    client: AirflowClient,
    kubectl: Kubectl,
    dags: Mapping[str, RunConfig],
    *,
    kept: bool,
) -> list[Verdict]:
    """Return the data that runs of DAGs have left, and whether a run may still need it.

    Args:
        client: Airflow.
        kubectl: How the cluster is reached.
        dags: The settings of their runs, by DAG id.
        kept: Whether data that is kept for `resume` counts as not needed.

    Raises:
        ClusterError: If the cluster does not list its objects.
        UploadError: If object storage does not list its folders.
        AirflowApiError: If Airflow cannot be asked.
    """
    found: list[LeftData] = []
    by_kind = {
        VOLUME: [dag_id for dag_id, run in dags.items() if not run.volume.disabled],
        **{kind: [dag_id for dag_id, run in dags.items() if run.clusters] for kind in OF_CLUSTERS},
    }
    if any(by_kind.values()):
        api, default = kubectl.connect()
        for kind, dag_ids in by_kind.items():
            by_namespace: dict[str, list[str]] = {}
            for dag_id in dag_ids:
                by_namespace.setdefault(dags[dag_id].namespace or default, []).append(dag_id)
            for namespace, ids in by_namespace.items():
                found += objects(api, kind, namespace, ids)
    by_address: dict[str, list[str]] = {}
    for dag_id, run in dags.items():
        if run.intermediate_data:
            by_address.setdefault(run.intermediate_data, []).append(dag_id)
    for address, dag_ids in by_address.items():
        found += folders(address, dag_ids)
    return [judge(client, data, kept=kept) for data in found]


def show(found: Sequence[Verdict], console: Console) -> None:
    """Write what runs have left as a table."""
    if not found:
        console.print("Runs of these DAGs have left no data.")
        return
    table = plain_table("Data", "Size", "DAG", "Run", "State", "Age", "Kept until", "Needed")
    for verdict in sorted(found, key=lambda each: (each.data.dag_id, each.data.place)):
        data = verdict.data
        cells = (
            data.place,
            data.size or "-",
            data.dag_id,
            data.run_id,
            verdict.state or "not in this Airflow",
            _age(data.made),
            f"{data.until:%Y-%m-%d %H:%M}" if data.until else "-",
            "no" if verdict.deletable else "yes" if verdict.state else "unknown",
        )
        table.add_row(*map(Text, cells))
    print_table(table, console)


def _age(made: datetime | None) -> str:
    if made is None:
        return "-"
    seconds = (datetime.now(timezone.utc) - made).total_seconds()
    return f"{seconds / _DAY:.0f}d" if seconds >= _DAY else f"{seconds / _HOUR:.0f}h"


def as_json(found: Iterable[Verdict], deleted: Collection[LeftData]) -> str:
    """Return what runs have left as a JSON list.

    Args:
        found: What they have left.
        deleted: What of it has been deleted.
    """
    return json.dumps(
        [
            {
                "place": data.place,
                "size": data.size or None,
                "dag_id": data.dag_id,
                "run_id": data.run_id,
                "state": verdict.state,
                "made": data.made and data.made.isoformat(),
                "until": data.until and data.until.isoformat(),
                "deletable": verdict.deletable,
                "deleted": data in deleted,
            }
            for verdict in found
            for data in (verdict.data,)
        ]
    )


def delete(found: Iterable[LeftData], done: Callable[[LeftData], object]) -> None:
    """Delete data.

    Args:
        found: The data.
        done: Called with each that was deleted.

    Raises:
        RunError: If some of it cannot be deleted; the rest is.
    """
    errors = [error for data in found if (error := _problem(data, done))]
    if errors:
        raise RunError("\n".join(errors))


def _problem(data: LeftData, done: Callable[[LeftData], object]) -> str:
    """Delete data; return why that is not possible, or an empty text."""
    try:
        data.delete()
    except AirflowK8sError as error:
        return str(error)
    done(data)
    return ""
