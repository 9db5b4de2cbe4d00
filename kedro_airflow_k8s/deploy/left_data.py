"""What runs have left: volumes, clusters of engines, and folders on object storage."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from functools import partial
from typing import Any

from kedro_airflow_k8s.airflow_api import AirflowClient
from kedro_airflow_k8s.config.own_names import LABEL_PREFIX
from kedro_airflow_k8s.deploy.kubernetes import SECONDS, cluster_errors
from kedro_airflow_k8s.errors import NotFound, UploadError
from kedro_airflow_k8s.pod.redaction import shown_url, without_secrets

KEEP_UNTIL = f"{LABEL_PREFIX}keep-until"
VOLUME = "PersistentVolumeClaim"
OF_CLUSTERS = ("Pod", "Service")
"""The kinds of objects that clusters of engines consist of."""

_OURS = "app.kubernetes.io/managed-by=kedro-airflow-k8s"


@dataclass(frozen=True)
class LeftData:
    """What a run has left.

    Attributes:
        place: The name of the claim, or the address of the folder without credentials. For objects
            of a cluster, such as one of Spark, their kind and name.
        size: The size of the claim; empty for a folder.
        dag_id: The DAG.
        run_id: The run.
        made: When it was made; None if that is unknown.
        until: Until when it is kept; None if the run has not said so.
        delete: Deletes it.
    """

    place: str
    size: str
    dag_id: str
    run_id: str
    made: datetime | None
    until: datetime | None
    delete: Callable[[], object]


@dataclass(frozen=True)
class Verdict:
    """Whether data may be deleted, and why.

    Attributes:
        data: The data.
        state: The state of its run in Airflow; None if Airflow does not know the run.
        deletable: Whether no run needs it.
    """

    data: LeftData
    state: str | None
    deletable: bool


def judge(client: AirflowClient, data: LeftData, *, kept: bool) -> Verdict:
    """Return whether data may be deleted: its run has ended, and so has the time it is kept for.

    Data of a run that this Airflow does not know may be that of another Airflow: it stays.

    Args:
        client: Airflow.
        data: The data.
        kept: Whether data whose time is not over may be deleted, too.

    Raises:
        AirflowApiError: If Airflow cannot be asked.
    """
    try:
        state = client.run(data.dag_id, data.run_id).state
    except NotFound:
        return Verdict(data, None, deletable=False)
    over = data.until is None or data.until < datetime.now(timezone.utc)
    return Verdict(data, state.value, deletable=state.ended and (over or kept))


def objects(api: Any, kind: str, namespace: str, dag_ids: Collection[str]) -> Iterator[LeftData]:
    """Yield the run resources of a kind that belong to runs of some DAGs.

    Args:
        api: A `kubernetes.client.CoreV1Api`.
        kind: VOLUME, or one of `OF_CLUSTERS`.
        namespace: Where they are.
        dag_ids: The DAGs.

    Raises:
        ClusterError: If the cluster does not list them.
    """
    with cluster_errors(f"list the {kind}s in namespace {namespace}"):
        found = getattr(api, f"list_namespaced_{_in_method(kind)}")(
            namespace, label_selector=_OURS, _request_timeout=SECONDS
        ).items
    for each in found:
        notes = each.metadata.annotations or {}
        dag_id, run_id = (notes.get(f"{LABEL_PREFIX}{key}", "") for key in ("dag-id", "run-id"))
        if dag_id in dag_ids:
            until = notes.get(KEEP_UNTIL)
            name, size = f"{kind.lower()}/{each.metadata.name}", ""
            if kind == VOLUME:
                name = each.metadata.name
                size = each.spec.resources.requests.get("storage", "")
            yield LeftData(
                place=name,
                size=size,
                dag_id=dag_id,
                run_id=run_id,
                made=each.metadata.creation_timestamp,
                until=datetime.fromisoformat(until) if until else None,
                delete=partial(_delete, api, kind, each.metadata),
            )


def _delete(api: Any, kind: str, metadata: Any) -> None:
    """Delete an object, unless another one has its name by now."""
    body = {"preconditions": {"uid": metadata.uid}}
    what = f"delete {kind} {metadata.name} in namespace {metadata.namespace}"
    with cluster_errors(what, missing_ok=True):
        method = getattr(api, f"delete_namespaced_{_in_method(kind)}")
        method(metadata.name, metadata.namespace, body=body)


def _in_method(kind: str) -> str:
    """Return how methods of the Kubernetes client spell a kind."""
    return re.sub(r"\B(?=[A-Z])", "_", kind).lower()


def folders(address: str, dag_ids: Collection[str]) -> Iterator[LeftData]:
    """Yield the folders of failed runs of some DAGs on object storage.

    Args:
        address: The folder that they are in, `run_config.intermediate_data`.
        dag_ids: The DAGs.

    Raises:
        UploadError: If the folder cannot be listed.
    """
    from kedro_airflow_k8s.pod.delete_intermediate_data import delete
    from kedro_airflow_k8s.pod.kept_data import kept_below

    with _store_errors(f"list {shown_url(address)}"):
        found = kept_below(address)
    for kept in found:
        if kept.dag_id in dag_ids:
            shown = shown_url(kept.root)

            def delete_it(root: str = kept.root, shown: str = shown) -> None:
                with _store_errors(f"delete {shown}"):
                    delete(root)

            yield LeftData(shown, "", kept.dag_id, kept.run_id, None, kept.until, delete_it)


@contextmanager
def _store_errors(what: str) -> Iterator[None]:
    """Show errors of object storage as ours.

    Raises:
        UploadError: In place of an error of fsspec or of the store's client.
    """
    try:
        yield
    except Exception as error:  # clients of object stores share no base class
        words = without_secrets(" ".join(str(error).split())) or "no reason given"
        raise UploadError(f"Cannot {what}: {type(error).__name__}: {words}.") from error
