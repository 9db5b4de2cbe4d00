"""A run of a part of a DAG: which tasks and data it has, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from kedro_airflow_k8s.airflow_api import RunState
from kedro_airflow_k8s.compile import CompiledDag
from kedro_airflow_k8s.config.load import load_config
from kedro_airflow_k8s.deploy.part import conf_from_run, conf_of_part
from kedro_airflow_k8s.errors import RunError
from kedro_airflow_k8s.plan.data_places import DataPlace
from kedro_airflow_k8s.plan.tasks import plan_tasks
from kedro_airflow_k8s.project.entities import PipelineNode, ProjectPipeline
from tests.support.scripted_airflow import ScriptedAirflow
from tests.unit.deploy.looking import DONE, FAILED, RUN, Volumes, looked_at

NODES = (
    PipelineNode("clean", None, ("orders",), ("cleaned",), (), "clean"),
    PipelineNode("fit", None, ("cleaned",), ("model",), ("airflow-k8s.group.ml",), "fit"),
    PipelineNode("score", None, ("model",), ("score",), ("airflow-k8s.group.ml",), "score"),
    PipelineNode("report", None, ("score",), (), (), "report"),
)
CONFIG = load_config({"run_config": {"image": "shop:1"}}, "airflow-k8s.yaml").run_config
TASKS = plan_tasks(ProjectPipeline("shop", "local", True, "shop", NODES, "none"), CONFIG, ()).all
DAG = CompiledDag(
    dag_id="shop",
    source="",
    fingerprint="",
    task_ids=tuple(task.task_id for task in TASKS),
    sensor_ids=(),
    schedule=None,
    timezone="UTC",
    start_date=date(2026, 1, 1),
    trigger_params=(),
    tasks=TASKS,
    storage={"cleaned": DataPlace.VOLUME, "model": DataPlace.POD, "score": DataPlace.LASTING},
    open_places={DataPlace.VOLUME},
)


def test_the_conf_names_the_tasks_of_the_nodes() -> None:
    assert conf_of_part(DAG, {"clean"}) == {"kedro_tasks": ["clean"]}
    assert conf_of_part(DAG, {"clean", "fit", "score"}) == {"kedro_tasks": ["clean", "ml"]}


def test_an_input_that_is_stored_outside_the_run_may_come_from_another_run() -> None:
    assert conf_of_part(DAG, {"report"}) == {"kedro_tasks": ["report"]}


def test_nodes_whose_input_would_be_missing_are_refused_with_the_dataset_and_its_task() -> None:
    with pytest.raises(RunError) as caught:
        conf_of_part(DAG, {"fit", "score"})

    message = str(caught.value)
    assert message.startswith("1 input of these nodes would be missing: 'cleaned'. ")
    assert "The tasks that make this data are not selected: clean." in message
    assert "--from-run RUN_ID" in message


def test_a_part_of_a_task_is_refused_with_the_nodes_that_share_its_pod() -> None:
    with pytest.raises(RunError) as caught:
        conf_of_part(DAG, {"clean", "fit"})

    assert str(caught.value).startswith("Task 'ml' cannot run in part.")
    assert "not selected: 'score'" in str(caught.value)


def with_kept_volume(state: RunState = RunState.FAILED, **conf: Any) -> ScriptedAirflow:
    """An Airflow with a run of the DAG whose last node failed, and which has kept its volume."""
    airflow = looked_at(state)
    airflow.tasks = {"clean": DONE, "ml": DONE, "report": FAILED, "delete_volume": DONE}
    airflow.rendered = {"delete_volume": {"until": "2999-01-01T00:00:00+00:00"}}
    airflow.runs[RUN] = airflow.runs[RUN].model_copy(update={"conf": conf})
    return airflow


def refusal(airflow: ScriptedAirflow, dag: CompiledDag = DAG, *lost: str) -> str:
    with pytest.raises(RunError) as caught:
        conf_from_run(airflow, dag, {"fit", "score"}, RUN, Volumes(lost=lost))
    return str(caught.value)


def test_the_conf_names_the_run_that_gives_the_data_and_the_datasets() -> None:
    airflow = with_kept_volume()

    assert conf_from_run(airflow, DAG, {"fit", "score"}, RUN, Volumes()) == {
        "kedro_tasks": ["ml"],
        "kedro_inputs_from": {"run_id": RUN, "datasets": ["cleaned"]},
    }


def test_the_versions_of_data_outside_the_run_are_taken_too() -> None:
    found = conf_from_run(with_kept_volume(), DAG, {"report"}, RUN, Volumes())

    assert found["kedro_inputs_from"]["datasets"] == ["score"]


def test_a_run_in_progress_gives_no_data() -> None:
    message = refusal(with_kept_volume(RunState.RUNNING))

    assert message.startswith(f"Run {RUN} of DAG shop is running. Only a run that has ended can")


def test_a_run_that_airflow_does_not_have_is_refused() -> None:
    airflow = with_kept_volume()
    del airflow.runs[RUN]

    assert refusal(airflow).startswith(f"DAG shop has no run '{RUN}'.")


@pytest.mark.parametrize(
    ("until", "reason"),
    [
        ("", "It was deleted at the end of the run: `run_config.keep_failed` was not set."),
        (
            "2026-01-01T10:30:00+00:00",
            "What is on the volume of the run was kept until 2026-01-01 10:30 UTC.",
        ),
    ],
)
def test_data_that_is_gone_is_named_with_the_task_that_makes_it(until: str, reason: str) -> None:
    airflow = with_kept_volume()
    airflow.rendered = {"delete_volume": {"until": until}}

    assert refusal(airflow) == (
        f"The data of run {RUN} is gone. {reason} Missing is 'cleaned'. Select the nodes that make"
        " it, too: clean. Or name another run."
    )


def test_a_volume_that_the_cluster_does_not_have_any_more_is_refused() -> None:
    assert refusal(with_kept_volume(), DAG, RUN).startswith(
        f"The data of run {RUN} is gone. The cluster has no volume of {RUN}. Missing is 'cleaned'."
    )


def test_a_run_in_which_the_maker_has_failed_gives_nothing() -> None:
    airflow = with_kept_volume()
    airflow.tasks["clean"] = FAILED

    assert refusal(airflow).startswith(
        f"Run {RUN} has not made 'cleaned': its task clean is failed. Select its nodes, too, or"
    )


def test_a_run_of_a_part_gives_what_it_has_made_and_names_the_run_of_the_rest() -> None:
    first = {"run_id": "first", "datasets": ["cleaned"]}
    airflow = with_kept_volume(kedro_tasks=["ml", "report"], kedro_inputs_from=first)

    assert refusal(airflow).startswith(
        f"Run {RUN} has not made 'cleaned': its task clean did not run. It took data from run"
        " first: name that run."
    )


def test_a_dag_that_does_not_copy_volumes_says_how_to_let_it() -> None:
    assert refusal(with_kept_volume(), replace(DAG, open_places=())).startswith(
        "'cleaned' cannot be taken from another run: it is on the volume of the run. Set"
        " `run_config.keep_failed`, without `run_config.volume.skip_init`, before the first of"
    )


def test_what_stays_in_a_pod_is_in_no_run() -> None:
    dag = replace(DAG, storage={**DAG.storage, "cleaned": DataPlace.POD})

    assert "it is in the pod of its task. No run keeps that" in refusal(with_kept_volume(), dag)
