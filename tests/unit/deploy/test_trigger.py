"""A run of the DAG that Airflow has: nothing is uploaded."""

from __future__ import annotations

from datetime import date, datetime, timezone

import pytest

from kedro_airflow_k8s.airflow_api import RunState
from kedro_airflow_k8s.airflow_api.records import DagDetails, DagTask
from kedro_airflow_k8s.deploy.run import RunOptions
from kedro_airflow_k8s.deploy.start import DagInAirflow, dag_in_airflow, trigger
from kedro_airflow_k8s.errors import RunError
from kedro_airflow_k8s.terminal.task_table import TaskState
from tests.support.scripted_airflow import ScriptedAirflow, known_dag

WARSAW = "Europe/Warsaw"
DONE = TaskState("success", 100.0, 103.0, 1)
TASKS = [
    DagTask.model_validate({"task_id": "wait", "class_ref": {"class_name": "ExternalTaskSensor"}}),
    DagTask.model_validate(
        {"task_id": "load", "class_ref": {"class_name": "KubernetesPodOperator"}}
    ),
]


@pytest.fixture
def airflow() -> ScriptedAirflow:
    scripted = ScriptedAirflow()
    scripted.parse(known_dag("sales", "fingerprint:0123456789ab", schedule="0 6 * * *"))
    scripted.stored_tasks["sales"] = TASKS
    scripted.stored_details["sales"] = details()
    return scripted


def details() -> DagDetails:
    start = datetime(2020, 12, 31, 23, tzinfo=timezone.utc)
    return DagDetails.model_validate({"start_date": start, "params": {"model.depth": {}}})


def test_the_dag_is_the_one_that_airflow_has(airflow: ScriptedAirflow) -> None:
    assert dag_in_airflow(airflow, "sales", WARSAW) == DagInAirflow(
        dag_id="sales",
        task_ids=("wait", "load"),
        sensor_ids=("wait",),
        timezone=WARSAW,
        start_date=date(2021, 1, 1),
        trigger_params=("model.depth",),
    )


def test_a_run_starts_with_parameters_and_is_watched_and_the_dag_stays(
    airflow: ScriptedAirflow,
) -> None:
    before = airflow.find_dag("sales")
    airflow.at(5, lambda: airflow.tasks.update(load=DONE))
    airflow.at(5, lambda: airflow.end(RunState.SUCCESS))
    progress, written = airflow.progress()

    params = {"model": {"depth": 5, "rate": 0.1}}
    trigger(airflow, "sales", WARSAW, params, RunOptions(minutes=5), progress)

    (run_id,) = airflow.runs
    assert run_id.startswith("trigger-")
    assert airflow.confs == [{"model.depth": 5, "kedro_params": {"model": {"rate": 0.1}}}]
    assert airflow.find_dag("sales") is before
    assert "success: 2 of 2 tasks succeeded." in written.getvalue()


@pytest.mark.parametrize("dated", [False, True], ids=["no date", "a logical date"])
def test_only_a_run_with_a_logical_date_waits_for_other_dags(
    airflow: ScriptedAirflow, dated: bool
) -> None:
    day = datetime(2026, 3, 1) if dated else None  # noqa: DTZ001 - in the DAG's zone

    trigger(airflow, "sales", WARSAW, {}, RunOptions(logical_date=day), airflow.progress()[0])

    assert ("wait" in airflow.tasks) is not dated
    (run,) = airflow.runs.values()
    expected = datetime(2026, 2, 28, 23, tzinfo=timezone.utc) if dated else None
    assert run.logical_date == expected


@pytest.mark.parametrize("unpause", [False, True])
def test_a_paused_dag_is_unpaused_only_if_asked_for(
    airflow: ScriptedAirflow, unpause: bool
) -> None:
    airflow.set_paused("sales", True)
    progress, written = airflow.progress()

    trigger(airflow, "sales", WARSAW, {}, RunOptions(unpause=unpause), progress)

    assert airflow.dags["sales"].paused is not unpause
    assert ("is paused in Airflow: its runs wait" in written.getvalue()) is not unpause


def test_a_dag_that_airflow_does_not_have_is_said_with_what_uploads_it() -> None:
    airflow = ScriptedAirflow()
    with pytest.raises(RunError, match=r"has no DAG sales\. `kedro airflow-k8s run-once` uploads"):
        trigger(airflow, "sales", WARSAW, {}, RunOptions(), airflow.progress()[0])
    assert not airflow.runs


@pytest.mark.parametrize("partitioned", [False, True])
def test_a_run_of_a_dag_with_partitions_has_the_key_of_its_date(
    airflow: ScriptedAirflow, partitioned: bool
) -> None:
    changed = airflow.dags["sales"].model_copy(update={"partitioned": partitioned})
    airflow.dags["sales"] = changed
    evening = datetime(2026, 3, 1, 23, 30, tzinfo=timezone.utc)
    options = RunOptions(logical_date=evening, partition_format="%Y-%m-%d")

    trigger(airflow, "sales", WARSAW, {}, options, airflow.progress()[0])

    (run,) = airflow.runs.values()
    # On the clocks of the DAG.
    assert run.partition_key == ("2026-03-02" if partitioned else None)
