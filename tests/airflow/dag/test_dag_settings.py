"""The settings of the DAG, as real Airflow has them after it has parsed the file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.support.airflow_environments import AIRFLOW_PYTHONS
from tests.support.parsed_dags import parsed_dag

pytestmark = pytest.mark.core

SCRIPT = "dag_settings.py"
SETTINGS: dict[str, Any] = {
    "cron_expression": "@daily",
    "timezone": "Europe/Paris",
    "start_date": "20260101",
    "end_date": "20261231",
    "catchup": True,
    "max_active_runs": 2,
    "max_active_tasks": 8,
    "dagrun_timeout": "1h30m",
    "fail_fast": True,
    "display_name": "What customers have spent",
    "doc_md": "Call the data team.",
    "tags": ["shop"],
    "owner": "data-team",
    "owner_links": {"data-team": "https://wiki.example.com/data"},
    "access_control": {"Viewer": ["can_read"], "Ops": {"DAG Runs": ["can_create"]}},
    "paused": True,
}


@pytest.mark.parametrize("python", AIRFLOW_PYTHONS)
def test_airflow_has_the_settings_of_the_configuration(python: Path, tmp_path: Path) -> None:
    dag = parsed_dag(python, tmp_path, SCRIPT, SETTINGS)

    doc = dag.pop("doc_md")
    assert doc.startswith("Call the data team.\n\nAirflow DAG of the Kedro pipeline")
    tags = dag.pop("tags")
    assert "shop" in tags
    assert len([tag for tag in tags if tag.startswith("fingerprint:")]) == 1
    assert dag == {
        "timezone": "Europe/Paris",
        "start_date": "2026-01-01T00:00:00+01:00",
        "end_date": "2026-12-31T23:59:59+01:00",
        "catchup": True,
        "max_active_runs": 2,
        "max_active_tasks": 8,
        "dagrun_timeout": 5400.0,
        "fail_fast": True,
        "display_name": "What customers have spent",
        "owners": ["data-team"],
        "owner_links": {"data-team": "https://wiki.example.com/data"},
        "access_control": {"Viewer": {"DAGs": ["can_read"]}, "Ops": {"DAG Runs": ["can_create"]}},
        "paused": True,
    }


@pytest.mark.parametrize("python", AIRFLOW_PYTHONS)
def test_without_settings_airflow_has_its_own_defaults(python: Path, tmp_path: Path) -> None:
    dag = parsed_dag(python, tmp_path, SCRIPT, {})

    assert dag["catchup"] is False
    assert dag["fail_fast"] is False
    assert dag["max_active_runs"] == 16
    assert dag["max_active_tasks"] == 16
    assert dag["display_name"] == "shop"
    assert dag["owners"] == ["airflow"]
    assert not any(dag[key] for key in ("end_date", "dagrun_timeout", "owner_links", "paused"))
    assert not dag["access_control"]
