"""Backfills: what they start, what is said of it, and how they end."""

from __future__ import annotations

from datetime import date, datetime, timezone
from typing import Any

import pytest

from kedro_airflow_k8s.airflow_api import RunState
from kedro_airflow_k8s.errors import AirflowK8sError, OptionError, RunError, Unreachable
from kedro_airflow_k8s.terminal.task_table import TaskState
from tests.support.scripted_airflow import ScriptedAirflow, known_dag
from tests.unit.deploy.backfilling import (
    AIRFLOW2,
    FIRST,
    LAST,
    OWN,
    airflow,
    backfills,
    ending,
    had,
    known,
    logical,
    unfinished,
)

__all__ = ["airflow"]


def test_each_moment_of_the_schedule_gets_a_run_and_the_end_is_said(
    airflow: ScriptedAirflow,
) -> None:
    active = ending(airflow)
    filled, written = backfills(airflow, max_active=2)

    filled.start(FIRST, LAST)

    assert [run.logical_date for run in airflow.runs.values()] == [
        logical(airflow, index) for index in range(5)
    ]
    assert "5 moments of the schedule: 5 new runs, 0 again, 0 left" in written.getvalue()
    assert "Backfill of DAG sales: 5 of 5 runs succeeded." in written.getvalue()
    if not airflow.starts_backfills:
        # Airflow 3 has its own cap.
        assert max(active) == 2
        assert not airflow.variables


def test_a_run_that_fails_is_named_with_its_cause_and_how_to_run_it_again(
    airflow: ScriptedAirflow,
) -> None:
    ending(airflow, 2)
    airflow.tasks["load"] = TaskState("failed", 100.0, 103.0, 1)
    airflow.logs["load"] = "ValueError: no orders"
    filled, written = backfills(airflow)

    with pytest.raises(RunError, match=r"1 of 5 runs of the backfill did not succeed: 2026-01-03"):
        filled.start(FIRST, LAST)

    assert "2026-01-03 06:00 UTC: failed" in written.getvalue()
    assert "4 of 5 runs succeeded, 1 failed." in written.getvalue()
    assert "failed. load: " in written.getvalue()


@pytest.mark.parametrize(
    ("reprocess", "again"), [("none", set()), ("failed", {1}), ("all", {0, 1})]
)
def test_runs_that_exist_are_started_again_only_if_that_is_wanted(
    airflow: ScriptedAirflow, reprocess: str, again: set[int]
) -> None:
    kept = [had(airflow, 0, RunState.SUCCESS), had(airflow, 1, RunState.FAILED)]
    filled, written = backfills(airflow, reprocess=reprocess)
    ending(airflow)

    try:
        filled.start(FIRST, LAST)
    except RunError:
        assert reprocess == "none"

    said = f"5 moments of the schedule: 3 new runs, {len(again)} again, {2 - len(again)} left"
    assert said in written.getvalue()
    started = {index for index, run_id in enumerate(kept) if _began_again(airflow, run_id)}
    assert started == again
    assert len(airflow.runs) == 5


def _began_again(airflow: ScriptedAirflow, run_id: str) -> bool:
    start = airflow.runs[run_id].start
    return start is not None and start > datetime(2026, 3, 1, tzinfo=timezone.utc)


def test_a_run_that_could_not_be_started_again_is_tried_again(
    airflow: ScriptedAirflow, monkeypatch: pytest.MonkeyPatch
) -> None:
    if airflow.starts_backfills:
        return
    kept = had(airflow, 1, RunState.SUCCESS)
    clear, failures = airflow.clear_tasks, [Unreachable("No answer.")]

    def unsure(*arguments: Any) -> None:
        if failures:
            raise failures.pop()
        clear(*arguments)

    monkeypatch.setattr(airflow, "clear_tasks", unsure)
    ending(airflow)
    filled, written = backfills(airflow, reprocess="all")

    filled.start(FIRST, LAST)

    assert "No answer. Trying again." in written.getvalue()
    assert _began_again(airflow, kept)


def test_a_run_of_some_nodes_does_not_count_as_the_run_of_its_moment(
    airflow: ScriptedAirflow,
) -> None:
    part = had(airflow, 1, RunState.SUCCESS)
    conf = {"kedro_tasks": ["load"]}
    airflow.runs[part] = airflow.runs[part].model_copy(update={"conf": conf})
    ending(airflow)
    filled, written = backfills(airflow)

    with pytest.raises(RunError, match=r"1 of 5 runs of the backfill did not succeed: 2026-01-02"):
        filled.start(FIRST, LAST)

    assert "1 left as it is (1 part)" in written.getvalue()
    assert "4 of 5 runs succeeded, 1 part." in written.getvalue()
    assert "1 run ran some nodes only, and a moment can have one run." in written.getvalue()


def test_a_dry_run_shows_each_moment_and_starts_nothing(airflow: ScriptedAirflow) -> None:
    had(airflow, 1, RunState.FAILED)
    filled, written = backfills(airflow, reprocess="failed")

    filled.show(FIRST, LAST)

    lines = [line.split() for line in written.getvalue().splitlines()]
    assert ["2026-01-01", "06:00", "UTC", "no", "run", "new", "run"] in lines
    assert ["2026-01-02", "06:00", "UTC", "failed", "again"] in lines
    assert len(airflow.runs) == 1
    assert not unfinished(airflow)


def test_an_airflow_that_does_not_answer_for_a_while_is_asked_again(
    airflow: ScriptedAirflow,
) -> None:
    ending(airflow)
    filled, written = backfills(airflow)

    def trouble() -> None:
        airflow.trouble = Unreachable("No answer.")

    airflow.at(2, trouble)
    airflow.at(20, lambda: setattr(airflow, "trouble", None))

    filled.start(FIRST, LAST)

    assert written.getvalue().count("No answer. Trying again.") == 1
    assert "5 of 5 runs succeeded" in written.getvalue()


@pytest.mark.parametrize(
    ("first", "last", "error", "words"),
    [
        (LAST, FIRST, OptionError, "is before --from"),
        (date(2099, 1, 1), date(2099, 1, 2), OptionError, "in the future"),
        (date(2024, 12, 31), LAST, RunError, "before the DAG's start date, 2025-01-01"),
        (datetime(2026, 1, 1, 7), datetime(2026, 1, 1, 8), RunError, "has no moment from"),  # noqa: DTZ001 - in the DAG's zone
    ],
)
def test_a_range_without_moments_is_refused(
    airflow: ScriptedAirflow, first: date, last: date, error: type[AirflowK8sError], words: str
) -> None:
    with pytest.raises(error, match=words):
        backfills(airflow)[0].start(first, last)
    assert not airflow.runs


@pytest.mark.parametrize("schedule", [None, "@once", "@continuous", "Asset"])
def test_a_dag_without_moments_is_refused(airflow: ScriptedAirflow, schedule: str | None) -> None:
    airflow.parse(known_dag("sales", *OWN, schedule=schedule))
    with pytest.raises(RunError, match="has no moments to fill"):
        backfills(airflow)


def test_a_paused_dag_is_unpaused_only_if_asked_for(airflow: ScriptedAirflow) -> None:
    airflow.set_paused("sales", True)
    ending(airflow)
    filled, written = backfills(airflow)
    filled.start(FIRST, FIRST)
    assert "DAG sales is paused in Airflow" in written.getvalue()

    filled, written = backfills(airflow, unpause=True)
    airflow.backfill = None
    filled.start(LAST, LAST)
    assert not airflow.dags["sales"].paused


def test_the_plugin_tells_the_runs_that_it_starts_their_date() -> None:
    airflow = known(version=AIRFLOW2)
    ending(airflow)
    conf = {"depth": 5, "kedro_params": {"note": "x"}}
    filled, _ = backfills(airflow, conf=conf, date_param=("day.of", "%Y%m%d"))

    filled.start(FIRST, FIRST)

    params = {"day.of": "20260101", "note": "x"}
    assert airflow.confs == [{"depth": 5, "kedro_params": params}]
    (run,) = airflow.runs.values()
    assert run.logical_date == datetime(2025, 12, 31, 6, tzinfo=timezone.utc)
    assert run.run_id == "backfill-20251231T0600-20260101T0600"


def test_a_backfill_of_partitions_finds_and_starts_runs_by_their_keys() -> None:
    airflow = known()
    # The scheduler has started one, which has no logical date.
    airflow.trigger("sales", "scheduled__2", {}, partition_key="2026-01-02")
    # A run of some nodes does not make its partition, and is not the last run of another.
    part = {"kedro_tasks": ["load"]}
    airflow.trigger("sales", "run-once-2", part, partition_key="2026-01-02")
    airflow.trigger("sales", "run-once-3", part, partition_key="2026-01-03")
    airflow.end(RunState.SUCCESS)
    ending(airflow)
    options: dict[str, Any] = {"partition_format": "%Y-%m-%d", "date_param": ("day", "%d.%m.")}
    filled, written = backfills(airflow, **options)

    filled.start(FIRST, LAST)

    assert "5 moments of the schedule: 4 new runs, 0 again, 1 left" in written.getvalue()
    assert "Backfill of DAG sales: 5 of 5 runs succeeded." in written.getvalue()
    runs = airflow.runs.values()
    keys = {run.run_id: run.partition_key for run in runs if "kedro_tasks" not in (run.conf or {})}
    assert keys == {
        "scheduled__2": "2026-01-02",
        **{f"backfill-2026010{day}T0600": f"2026-01-0{day}" for day in (1, 3, 4, 5)},
    }
    assert all(run.logical_date is None for run in airflow.runs.values())
    # Each run reads its date from the key.
    assert airflow.confs[3:] == [{}] * 4
