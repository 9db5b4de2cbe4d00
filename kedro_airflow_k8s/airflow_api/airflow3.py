"""Airflow 3, by its API at /api/v2."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any
from urllib.parse import quote

from kedro_airflow_k8s.airflow_api.client import Dag
from kedro_airflow_k8s.airflow_api.records import Record
from kedro_airflow_k8s.airflow_api.rest import GENERATED, PAGE, RestClient

TAGS = 50
"""How many tags to ask for at once: addresses must not become too long."""


class Airflow3Client(RestClient):
    """A server of Airflow 3."""

    api = "api/v2"

    def generated_dags(self) -> Iterator[Dag]:
        """All active DAGs that carry this plugin's tag of whatever version, sorted by id."""
        yield from sorted(self._generated(), key=lambda dag: dag.dag_id)

    def request_parsing(self, dag_id: str) -> bool:
        """Ask Airflow to look for the DAG's file now; False where it cannot be asked.

        Asked for any file, Airflow 3 also looks through the whole bundle that the file is in.
        """
        known = self.find_dag(dag_id)
        if known is not None:
            return self._ask_to_parse(known)
        tags = self._tags()[-TAGS:]
        ours = self._some_dags({"tags": tags, "tags_match_mode": "any"}) if tags else []
        asked: dict[str | None, bool] = {}
        for dag in [*ours, *self._some_dags({})]:
            if not asked.get(dag.bundle):
                asked[dag.bundle] = self._ask_to_parse(dag)
        return any(asked.values())

    def dag_url(self, dag_id: str) -> str:
        """The page of a DAG, for a browser."""
        return f"{self.host}/dags/{quote(dag_id, safe='')}"

    def run_url(self, dag_id: str, run_id: str) -> str:
        """The page of a run, for a browser."""
        return f"{self.dag_url(dag_id)}/runs/{quote(run_id, safe='')}"

    def _generated(self) -> Iterator[Dag]:
        tags = self._tags()
        seen: set[str] = set()
        for start in range(0, len(tags), TAGS):
            chosen = {"tags": tags[start : start + TAGS], "tags_match_mode": "any"}
            for dag in self._dags(chosen):
                if dag.dag_id not in seen:
                    seen.add(dag.dag_id)
                    yield dag

    def _tags(self) -> list[str]:
        """This plugin's tags of all versions. In the pattern, `_` stands for any character."""
        path, params = self._path("dagTags"), {"tag_name_pattern": f"{GENERATED}%"}
        found: list[str] = []
        while True:
            page = self._transport.get(path, {**params, "limit": PAGE, "offset": len(found)})
            tags = page.texts("tags")
            found += tags
            if not tags or len(found) >= page.number("total_entries"):
                return sorted({tag for tag in found if tag.startswith(GENERATED)})

    def _dags(self, params: Mapping[str, Any]) -> Iterator[Dag]:
        params = {**params, "exclude_stale": True, "order_by": "dag_id"}
        for record in self._pages(self._path("dags"), "dags", params, "dag_id"):
            yield self._dag(record)

    def _some_dags(self, params: Mapping[str, Any]) -> list[Dag]:
        """As many active DAGs as one request gives: they show which bundles there are."""
        params = {**params, "exclude_stale": True, "limit": PAGE}
        found = self._transport.get(self._path("dags"), params).records("dags")
        return [self._dag(record) for record in found]

    def _dag(self, record: Record) -> Dag:
        return Dag(
            dag_id=record.text("dag_id"),
            tags=tuple(sorted(tag.text("name") for tag in record.records("tags"))),
            paused=record.flag("is_paused"),
            schedule=record.optional_text("timetable_summary"),
            file_token=record.text("file_token"),
            bundle=record.optional_text("bundle_name"),
            file=record.text("fileloc"),
        )

    def _is_active(self, record: Record) -> bool:
        return not record.flag("is_stale")

    def _about(self, file_name: str) -> dict[str, Any]:
        return {"filename_pattern": f"%{file_name}"}

    def _logical_date(self, moment: datetime | None) -> dict[str, Any]:
        return {"logical_date": moment.isoformat() if moment else None}
