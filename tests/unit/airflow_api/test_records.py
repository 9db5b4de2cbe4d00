"""Records of Airflow's API: what both versions give, and what neither does."""

from __future__ import annotations

from typing import Any

import pytest

from kedro_airflow_k8s.airflow_api.airflow2 import Airflow2Dag
from kedro_airflow_k8s.airflow_api.airflow3 import Airflow3Dag
from kedro_airflow_k8s.airflow_api.records import (
    Dag,
    DagRun,
    Page,
    RunState,
)
from kedro_airflow_k8s.airflow_api.secrecy import Secrets
from kedro_airflow_k8s.airflow_api.transport import Answer
from kedro_airflow_k8s.errors import AirflowApiError

RUN = {"dag_id": "shop", "dag_run_id": "run-1", "state": "queued"}
DAG = {
    "dag_id": "shop",
    "tags": [{"name": "b"}, {"name": "a"}],
    "is_paused": None,
    "file_token": "token",
    "fileloc": "/dags/shop.py",
}


def answer(data: Any, *secrets: str) -> Answer:
    known = Secrets()
    known.add(*secrets)
    return Answer(data, {}, "GET http://airflow.example.com/x", known)


@pytest.mark.parametrize(
    ("text", "microsecond"),
    [
        ("2026-01-02T03:04:05Z", 0),
        ("2026-01-02T03:04:05.1Z", 100_000),
        ("2026-01-02T03:04:05.123456789+00:00", 123_456),
    ],
)
def test_times_of_any_precision_are_read(text: str, microsecond: int) -> None:
    time = answer({**RUN, "start_date": text}).read(DagRun).start

    assert time is not None
    assert (time.hour, time.microsecond) == (3, microsecond)
    assert time.tzinfo is not None


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (["a", "list"], "format: Not a JSON object."),
        (None, "format: Not a JSON object."),
        ({}, "`dag_id`: Field required"),
        ({**RUN, "dag_run_id": 7}, "`dag_run_id`: Input should be a valid string"),
        ({**RUN, "state": "token-7"}, "'success' or 'failed', not '***'"),
        ({**RUN, "state": "restarting"}, "'success' or 'failed', not 'restarting'"),
        ({**RUN, "start_date": "hunter2"}, "`start_date`: Input should be a valid datetime"),
        ({**RUN, "start_date": "2026-01-02T03:04:05"}, "`start_date`: Input should have timezone"),
    ],
)
def test_what_airflow_does_not_give_is_one_message_without_secrets(data: Any, words: str) -> None:
    with pytest.raises(AirflowApiError) as caught:
        answer(data, "token-7").read(DagRun)

    text = str(caught.value)
    assert text.startswith(
        "The answer to GET http://airflow.example.com/x is not in Airflow's format"
    )
    assert words in text
    assert "hunter2" not in text
    assert "\n" not in text
    assert caught.value.__context__ is None


def test_a_broken_item_of_a_list_is_named_by_its_place() -> None:
    page = {"dag_runs": [RUN, {"dag_id": "shop"}], "total_entries": 2}

    with pytest.raises(AirflowApiError, match=r"`dag_runs\.1\.dag_run_id`: Field required"):
        answer(page).read(Page[DagRun])


def test_a_dag_is_the_same_record_from_both_versions() -> None:
    two = {
        **DAG,
        "is_active": True,
        "schedule_interval": {"value": "0 6 * * *"},
        "timetable_description": "At 06:00",
    }
    three = {**DAG, "is_stale": False, "timetable_summary": "0 6 * * *", "bundle_name": "dags"}
    expected = Dag(
        dag_id="shop",
        tags=("a", "b"),
        schedule="0 6 * * *",
        file_token="token",
        file="/dags/shop.py",
    ).model_dump()

    assert answer(two).read(Airflow2Dag).model_dump() == expected
    assert answer(three).read(Airflow3Dag).model_dump() == {**expected, "bundle": "dags"}


@pytest.mark.parametrize(
    ("interval", "described", "schedule"),
    [
        ({"value": "@daily"}, "", "@daily"),
        ({"days": 1, "seconds": 30, "microseconds": 0}, "", "every 1 days, 30 seconds"),
        ({}, "Some timetable", "Some timetable"),
        (None, "Never, external triggers only", None),
        (None, "Run continuously", "Run continuously"),
        (None, None, None),
    ],
)
def test_schedules_of_airflow_2_are_one_text(
    interval: Any, described: str | None, schedule: str | None
) -> None:
    data = {**DAG, "schedule_interval": interval, "timetable_description": described}

    assert answer(data).read(Airflow2Dag).schedule == schedule


def test_only_an_active_dag_counts() -> None:
    assert not answer({**DAG, "is_active": None}).read(Airflow2Dag).active
    assert not answer({**DAG, "is_stale": True}).read(Airflow3Dag).active


def test_a_queued_run_has_not_ended() -> None:
    assert [state for state in RunState if state.ended] == [RunState.SUCCESS, RunState.FAILED]
