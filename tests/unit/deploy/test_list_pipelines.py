"""The list of the DAGs that the plugin has made."""

from __future__ import annotations

import io
import json
from datetime import datetime, timezone

import pytest
from rich.console import Console

from kedro_airflow_k8s import __version__
from kedro_airflow_k8s.airflow_api import DagRun, RunState
from kedro_airflow_k8s.deploy.list_pipelines import as_json, is_older, list_pipelines, show
from tests.support.scripted_airflow import ScriptedAirflow, known_dag

COMMIT, OTHER_COMMIT = "0a1b2c3d4e" * 4, "3d4e5f6a7b" * 4
MOMENT = datetime(2026, 3, 1, 6, 0, 7, tzinfo=timezone.utc)


def airflow() -> ScriptedAirflow:
    scripted = ScriptedAirflow()
    scripted.parse(
        known_dag(
            "stock",
            f"commit_sha:{COMMIT}-dirty",
            "experiment_name:Stock [eu]",
            "fingerprint:1",
            f"generated_with_kedro_airflow_k8s:{__version__}",
            schedule="0 6 * * *",
        )
    )
    scripted.parse(
        known_dag(
            "sales",
            f"commit_sha:{OTHER_COMMIT}",
            "experiment_name:Sales",
            "generated_with_kedro_airflow_k8s:0.6.5",
            paused=True,
        )
    )
    scripted.runs["r"] = DagRun(
        dag_id="stock", run_id="r", state=RunState.FAILED, start=MOMENT, end=MOMENT
    )
    return scripted


def shown(width: int = 200, terminal: bool = False) -> str:
    file = io.StringIO()
    show(
        list_pipelines(airflow()),
        Console(file=file, width=width, force_terminal=terminal, color_system=None),
    )
    return file.getvalue()


def test_each_dag_is_a_row_sorted_by_experiment() -> None:
    header, first, second, *_ = (" ".join(line.split()) for line in shown().splitlines())
    assert header == "Experiment DAG Schedule Paused Last run State Commit Plugin"
    assert first == "Sales sales - yes - - 3d4e5f6 0.6.5 (older)"
    assert second == (
        f"Stock [eu] stock 0 6 * * * no 2026-03-01 06:00 failed 0a1b2c3-dirty {__version__}"
    )


def test_the_dag_of_one_pipeline_is_listed_alone() -> None:
    (stock,) = list_pipelines(airflow(), "stock")
    assert (stock.dag_id, stock.state) == ("stock", "failed")
    assert list_pipelines(airflow(), "stocks") == []


def test_a_dag_of_an_older_version_comes_with_what_to_do() -> None:
    assert f"1 made by an older version than {__version__}" in shown()


def test_a_log_file_gets_whole_rows() -> None:
    assert "0a1b2c3-dirty" in shown(width=40)
    assert "0a1b2c3-dirty" not in shown(width=40, terminal=True)


def test_json_holds_everything_for_other_programs() -> None:
    sales, stock = json.loads(as_json(list_pipelines(airflow())))
    assert sales == {
        "experiment": "Sales",
        "dag_id": "sales",
        "schedule": None,
        "paused": True,
        "last_run": None,
        "state": None,
        "commit": OTHER_COMMIT,
        "plugin_version": "0.6.5",
        "outdated": True,
    }
    assert (stock["last_run"], stock["state"]) == ("2026-03-01T06:00:07+00:00", "failed")
    assert stock["outdated"] is False


def test_no_dag_at_all_is_an_empty_list() -> None:
    assert as_json(list_pipelines(ScriptedAirflow())) == "[]"


@pytest.mark.parametrize(
    ("dag_id", "text"),
    [
        (None, "No DAGs of this plugin in Airflow.\n"),
        ("a", "No DAG a of this plugin in Airflow.\n"),
    ],
)
def test_the_table_says_that_there_is_no_dag(dag_id: str | None, text: str) -> None:
    file = io.StringIO()
    show([], Console(file=file, width=20), dag_id)
    assert file.getvalue() == text


@pytest.mark.parametrize(
    ("version", "older"),
    [("0.6.5", True), (__version__, False), ("999.0.0", False), ("", False), ("main", False)],
)
def test_versions_are_compared_as_versions(version: str, older: bool) -> None:
    assert is_older(version) is older
