"""The settings of the DAG, as real Airflow has them after it has parsed the file."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from kedro_airflow_k8s.dag.render import render_dag
from kedro_airflow_k8s.plan.build import build_plan
from kedro_airflow_k8s.project.entities import PipelineNode, ProjectPipeline
from tests.support.airflow_environments import AIRFLOW_PYTHONS
from tests.support.strategies import IMAGE, config_of

pytestmark = pytest.mark.core

SCRIPT = Path(__file__).parents[2] / "support/airflow_scripts/dag_settings.py"
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


def parsed(python: Path, home: Path, **settings: Any) -> dict[str, Any]:
    """What Airflow says of a DAG with a volume and these settings."""
    pipeline = ProjectPipeline(
        "shop", "local", True, "__default__", (PipelineNode("a"),), "none", parameters={}
    )
    plan = build_plan(pipeline, config_of({"image": IMAGE, **settings}))
    (home / "dags").mkdir()
    (home / "dags" / "shop.py").write_text(render_dag(plan).source)
    done = subprocess.run(
        [python, SCRIPT, home / "dags"],
        env={
            **{k: v for k, v in os.environ.items() if not k.startswith("AIRFLOW__")},
            "AIRFLOW_HOME": str(home),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.mark.parametrize("python", AIRFLOW_PYTHONS)
def test_airflow_has_the_settings_of_the_configuration(python: Path, tmp_path: Path) -> None:
    dag = parsed(python, tmp_path, **SETTINGS)

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
    dag = parsed(python, tmp_path)

    assert dag["catchup"] is False
    assert dag["fail_fast"] is False
    assert dag["max_active_runs"] == 16
    assert dag["max_active_tasks"] == 16
    assert dag["display_name"] == "shop"
    assert dag["owners"] == ["airflow"]
    assert not any(dag[key] for key in ("end_date", "dagrun_timeout", "owner_links", "paused"))
    assert not dag["access_control"]
