"""Where a backfill is kept: Airflow 3 has backfills; otherwise a variable of Airflow holds it."""

from __future__ import annotations

import base64
import hashlib
from datetime import tzinfo
from typing import Protocol

from kedro_airflow_k8s.airflow_api import AirflowClient
from kedro_airflow_k8s.airflow_api.records import Backfill
from kedro_airflow_k8s.deploy.run_times import zone
from kedro_airflow_k8s.errors import RunError


class BackfillStore(Protocol):
    """The backfills of a DAG, of which at most one is unfinished."""

    def unfinished(self) -> Backfill | None:
        """Return the backfill that has not ended, or None."""

    def create(self, backfill: Backfill) -> Backfill:
        """Create a backfill, and return it as it is stored."""

    def end(self, backfill: Backfill) -> None:
        """End a backfill: no further run of it starts."""


def is_continued_by(found: Backfill, wanted: Backfill) -> bool:
    """Return whether a backfill that is wanted is one that exists; the latter's cap counts."""
    return (found.start, found.end, found.reprocess, found.conf or {}) == (
        wanted.start,
        wanted.end,
        wanted.reprocess,
        wanted.conf or {},
    )


def store_of(client: AirflowClient, dag_id: str, timezone: str) -> BackfillStore:
    """Return the backfills of a DAG, whose days are those of its time zone."""
    if client.starts_backfills:
        return _Backfills(client, dag_id, zone(timezone))
    return _Variable(client, dag_id)


class _Backfills:
    """The backfills of Airflow 3, which answers in UTC."""

    def __init__(self, client: AirflowClient, dag_id: str, where: tzinfo) -> None:
        self._client = client
        self._dag_id = dag_id
        self._where = where

    def unfinished(self) -> Backfill | None:
        found = self._client.unfinished_backfill(self._dag_id)
        return None if found is None else self._local(found)

    def create(self, backfill: Backfill) -> Backfill:
        return self._local(self._client.create_backfill(backfill))

    def _local(self, found: Backfill) -> Backfill:
        start, end = found.start.astimezone(self._where), found.end.astimezone(self._where)
        return found.model_copy(update={"start": start, "end": end})

    def end(self, backfill: Backfill) -> None:
        self._client.end_backfill(backfill)


class _Variable:
    """An Airflow variable, which exists until the backfill ends.

    Airflow 3 answers with stars for values whose names contain words such as `token`: the name of
    the variable, which may have been that of a DAG, or a key in its JSON. Neither is readable here.
    """

    def __init__(self, client: AirflowClient, dag_id: str) -> None:
        self._client = client
        self._dag_id = dag_id
        digest = hashlib.sha256(dag_id.encode()).hexdigest()[:24]
        self._key = f"kedro_airflow_k8s_backfill.{digest}"

    def unfinished(self) -> Backfill | None:
        text = self._client.variable(self._key)
        if text is None:
            return None
        try:
            return Backfill.model_validate_json(base64.b64decode(text, validate=True))
        except ValueError:
            raise RunError(
                f"The Airflow variable {self._key} does not hold a backfill. This plugin creates"
                f" it for an unfinished backfill of DAG {self._dag_id}. Delete it in Airflow."
            ) from None

    def create(self, backfill: Backfill) -> Backfill:
        words = (
            f"An unfinished backfill of DAG {self._dag_id}, by kedro-airflow-k8s. It is deleted at"
            " the end."
        )
        text = base64.b64encode(backfill.model_dump_json(by_alias=True).encode())
        self._client.create_variable(self._key, text.decode(), words)
        return backfill

    def end(self, backfill: Backfill) -> None:  # noqa: ARG002 - there is one at a time
        self._client.delete_variable(self._key)
