"""Backfills: what they start, what is said of it, and how they end."""

from __future__ import annotations

import contextlib
import json
from datetime import date, datetime, timedelta, timezone
from typing import Any

import pytest
from semver import Version

from kedro_airflow_k8s.airflow_api import DagRun, RunState
from kedro_airflow_k8s.airflow_api.records import DagDetails, DagTask
from kedro_airflow_k8s.deploy.backfill import Backfills
from kedro_airflow_k8s.deploy.backfill_plan import BackfillOptions
from kedro_airflow_k8s.errors import AirflowK8sError, NotAllowed, OptionError, RunError, Unreachable
from kedro_airflow_k8s.terminal.task_table import TaskState
from tests.support.scripted_airflow import ScriptedAirflow, known_dag

OWN = ("fingerprint:0123456789ab", "generated_with_kedro_airflow_k8s:1.0.0")
FIRST, LAST = date(2026, 1, 1), date(2026, 1, 5)
MORNINGS = [datetime(2026, 1, day, 6, tzinfo=timezone.utc) for day in range(1, 6)]


@pytest.fixture(params=["airflow3", "sandbox", "airflow2"])
def airflow(request: pytest.FixtureRequest) -> ScriptedAirflow:
    version = Version(2, 11) if request.param == "airflow2" else Version(3, 3, 2)
    scripted = ScriptedAirflow(version=version)
    scripted.starts_backfills = request.param == "airflow3"
    scripted.parse(known_dag("sales", *OWN, schedule="0 6 * * *"))
    scripted.stored_tasks["sales"] = [DagTask(task_id="load")]
    start = datetime(2025, 1, 1, tzinfo=timezone.utc)
    scripted.stored_details["sales"] = DagDetails.model_validate({"start_date": start})
    scripted.moments = MORNINGS
    return scripted


def logical(airflow: ScriptedAirflow, index: int) -> datetime:
    """The logical date of a moment: on Airflow 2.11, the moment before it."""
    return MORNINGS[index] - timedelta(days=0 if airflow.version.major == 3 else 1)


def unfinished(airflow: ScriptedAirflow) -> bool:
    """Whether the DAG has a backfill that has not ended."""
    return airflow.backfill is not None or bool(airflow.variables)


def had(airflow: ScriptedAirflow, index: int, state: RunState) -> str:
    """Let a moment have a run of the schedule."""
    run_id = f"scheduled-{index}"
    airflow.runs[run_id] = DagRun(
        dag_id="sales",
        run_id=run_id,
        state=state,
        run_type="scheduled",
        logical_date=logical(airflow, index),
        start=datetime(2026, 2, 1, tzinfo=timezone.utc),
    )
    return run_id


def ending(airflow: ScriptedAirflow, *failing: int) -> list[int]:
    """Let a run end every second; how many were active at a time."""
    active: list[int] = []
    failed = {logical(airflow, index) for index in failing}

    def end() -> None:
        unfinished = [run for run in airflow.runs.values() if not run.state.ended]
        active.append(len(unfinished))
        for run in unfinished[:1]:
            state = RunState.FAILED if run.logical_date in failed else RunState.SUCCESS
            start = datetime.now(timezone.utc) + timedelta(seconds=1)
            changed = {"state": state, "start": start}
            airflow.runs[run.run_id] = run.model_copy(update=changed)

    for second in range(1, 200):
        airflow.at(second, end)
    return active


def backfills(airflow: ScriptedAirflow, **options: Any) -> tuple[Backfills, Any]:
    progress, written = airflow.progress()
    found = Backfills(airflow, "sales", "UTC", BackfillOptions(follow=True, **options), progress)
    return found, written


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


def test_what_is_left_of_a_backfill_is_followed(airflow: ScriptedAirflow) -> None:
    filled, _ = backfills(airflow, max_active=1)
    airflow.at(3, lambda: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        filled.start(FIRST, LAST)
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
    airflow.at(seconds, lambda: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        filled.start(FIRST, LAST)
    assert len(airflow.runs) == 5 or seconds == 3
    airflow.script.clear()
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
    airflow.at(3, lambda: (_ for _ in ()).throw(KeyboardInterrupt))

    with pytest.raises(KeyboardInterrupt):
        filled.start(FIRST, LAST)

    assert "`kedro airflow-k8s backfill --follow` goes on with it" in written.getvalue()


@pytest.mark.parametrize("by_interrupt", [True, False])
def test_a_cancelled_backfill_has_no_active_runs(
    airflow: ScriptedAirflow, by_interrupt: bool
) -> None:
    filled, written = backfills(airflow, cancel_on_interrupt=by_interrupt)
    airflow.at(3, lambda: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        filled.start(FIRST, LAST)
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
    airflow.at(3, lambda: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        filled.start(FIRST, LAST)
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
    airflow.at(3, lambda: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        filled.start(FIRST, LAST)
    filled, written = backfills(airflow, cancel_on_interrupt=True)
    airflow.at(20, lambda: (_ for _ in ()).throw(KeyboardInterrupt))

    with pytest.raises(KeyboardInterrupt):
        filled.start(FIRST, FIRST)

    assert "This command has started no run" in written.getvalue()
    assert unfinished(airflow)
    assert not any(run.state.ended for run in airflow.runs.values())


def test_what_is_left_of_a_backfill_has_the_days_of_the_time_zone_of_the_dag(
    airflow: ScriptedAirflow,
) -> None:
    options = BackfillOptions(follow=True, max_active=1)
    airflow.at(3, lambda: (_ for _ in ()).throw(KeyboardInterrupt))
    filled = Backfills(airflow, "sales", "Asia/Tokyo", options, airflow.progress()[0])
    with pytest.raises(KeyboardInterrupt):
        filled.start(FIRST, LAST)
    airflow.script.clear()
    ending(airflow)
    for run in airflow.runs.values():
        airflow.runs[run.run_id] = run.model_copy(update={"state": RunState.FAILED})
    progress, written = airflow.progress()

    with pytest.raises(RunError, match="--from 2026-01-01 --to 2026-01-05 --reprocess failed"):
        Backfills(airflow, "sales", "Asia/Tokyo", options, progress).follow()

    assert "Backfill of DAG sales, 2026-01-01 to 2026-01-05" in written.getvalue()


def test_a_second_backfill_is_refused_while_one_is_unfinished(airflow: ScriptedAirflow) -> None:
    filled, _ = backfills(airflow)
    airflow.at(3, lambda: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        filled.start(FIRST, date(2026, 1, 3))

    with pytest.raises(RunError, match=r"has an unfinished backfill, 2026-01-01 to 2026-01-03"):
        filled.start(FIRST, LAST)
    if not airflow.starts_backfills:
        # The same range with other parameters: they would not be those of all runs.
        filled, _ = backfills(airflow, conf={"kedro_params": {"x": 1}}, max_active=5)
        airflow.runs.popitem()
        with pytest.raises(RunError, match="has an unfinished backfill"):
            filled.start(FIRST, date(2026, 1, 3))


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
    airflow = ScriptedAirflow(version=Version(2, 11))
    airflow.starts_backfills = False
    airflow.parse(known_dag("sales", *OWN, schedule="0 6 * * *"))
    airflow.stored_tasks["sales"] = []
    airflow.stored_details["sales"] = DagDetails()
    ending(airflow)
    conf = {"depth": 5, "kedro_params": {"note": "x"}}
    filled, _ = backfills(airflow, conf=conf, date_param=("day.of", "%Y%m%d"))

    filled.start(FIRST, FIRST)

    params = {"day.of": "20260101", "note": "x"}
    assert airflow.confs == [{"depth": 5, "kedro_params": params}]
    (run,) = airflow.runs.values()
    assert run.logical_date == datetime(2025, 12, 31, 6, tzinfo=timezone.utc)
    assert run.run_id == "backfill-20251231T0600-20260101T0600"


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
    airflow = ScriptedAirflow()
    airflow.starts_backfills = False
    airflow.parse(known_dag(dag_id, *OWN, schedule="0 6 * * *"))
    airflow.stored_tasks[dag_id] = []
    airflow.stored_details[dag_id] = DagDetails()

    def shown(key: str) -> str | None:
        value = airflow.variables.get(key)
        with contextlib.suppress(TypeError, ValueError):
            return json.dumps(_shown(key, json.loads(value or "")))
        return None if value is None else str(_shown(key, value))

    monkeypatch.setattr(airflow, "variable", shown)
    conf = {"kedro_params": {"model.tokenizer": "bert"}}
    options = BackfillOptions(follow=True, conf=conf)
    airflow.at(3, lambda: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        Backfills(airflow, dag_id, "UTC", options, airflow.progress()[0]).start(FIRST, LAST)
    ending(airflow)

    Backfills(airflow, dag_id, "UTC", BackfillOptions(follow=True), airflow.progress()[0]).follow()

    assert airflow.confs == [conf] * 5


def test_a_variable_that_holds_something_else_is_named(airflow: ScriptedAirflow) -> None:
    if airflow.starts_backfills:
        return
    filled, _ = backfills(airflow)
    airflow.at(3, lambda: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        filled.start(FIRST, LAST)
    (key,) = airflow.variables
    for text in ("***", "{}", "e30=", "é"):
        airflow.variables[key] = text
        with pytest.raises(RunError, match=f"variable {key} does not hold a backfill"):
            filled.follow()


def without_variables(monkeypatch: pytest.MonkeyPatch) -> ScriptedAirflow:
    """An Airflow 2.11 whose user has no rights to variables."""
    airflow = ScriptedAirflow(version=Version(2, 11))
    airflow.starts_backfills = False
    airflow.parse(known_dag("sales", *OWN, schedule="0 6 * * *"))
    airflow.stored_tasks["sales"] = []
    airflow.stored_details["sales"] = DagDetails()

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
    airflow.at(3, lambda: (_ for _ in ()).throw(KeyboardInterrupt))
    filled, written = backfills(airflow, cancel_on_interrupt=True)

    with pytest.raises(KeyboardInterrupt):
        filled.start(FIRST, LAST)

    assert "is cancelled: 3 active runs marked as failed" in written.getvalue()
    assert {run.state for run in airflow.runs.values()} == {RunState.FAILED}


def test_a_backfill_of_partitions_finds_and_starts_runs_by_their_keys() -> None:
    airflow = ScriptedAirflow()
    airflow.starts_backfills = False
    airflow.parse(known_dag("sales", *OWN, schedule="0 6 * * *"))
    airflow.stored_tasks["sales"] = [DagTask(task_id="load")]
    airflow.stored_details["sales"] = DagDetails()
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
