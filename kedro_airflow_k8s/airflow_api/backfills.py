"""Requests about backfills, and about the variables that keep them where Airflow has none."""

from __future__ import annotations

import contextlib
from datetime import date, datetime, timezone
from typing import Any

from kedro_airflow_k8s.airflow_api.paths import Requests
from kedro_airflow_k8s.airflow_api.records import (
    Backfill,
    BackfillMoment,
    DagRun,
    Page,
    Variable,
)
from kedro_airflow_k8s.errors import Conflict, NotFound


class BackfillApi(Requests):
    """The part of the client for backfills."""

    logical_date = "logical_date"
    """What the API calls the logical date of a run."""
    starts_backfills = True
    """Whether Airflow starts the runs of a backfill. Airflow 2.11 has no backfills in its API."""

    def runs_between(self, dag_id: str, start: datetime, end: datetime) -> list[DagRun]:
        """Return the runs of a DAG with logical dates in a range, which includes both ends."""
        name = self.logical_date
        ends = {f"{name}_gte": start.isoformat(), f"{name}_lte": end.isoformat(), "order_by": name}
        return list(self._items(DagRun, self._path("dags", dag_id, "dagRuns"), **ends))

    def partitions_between(self, dag_id: str, first: date, last: date) -> list[DagRun]:
        """Return the runs of a DAG for partitions of a range of days, the latest ones last."""
        ends = {"partition_date_gte": first.isoformat(), "partition_date_lte": last.isoformat()}
        path = self._path("dags", dag_id, "dagRuns")
        # Airflow 3.2 does not know these and lists all runs.
        return list(self._items(DagRun, path, order_by="run_after", **ends))

    def backfill_dates(self, wanted: Backfill) -> list[datetime]:
        """Return the logical dates of the runs that Airflow would start for a backfill."""
        answer = self._send("POST", "backfills", "dry_run", json=_body(wanted))
        moments = answer.read(Page[BackfillMoment]).items
        return [moment.logical_date for moment in moments if moment.logical_date]

    def create_backfill(self, wanted: Backfill) -> Backfill:
        """Create a backfill, and return it as Airflow has it, with its number.

        Raises:
            Conflict: If the DAG has another unfinished one.
        """
        try:
            return self._send("POST", "backfills", json=_body(wanted)).read(Backfill)
        except Conflict:
            # The answer to the first of several attempts may have been lost.
            found = self.unfinished_backfill(wanted.dag_id)
            if found is None or _body(found) != _body(wanted):
                raise
            return found

    def unfinished_backfill(self, dag_id: str) -> Backfill | None:
        """Return the backfill of a DAG that has not ended, or None."""
        path = self._path("backfills")
        backfills = self._items(Backfill, path, dag_id=dag_id, order_by="-id")
        return next((found for found in backfills if found.completed is None), None)

    def end_backfill(self, backfill: Backfill) -> None:
        """End a backfill: no further run of it starts."""
        with contextlib.suppress(Conflict):  # It has ended by itself.
            self._send("PUT", "backfills", str(backfill.id), "cancel", json={})

    def variable(self, key: str) -> str | None:
        """Return the value of an Airflow variable, or None if there is none."""
        with contextlib.suppress(NotFound):
            return self._get("variables", key).read(Variable).value
        return None

    def create_variable(self, key: str, value: str, description: str) -> None:
        """Create an Airflow variable, which does not exist yet."""
        body = {"key": key, "value": value, "description": description}
        self._send("POST", "variables", json=body)

    def delete_variable(self, key: str) -> None:
        """Delete an Airflow variable, if it exists."""
        with contextlib.suppress(NotFound):
            self._transport.send("DELETE", self._path("variables", key), text_too=True)


def _body(wanted: Backfill) -> dict[str, Any]:
    body: dict[str, Any] = {
        "dag_id": wanted.dag_id,
        "from_date": wanted.start.astimezone(timezone.utc).isoformat(),
        "to_date": wanted.end.astimezone(timezone.utc).isoformat(),
        "max_active_runs": wanted.max_active,
        "reprocess_behavior": "completed" if wanted.reprocess == "all" else wanted.reprocess,
    }
    # Without it, runs that are started again keep their own.
    return {**body, "dag_run_conf": dict(wanted.conf)} if wanted.conf else body
