"""Backfills on an Airflow that follows a script, for tests."""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone
from typing import Any

import pytest
from semver import Version

from kedro_airflow_k8s.airflow_api import DagRun, RunState
from kedro_airflow_k8s.airflow_api.records import DagDetails, DagTask
from kedro_airflow_k8s.deploy.backfill import Backfills
from kedro_airflow_k8s.deploy.backfill_plan import BackfillOptions
from tests.support.scripted_airflow import ScriptedAirflow, known_dag

OWN = ("fingerprint:0123456789ab", "generated_with_kedro_airflow_k8s:1.0.0")
FIRST, LAST = date(2026, 1, 1), date(2026, 1, 5)
AIRFLOW2, AIRFLOW3 = Version(2, 11), Version(3, 3, 2)
MORNINGS = [datetime(2026, 1, day, 6, tzinfo=timezone.utc) for day in range(1, 6)]


def known(*, version: Version = AIRFLOW3, dag_id: str = "sales") -> ScriptedAirflow:
    """Return an Airflow with a DAG of every morning, without backfills of its own."""
    airflow = ScriptedAirflow(version=version)
    airflow.starts_backfills = False
    airflow.parse(known_dag(dag_id, *OWN, schedule="0 6 * * *"))
    airflow.stored_tasks[dag_id] = [DagTask(task_id="load")]
    airflow.stored_details[dag_id] = DagDetails()
    return airflow


@pytest.fixture(params=["airflow3", "sandbox", "airflow2"])
def airflow(request: pytest.FixtureRequest) -> ScriptedAirflow:
    """Return an Airflow of each kind, whose DAG has five moments."""
    scripted = known(version=AIRFLOW2) if request.param == "airflow2" else known()
    scripted.starts_backfills = request.param == "airflow3"
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


def interrupt(
    airflow: ScriptedAirflow, filled: Backfills, *, second: int = 3, last: date = LAST
) -> None:
    """Start a backfill, and press Ctrl-C after some seconds."""
    airflow.at(second, lambda: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        filled.start(FIRST, last)
    airflow.script.clear()
