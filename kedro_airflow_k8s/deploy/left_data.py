"""The data that runs have left: volumes on the cluster, and folders on object storage."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from kedro_airflow_k8s.airflow_api import AirflowClient
from kedro_airflow_k8s.config.own_names import LABEL_PREFIX
from kedro_airflow_k8s.errors import ClusterError, NotFound, UploadError
from kedro_airflow_k8s.pod.redaction import shown_url, without_secrets

KEEP_UNTIL = f"{LABEL_PREFIX}keep-until"
_SECONDS = (5.0, 60.0)
"""How long it may take to connect to the cluster, and to get an answer."""

_OURS = "app.kubernetes.io/managed-by=kedro-airflow-k8s"


@dataclass(frozen=True)
class LeftData:
    """What a run has left.

    Attributes:
        place: The name of the claim, or the address of the folder without credentials.
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


def volumes(api: Any, namespace: str, dag_ids: Collection[str]) -> Iterator[LeftData]:
    """Yield the volumes of runs of some DAGs.

    Args:
        api: A `kubernetes.client.CoreV1Api`.
        namespace: Where they are.
        dag_ids: The DAGs.

    Raises:
        ClusterError: If the cluster does not list them.
    """
    with _cluster_errors(f"list the PersistentVolumeClaims in namespace {namespace}"):
        found = api.list_namespaced_persistent_volume_claim(
            namespace, label_selector=_OURS, _request_timeout=_SECONDS
        ).items
    for claim in found:
        notes = claim.metadata.annotations or {}
        dag_id, run_id = (notes.get(f"{LABEL_PREFIX}{key}", "") for key in ("dag-id", "run-id"))
        if dag_id in dag_ids:
            until = notes.get(KEEP_UNTIL)
            yield LeftData(
                place=claim.metadata.name,
                size=claim.spec.resources.requests.get("storage", ""),
                dag_id=dag_id,
                run_id=run_id,
                made=claim.metadata.creation_timestamp,
                until=datetime.fromisoformat(until) if until else None,
                delete=partial(_delete_claim, api, claim.metadata),
            )


def _delete_claim(api: Any, metadata: Any) -> None:
    """Delete a claim, unless another one has its name by now."""
    what = f"delete PersistentVolumeClaim {metadata.name} in namespace {metadata.namespace}"
    body = {"preconditions": {"uid": metadata.uid}}
    with _cluster_errors(what, missing_ok=True):
        api.delete_namespaced_persistent_volume_claim(metadata.name, metadata.namespace, body=body)


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


def connect(kubeconfig: Path | None, context: str | None) -> tuple[Any, str]:
    """Return a client of the cluster, and the namespace of the context.

    Args:
        kubeconfig: The file with its address; None for that of kubectl.
        context: The context in that file; None for the current one.

    Raises:
        ClusterError: If the client is not installed, or there is no such file or context.
    """
    try:
        from kubernetes import client, config
    except ImportError as error:
        raise ClusterError(
            "The Kubernetes client is not installed, which lists volumes. Install it with"
            " `pip install 'kedro-airflow-k8s[kubernetes]'`."
        ) from error
    file = str(kubeconfig) if kubeconfig else None
    settings = client.Configuration()
    settings.retries = False
    try:
        contexts, current = config.list_kube_config_contexts(file)
        found = next((c for c in contexts if c["name"] == context), current)
        config.load_kube_config(file, context, client_configuration=settings)
    except (config.ConfigException, OSError, ValueError, yaml.YAMLError) as error:
        raise ClusterError(
            "The cluster of the volumes is unknown. It is the one that kubectl uses: set"
            f" KUBECONFIG, or choose another --context. {without_secrets(str(error))}"
        ) from error
    namespace = found.get("context", {}).get("namespace", "default")
    return client.CoreV1Api(client.ApiClient(settings)), namespace


@contextmanager
def _cluster_errors(what: str, *, missing_ok: bool = False) -> Iterator[None]:
    """Show errors of the cluster as ours.

    Raises:
        ClusterError: In place of an error of the Kubernetes client or of the connection.
    """
    from kubernetes.client.exceptions import ApiException
    from urllib3.exceptions import HTTPError

    try:
        yield
    except ApiException as error:
        if error.status == 404 and missing_ok:
            return
        raise ClusterError(
            f"Cannot {what}: {error.status} {error.reason}. {_message(error.body)}".rstrip()
        ) from error
    except (HTTPError, OSError) as error:
        raise ClusterError(
            f"Cannot {what}: the cluster does not answer. {without_secrets(str(error))}"
        ) from error


def _message(body: Any) -> str:
    """Return the message in an answer of Kubernetes."""
    try:
        return str(json.loads(body)["message"])
    except (ValueError, KeyError, TypeError):
        return ""


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
