"""Airflow 3, by its API at /api/v2."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from pydantic import Field, model_validator

from kedro_airflow_k8s.airflow_api.client import GENERATED, AirflowClient
from kedro_airflow_k8s.airflow_api.paths import PAGE
from kedro_airflow_k8s.airflow_api.records import Asset, Dag, Page

TAGS = 50
"""How many tags to ask for at once: addresses must not become too long."""


class Airflow3Dag(Dag):
    """A DAG in the format of Airflow 3."""

    schedule: str | None = Field(default=None, validation_alias="timetable_summary")
    bundle: str | None = Field(default=None, validation_alias="bundle_name")

    @model_validator(mode="before")
    @classmethod
    def _in_our_words(cls, data: Any) -> Any:
        return {**data, "active": not data.get("is_stale")} if isinstance(data, Mapping) else data


class Airflow3Client(AirflowClient):
    """A server of Airflow 3."""

    api = "api/v2"
    dag_page = "/dags/{dag}"
    run_page = "/dags/{dag}/runs/{run}"
    dag_record = Airflow3Dag

    def generated_dags(self) -> list[Dag]:
        """Return all active DAGs with a tag of any version of this plugin, sorted by id."""
        tags = self._tags()
        found: dict[str, Dag] = {}
        for start in range(0, len(tags), TAGS):
            params = {**_with_any_of(tags[start : start + TAGS]), "order_by": "dag_id"}
            for dag in self._items(Airflow3Dag, self._path("dags"), **params):
                found.setdefault(dag.dag_id, dag)
        return [dag for _, dag in sorted(found.items())]

    def request_parsing(self, dag_id: str) -> bool:
        """Request that Airflow parses the DAG's file now; return False if that is not possible.

        For any requested file, Airflow 3 also scans the bundle that the file is in. So a request
        for one known file of each bundle also finds new files.
        """
        known = self.find_dag(dag_id)
        if known is not None:
            return self._ask_to_parse(known)
        tags = self._tags()[-TAGS:]
        ours = self._some_dags(_with_any_of(tags)) if tags else []
        asked: dict[str | None, bool] = {}
        for dag in [*ours, *self._some_dags({"exclude_stale": True})]:
            if not asked.get(dag.bundle):
                asked[dag.bundle] = self._ask_to_parse(dag)
        return any(asked.values())

    def inactive_assets(self, dag_id: str, uris: Collection[str]) -> dict[str, str]:
        """Return the assets of a DAG whose tasks Airflow would fail: URI to what another DAG says.

        An asset is inactive if its name or its URI belongs to another one that is active.

        Args:
            dag_id: The DAG.
            uris: The URIs of its assets, which are also their names.
        """
        path = self._path("assets")
        active = {a.uri for a in self._items(Asset, path, dag_ids=[dag_id]) if a.name == a.uri}
        found = {}
        for uri in sorted({*uris} - active):
            by_uri = self._items(Asset, path, uri_pattern=uri)
            by_name = self._items(Asset, path, name_pattern=uri)
            for other in (*by_uri, *by_name):
                if uri in (other.uri, other.name) and other.uri != other.name:
                    found[uri] = f'Asset(name="{other.name}", uri="{other.uri}")'
        return found

    def _tags(self) -> list[str]:
        """Return this plugin's tags of all versions."""
        # In the pattern, `_` matches any character.
        found = set(self._items(str, self._path("dagTags"), tag_name_pattern=f"{GENERATED}%"))
        return sorted(tag for tag in found if tag.startswith(GENERATED))

    def _some_dags(self, params: Mapping[str, Any]) -> list[Airflow3Dag]:
        """Return the active DAGs of one request, to learn the names of bundles."""
        answer = self._transport.get(self._path("dags"), params={**params, "limit": PAGE})
        return answer.read(Page[Airflow3Dag]).items


def _with_any_of(tags: list[str]) -> dict[str, Any]:
    return {"tags": tags, "tags_match_mode": "any", "exclude_stale": True}
