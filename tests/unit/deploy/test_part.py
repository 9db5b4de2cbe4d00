"""A run of a part of a DAG: which tasks it has, and what is refused."""

from __future__ import annotations

from datetime import date

import pytest

from kedro_airflow_k8s.compile import CompiledDag
from kedro_airflow_k8s.config.load import load_config
from kedro_airflow_k8s.deploy.part import conf_of_part
from kedro_airflow_k8s.errors import RunError
from kedro_airflow_k8s.plan.data_places import DataPlace
from kedro_airflow_k8s.plan.tasks import plan_tasks
from kedro_airflow_k8s.project.entities import PipelineNode, ProjectPipeline

NODES = (
    PipelineNode("clean", None, ("orders",), ("cleaned",), (), "clean"),
    PipelineNode("fit", None, ("cleaned",), ("model",), ("airflow-k8s.group.ml",), "fit"),
    PipelineNode("score", None, ("model",), ("score",), ("airflow-k8s.group.ml",), "score"),
    PipelineNode("report", None, ("score",), (), (), "report"),
)
RUN = load_config({"run_config": {"image": "shop:1"}}, "airflow-k8s.yaml").run_config
TASKS = plan_tasks(ProjectPipeline("shop", "local", True, "shop", NODES, "none"), RUN, ()).all
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
    storage={"cleaned": DataPlace.VOLUME, "score": DataPlace.LASTING},
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


def test_a_part_of_a_task_is_refused_with_the_nodes_that_share_its_pod() -> None:
    with pytest.raises(RunError) as caught:
        conf_of_part(DAG, {"clean", "fit"})

    assert str(caught.value).startswith("Task 'ml' cannot run in part.")
    assert "not selected: 'score'" in str(caught.value)
