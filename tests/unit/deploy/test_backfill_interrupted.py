"""Backfills that were interrupted: cancelled, continued and followed by what Airflow has stored."""

from __future__ import annotations

import contextlib
import json
from datetime import date
from typing import Any

import pytest

from kedro_airflow_k8s.airflow_api import RunState
from kedro_airflow_k8s.deploy.backfill import Backfills
from kedro_airflow_k8s.deploy.backfill_plan import BackfillOptions
from kedro_airflow_k8s.errors import NotAllowed, RunError
from tests.support.scripted_airflow import ScriptedAirflow
from tests.unit.deploy.backfilling import (
    AIRFLOW2,
    FIRST,
    LAST,
    airflow,
    backfills,
    ending,
    had,
    interrupt,
    known,
    unfinished,
)

__all__ = ["airflow"]


def test_what_is_left_of_a_backfill_is_followed(airflow: ScriptedAirflow) -> None:
    filled, _ = backfills(airflow, max_active=1)
    interrupt(airflow, filled)
    assert unfinished(airflow)
    airflow.script.clear()
    ending(airflow)
    filled, written = backfills(airflow)

    filled.follow()

    assert len(airflow.runs) == 5
    assert "Backfill of DAG sales, 2026-01-01 to 2026-01-05, 1 at once." in written.getvalue()
    assert "5 of 5 runs succeeded." in written.getvalue()


@pytest.mark.parametrize("seconds", [3, 20])
def test_the_same_command_goes_on_after_an_interruption(
    airflow: ScriptedAirflow, seconds: int
) -> None:
    """Before and after its last run has started, which is at 12 seconds or so."""
    filled, _ = backfills(airflow, max_active=5 if seconds > 3 else 1)
    interrupt(airflow, filled, second=seconds)
    assert len(airflow.runs) == 5 or seconds == 3
    ending(airflow)
    filled, written = backfills(airflow)

    filled.start(FIRST, LAST)

    assert "5 of 5 runs succeeded." in written.getvalue()
    assert len(airflow.runs) == 5
    assert not airflow.variables


def test_a_backfill_that_was_not_watched_to_its_end_does_not_block_the_next(
    airflow: ScriptedAirflow,
) -> None:
    if airflow.starts_backfills:
        return
    options = BackfillOptions(max_active=5)
    Backfills(airflow, "sales", "UTC", options, airflow.progress()[0]).start(FIRST, FIRST)
    assert airflow.variables
    airflow.end(RunState.SUCCESS)
    ending(airflow)
    filled, written = backfills(airflow)

    filled.start(FIRST, LAST)

    assert "5 of 5 runs succeeded." in written.getvalue()
    assert not airflow.variables


def test_an_interruption_says_how_to_go_on(airflow: ScriptedAirflow) -> None:
    filled, written = backfills(airflow)
    interrupt(airflow, filled)

    assert "`kedro airflow-k8s backfill --follow` goes on with it" in written.getvalue()


@pytest.mark.parametrize("by_interrupt", [True, False])
def test_a_cancelled_backfill_has_no_active_runs(
    airflow: ScriptedAirflow, by_interrupt: bool
) -> None:
    filled, written = backfills(airflow, cancel_on_interrupt=by_interrupt)
    interrupt(airflow, filled)
    if not by_interrupt:
        filled.cancel()

    assert not unfinished(airflow)
    assert {run.state for run in airflow.runs.values()} == {RunState.FAILED}
    assert "The backfill 2026-01-01 to 2026-01-05 is cancelled" in written.getvalue()
    with pytest.raises(RunError, match="has no unfinished backfill"):
        filled.cancel()


def test_cancelling_leaves_runs_that_the_backfill_has_not_started(
    airflow: ScriptedAirflow,
) -> None:
    had(airflow, 0, RunState.RUNNING)
    failed = had(airflow, 1, RunState.FAILED)
    filled, written = backfills(airflow, reprocess="failed")
    interrupt(airflow, filled)
    assert airflow.runs[failed].state is RunState.QUEUED

    filled.cancel()

    states = {run_id: run.state for run_id, run in airflow.runs.items()}
    assert states.pop("scheduled-0") is RunState.RUNNING
    assert set(states.values()) == {RunState.FAILED}
    assert f"{len(states)} active runs marked as failed" in written.getvalue()


def test_an_interruption_cancels_no_backfill_that_the_command_only_watches(
    airflow: ScriptedAirflow,
) -> None:
    """All moments of its range have runs; the backfill of more days may be of another user."""
    filled, _ = backfills(airflow, max_active=1)
    interrupt(airflow, filled)
    filled, written = backfills(airflow, cancel_on_interrupt=True)

    interrupt(airflow, filled, second=20, last=FIRST)

    assert "This command has started no run" in written.getvalue()
    assert unfinished(airflow)
    assert not any(run.state.ended for run in airflow.runs.values())


def test_what_is_left_of_a_backfill_has_the_days_of_the_time_zone_of_the_dag(
    airflow: ScriptedAirflow,
) -> None:
    options = BackfillOptions(follow=True, max_active=1)
    interrupt(airflow, Backfills(airflow, "sales", "Asia/Tokyo", options, airflow.progress()[0]))
    ending(airflow)
    for run in airflow.runs.values():
        airflow.runs[run.run_id] = run.model_copy(update={"state": RunState.FAILED})
    progress, written = airflow.progress()

    with pytest.raises(RunError, match="--from 2026-01-01 --to 2026-01-05 --reprocess failed"):
        Backfills(airflow, "sales", "Asia/Tokyo", options, progress).follow()

    assert "Backfill of DAG sales, 2026-01-01 to 2026-01-05" in written.getvalue()


def test_a_second_backfill_is_refused_while_one_is_unfinished(airflow: ScriptedAirflow) -> None:
    filled, _ = backfills(airflow)
    interrupt(airflow, filled, last=date(2026, 1, 3))

    with pytest.raises(RunError, match=r"has an unfinished backfill, 2026-01-01 to 2026-01-03"):
        filled.start(FIRST, LAST)
    if not airflow.starts_backfills:
        # The same range with other parameters: they would not be those of all runs.
        filled, _ = backfills(airflow, conf={"kedro_params": {"x": 1}}, max_active=5)
        airflow.runs.popitem()
        with pytest.raises(RunError, match="has an unfinished backfill"):
            filled.start(FIRST, date(2026, 1, 3))


def _shown(name: str, value: Any) -> Any:
    """A value as Airflow 3 answers with it: with stars under names that it takes for secret."""
    if isinstance(value, dict):
        return {key: _shown(key, inner) for key, inner in value.items()}
    secret = any(word in name.lower() for word in ("token", "proxy", "secret"))
    return "***" if secret and isinstance(value, str) else value


@pytest.mark.parametrize("dag_id", ["sales", "shop.tokenize"])
def test_a_backfill_is_followed_with_all_of_its_parameters(
    monkeypatch: pytest.MonkeyPatch, dag_id: str
) -> None:
    airflow = known(dag_id=dag_id)

    def shown(key: str) -> str | None:
        value = airflow.variables.get(key)
        with contextlib.suppress(TypeError, ValueError):
            return json.dumps(_shown(key, json.loads(value or "")))
        return None if value is None else str(_shown(key, value))

    monkeypatch.setattr(airflow, "variable", shown)
    conf = {"kedro_params": {"model.tokenizer": "bert"}}
    options = BackfillOptions(follow=True, conf=conf)
    interrupt(airflow, Backfills(airflow, dag_id, "UTC", options, airflow.progress()[0]))
    ending(airflow)

    Backfills(airflow, dag_id, "UTC", BackfillOptions(follow=True), airflow.progress()[0]).follow()

    assert airflow.confs == [conf] * 5


def test_a_variable_that_holds_something_else_is_named(airflow: ScriptedAirflow) -> None:
    if airflow.starts_backfills:
        return
    filled, _ = backfills(airflow)
    interrupt(airflow, filled)
    (key,) = airflow.variables
    for text in ("***", "{}", "e30=", "é"):
        airflow.variables[key] = text
        with pytest.raises(RunError, match=f"variable {key} does not hold a backfill"):
            filled.follow()


def without_variables(monkeypatch: pytest.MonkeyPatch) -> ScriptedAirflow:
    """An Airflow 2.11 whose user has no rights to variables."""
    airflow = known(version=AIRFLOW2)

    def refuse(*_: object) -> None:
        raise NotAllowed("403.")

    for name in ("variable", "create_variable", "delete_variable"):
        monkeypatch.setattr(airflow, name, refuse)
    return airflow


def test_without_the_right_to_store_it_the_backfill_runs_with_a_warning(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    airflow = without_variables(monkeypatch)
    ending(airflow)
    filled, written = backfills(airflow)

    filled.start(FIRST, LAST)

    assert "cannot be stored as an Airflow variable" in written.getvalue()
    assert "5 of 5 runs succeeded" in written.getvalue()


def test_without_the_right_to_store_it_an_interruption_still_cancels_the_runs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    airflow = without_variables(monkeypatch)
    filled, written = backfills(airflow, cancel_on_interrupt=True)
    interrupt(airflow, filled)

    assert "is cancelled: 3 active runs marked as failed" in written.getvalue()
    assert {run.state for run in airflow.runs.values()} == {RunState.FAILED}
