"""Airflow 2.11, by its API at /api/v1."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import model_validator

from kedro_airflow_k8s.airflow_api.client import GENERATED, AirflowClient
from kedro_airflow_k8s.airflow_api.records import Dag

NEVER = "Never, external triggers only"
"""How Airflow 2 describes the timetable of a DAG without one."""


class Airflow2Dag(Dag):
    """A DAG in the format of Airflow 2."""

    @model_validator(mode="before")
    @classmethod
    def _in_our_words(cls, data: Any) -> Any:
        if not isinstance(data, Mapping):
            return data
        return {**data, "schedule": _schedule(data), "active": data.get("is_active")}


class Airflow2Client(AirflowClient):
    """A server of Airflow 2.11."""

    api = "api/v1"
    dag_page = "/dags/{dag}/grid"
    run_page = "/dags/{dag}/grid?dag_run_id={run}"
    dag_record = Airflow2Dag
    filters_import_errors = False
    needs_logical_date = False
    newest_first = "-execution_date"
    logical_date = "execution_date"
    starts_backfills = False
    dry_run_off: Mapping[str, Any] = {"dry_run": False}
    # [scheduler] min_serialized_dag_fetch_interval
    memory_seconds = 10.0

    def generated_dags(self) -> list[Dag]:
        """Return all active DAGs with a tag of any version of this plugin, sorted by id.

        This API finds DAGs by whole tags only and does not list tags: all DAGs have to be read.
        """
        dags = self._items(Airflow2Dag, self._path("dags"), only_active=True, order_by="dag_id")
        found = {dag.dag_id: dag for dag in dags}
        return [
            dag
            for _, dag in sorted(found.items())
            if any(tag.startswith(GENERATED) for tag in dag.tags)
        ]

    def request_parsing(self, dag_id: str) -> bool:
        """Request that Airflow parses the DAG's file now; return False if that is not possible.

        Airflow 2 parses only the requested file. It looks for new files in its folder every
        [scheduler] dag_dir_list_interval, and its API cannot trigger this.
        """
        known = self.find_dag(dag_id)
        return known is not None and self._ask_to_parse(known)


def _schedule(data: Mapping[str, Any]) -> Any:
    """Return a cron expression or preset as written; other timetables in Airflow's words."""
    interval, described = data.get("schedule_interval"), data.get("timetable_description")
    if not isinstance(interval, Mapping):
        return None if described in (NEVER, "") else described
    if interval.get("value"):
        return interval["value"]
    parts = {name: interval.get(name) for name in ("days", "seconds", "microseconds")}
    every = ", ".join(f"{number} {name}" for name, number in parts.items() if number)
    return f"every {every}" if every else described
