"""A schedule: what is said of the runs to come, and whether the DAG is paused."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date, datetime, timedelta, timezone
from pathlib import Path

import pytest

from kedro_airflow_k8s.airflow_api import AirflowClient, DagRun, RunState
from kedro_airflow_k8s.compile import CompiledDag
from kedro_airflow_k8s.deploy.schedule import ScheduleOptions, schedule
from kedro_airflow_k8s.errors import NotAllowed, PlanError, Unreachable
from tests.support.compiled_dags import compiled_dag
from tests.support.scripted_airflow import ScriptedAirflow, known_dag

DAG = compiled_dag("sales", schedule="0 6 * * *")
AT_ONCE = re.compile(r"^Airflow starts a run now, for \S+ 06:00 UTC, which has passed\.$", re.M)
PAUSED = "DAG sales is paused in Airflow: no run starts until you unpause it."
NEXT = re.compile(r"Next run: \S+ 06:00 UTC, then \S+ 06:00 UTC and \S+ 06:00 UTC")


def scheduled(
    airflow: ScriptedAirflow, folder: Path, options: ScheduleOptions, dag: CompiledDag = DAG
) -> list[str]:
    progress, written = airflow.progress()
    schedule(lambda: airflow, dag, str(folder), progress, options)
    return written.getvalue().splitlines()


@pytest.fixture
def airflow() -> ScriptedAirflow:
    """An Airflow that reads the file after a second; a DAG that is new there is paused."""
    scripted = ScriptedAirflow()

    def parse() -> None:
        before = scripted.dags.get("sales")
        paused = before.paused if before else True
        scripted.parse(known_dag("sales", DAG.fingerprint, paused=paused, schedule="0 6 * * *"))

    scripted.at(1, parse)
    return scripted


def test_a_new_dag_is_unpaused_after_it_was_said_which_run_starts_at_once(
    airflow: ScriptedAirflow, tmp_path: Path
) -> None:
    lines = scheduled(airflow, tmp_path, ScheduleOptions())

    assert not airflow.dags["sales"].paused
    at_once = next(i for i, line in enumerate(lines) if AT_ONCE.match(line))
    assert at_once < next(i for i, line in enumerate(lines) if line.startswith("Uploaded DAG"))
    assert NEXT.fullmatch(lines[-1])


def test_with_paused_a_new_dag_stays_paused_and_that_is_the_last_line(
    airflow: ScriptedAirflow, tmp_path: Path
) -> None:
    lines = scheduled(airflow, tmp_path, ScheduleOptions(unpause=False))

    assert airflow.seconds == 0, "there is nothing to wait for"
    assert (tmp_path / "sales.py").exists()
    assert lines[-1] == PAUSED
    assert not any(AT_ONCE.match(line) for line in lines)


def test_a_new_dag_that_the_configuration_pauses_stays_paused_unless_asked_for(
    airflow: ScriptedAirflow, tmp_path: Path
) -> None:
    dag = replace(DAG, paused=True)

    assert scheduled(airflow, tmp_path, ScheduleOptions(), dag)[-1] == PAUSED
    lines = scheduled(airflow, tmp_path, ScheduleOptions(unpause=True), dag)
    assert NEXT.fullmatch(lines[-1])


def test_catchup_says_that_there_is_more_than_one_run(
    airflow: ScriptedAirflow, tmp_path: Path
) -> None:
    lines = scheduled(airflow, tmp_path, ScheduleOptions(), replace(DAG, catchup=True))

    (line,) = (line for line in lines if line.startswith("Airflow catches up now: one run for"))
    assert "since 2021-01-01 that has had none, up to " in line


def test_a_schedule_that_has_ended_or_will_end_says_when(
    airflow: ScriptedAirflow, tmp_path: Path
) -> None:
    ended = replace(DAG, end_date=date(2021, 2, 1))
    lines = scheduled(airflow, tmp_path, ScheduleOptions(), ended)

    assert lines[-1] == "Next run: none, the schedule has ended on 2021-02-01"
    assert not any(AT_ONCE.match(line) for line in lines)
    ending = replace(DAG, end_date=date(9999, 1, 1))
    lines = scheduled(airflow, tmp_path, ScheduleOptions(), ending)
    assert lines[-1].endswith("; the last day is 9999-01-01")


@pytest.mark.parametrize("unpause", [None, True])
def test_a_dag_that_someone_has_paused_is_unpaused_only_if_asked_for(
    airflow: ScriptedAirflow, tmp_path: Path, unpause: bool | None
) -> None:
    airflow.parse(known_dag("sales", "fingerprint:0ld", paused=True))

    lines = scheduled(airflow, tmp_path, ScheduleOptions(unpause=unpause))

    assert airflow.dags["sales"].paused is (unpause is None)
    assert (lines[-1] == PAUSED) is (unpause is None)
    assert any(AT_ONCE.match(line) for line in lines) is bool(unpause)


@pytest.mark.parametrize(
    ("ago", "at_once"), [(None, True), (timedelta(days=3), True), (timedelta(0), False)]
)
def test_a_run_starts_at_once_unless_the_schedule_has_had_it(
    airflow: ScriptedAirflow, tmp_path: Path, ago: timedelta | None, at_once: bool
) -> None:
    airflow.parse(known_dag("sales", "fingerprint:0ld"))
    if ago is not None:
        airflow.scheduled["sales"] = DagRun(
            dag_id="sales",
            run_id="scheduled",
            state=RunState.SUCCESS,
            run_type="scheduled",
            logical_date=datetime.now(timezone.utc) - ago,
        )

    lines = scheduled(airflow, tmp_path, ScheduleOptions())

    assert any(AT_ONCE.match(line) for line in lines) is at_once
    assert airflow.seconds == 0
    assert NEXT.fullmatch(lines[-1])


def test_before_the_start_date_no_run_starts_at_once(tmp_path: Path) -> None:
    airflow = ScriptedAirflow()
    airflow.parse(known_dag("sales", "fingerprint:0ld"))
    dag = compiled_dag("sales", schedule="0 6 * * *", start_date=date(2100, 1, 1))
    progress, written = airflow.progress()
    schedule(lambda: airflow, dag, str(tmp_path), progress, ScheduleOptions())
    assert "at once" not in written.getvalue()
    assert written.getvalue().splitlines()[-1].startswith("Next run: 2100-01-01 06:00 UTC")


@pytest.mark.parametrize("asked", [False, True], ids=["not needed", "needed"])
@pytest.mark.parametrize("error", [Unreachable("No answer."), NotAllowed("Not yours.")], ids=str)
def test_where_airflow_cannot_be_asked_the_dag_is_uploaded_unless_more_was_asked_for(
    tmp_path: Path, error: Exception, asked: bool
) -> None:
    def connect() -> AirflowClient:
        raise error

    progress, written = ScriptedAirflow().progress()
    options = ScheduleOptions(unpause=True if asked else None)
    if asked:
        with pytest.raises(type(error)):
            schedule(connect, DAG, str(tmp_path), progress, options)
        assert not list(tmp_path.iterdir())
        return
    schedule(connect, DAG, str(tmp_path), progress, options)
    assert (tmp_path / "sales.py").exists()
    text = written.getvalue()
    assert f"Warning: Airflow could not be asked. {error}" in text
    assert text.splitlines()[-1].startswith("Next run, unless the DAG is new or paused in Airflow:")


def test_without_a_schedule_nothing_is_uploaded(tmp_path: Path) -> None:
    dag, progress = compiled_dag("sales"), ScriptedAirflow().progress()[0]
    with pytest.raises(PlanError, match=r"has no schedule\. Pass --cron-expression"):
        schedule(None, dag, str(tmp_path), progress, ScheduleOptions())
    assert not list(tmp_path.iterdir())
