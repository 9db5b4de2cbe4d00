"""Airflow 2.11, by its API at /api/v1."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any
from urllib.parse import quote

from kedro_airflow_k8s.airflow_api.client import Dag
from kedro_airflow_k8s.airflow_api.records import Record
from kedro_airflow_k8s.airflow_api.rest import GENERATED, RestClient

NEVER = "Never, external triggers only"
"""How Airflow 2 describes the timetable of a DAG without one."""


class Airflow2Client(RestClient):
    """A server of Airflow 2.11."""

    api = "api/v1"
    # [scheduler] min_serialized_dag_fetch_interval
    memory_seconds = 10.0
    not_only_shown: Mapping[str, Any] = {"dry_run": False}

    def generated_dags(self) -> Iterator[Dag]:
        """All active DAGs that carry this plugin's tag of whatever version, sorted by id.

        This API finds DAGs by whole tags only, and tells of no tags: all DAGs have to be read.
        """
        params = {"only_active": True, "order_by": "dag_id"}
        found = map(self._dag, self._pages(self._path("dags"), "dags", params, "dag_id"))
        ours = (dag for dag in found if any(tag.startswith(GENERATED) for tag in dag.tags))
        yield from sorted(ours, key=lambda dag: dag.dag_id)

    def request_parsing(self, dag_id: str) -> bool:
        """Ask Airflow to look at the DAG's file now; False where it cannot be asked.

        Airflow 2 parses just the file that it is asked for. For new files it looks through its
        folder every [scheduler] dag_dir_list_interval, and nothing makes it look sooner.
        """
        known = self.find_dag(dag_id)
        return known is not None and self._ask_to_parse(known)

    def dag_url(self, dag_id: str) -> str:
        """The page of a DAG, for a browser."""
        return f"{self.host}/dags/{quote(dag_id, safe='')}/grid"

    def run_url(self, dag_id: str, run_id: str) -> str:
        """The page of a run, for a browser."""
        return f"{self.dag_url(dag_id)}?dag_run_id={quote(run_id, safe='')}"

    def _dag(self, record: Record) -> Dag:
        return Dag(
            dag_id=record.text("dag_id"),
            tags=tuple(sorted(tag.text("name") for tag in record.records("tags"))),
            paused=record.flag("is_paused"),
            schedule=_schedule(record),
            file_token=record.text("file_token"),
            bundle=None,
            file=record.text("fileloc"),
        )

    def _is_active(self, record: Record) -> bool:
        return record.flag("is_active")

    def _about(self, file_name: str) -> dict[str, Any]:  # noqa: ARG002 - this API filters nothing
        return {}

    def _logical_date(self, moment: datetime | None) -> dict[str, Any]:
        return {"logical_date": moment.isoformat()} if moment else {}


def _schedule(record: Record) -> str | None:
    """A cron expression or preset as it was written; other timetables as Airflow words them."""
    interval = record.plain("schedule_interval")
    if isinstance(interval, dict) and interval.get("value"):
        return str(interval["value"])
    described = record.optional_text("timetable_description")
    if isinstance(interval, dict):
        parts = {name: interval.get(name) for name in ("days", "seconds", "microseconds")}
        every = ", ".join(f"{number} {name}" for name, number in parts.items() if number)
        return f"every {every}" if every else described
    return None if described in (NEVER, "") else described
