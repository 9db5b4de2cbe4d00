"""From a Kedro project to its DAGs: what commands ask for, and what they learn of the result."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date
from typing import Any

import pytest
from kedro.framework.startup import bootstrap_project

from kedro_airflow_k8s.compile import CompiledDag, compile_pipelines
from kedro_airflow_k8s.errors import PlanError
from kedro_airflow_k8s.plan.build import Overrides
from kedro_airflow_k8s.project.reader import KedroProject
from tests.support.kedro_projects import (
    IMAGE,
    ProjectFolder,
    as_in_a_new_process,
    compiled,
    project_fixture,  # noqa: F401 - fixture
    refused,
)
from tests.support.recorded_dag import run_dag_file

pytestmark = pytest.mark.usefixtures("fresh")

CONFIG = f"""
run_config:
    image: {IMAGE}
    timezone: Europe/Paris
    start_date: "20260721"
    cron_expression: "@daily"
    external_dependencies: [{{dag_id: up}}]
    trigger_params: [model.depth, {{name: seed, description: For the split.}}]
"""
PARAMETERS = "model: {depth: 3, rate: 0.1}\nseed: 42\n"


@pytest.fixture(name="fresh")
def _fresh() -> Iterator[None]:
    with as_in_a_new_process():
        yield


@pytest.fixture(name="configured")
def _configured(project: ProjectFolder) -> ProjectFolder:
    project.config(CONFIG)
    project.write("conf/base/parameters.yml", PARAMETERS)
    return project


def dags(
    project: ProjectFolder, *names: str, env: str | None = None, **more: Any
) -> list[CompiledDag]:
    kedro = KedroProject(bootstrap_project(project.path), env)
    return compile_pipelines(
        kedro,
        kedro.config(),
        names or ["sales"],
        warn=lambda found: pytest.fail(found.text),
        **more,
    )


def test_a_compiled_dag_tells_what_the_commands_need(configured: ProjectFolder) -> None:
    (dag,) = dags(configured)

    assert (dag.dag_id, dag.file_name) == ("shop.sales", "shop.sales.py")
    assert (dag.schedule, dag.timezone, dag.start_date) == (
        "@daily",
        "Europe/Paris",
        date(2026, 7, 21),
    )
    assert dag.trigger_params == ("model.depth", "seed")
    assert dag.sensor_ids == ("wait_for_up",)
    assert re.fullmatch("fingerprint:[0-9a-f]{12}", dag.fingerprint)
    assert run_dag_file(dag.source).keywords["tags"][-1] == dag.fingerprint


def test_overrides_change_the_dag_and_its_fingerprint(configured: ProjectFolder) -> None:
    (usual,) = dags(configured)
    (once,) = dags(configured, overrides=Overrides(dag_name="trial", once=True))

    assert (once.dag_id, once.file_name, once.schedule) == ("trial", "trial.py", None)
    assert once.sensor_ids == ()
    assert once.fingerprint != usual.fingerprint
    assert run_dag_file(once.source).keywords["schedule"] is None


def test_a_dag_name_is_for_one_pipeline_only(configured: ProjectFolder) -> None:
    with pytest.raises(PlanError, match=r"'sales' and 'stock' have the same DAG id"):
        dags(configured, "sales", "stock", overrides=Overrides(dag_name="trial"))


def form(project: ProjectFolder, **more: Any) -> dict[str, Any]:
    (dag,) = dags(project, **more)
    shown: dict[str, Any] = run_dag_file(dag.source).keywords["params"]
    return {name: param.positional[0] for name, param in shown.items()}


def test_the_form_begins_with_the_values_of_the_environment(configured: ProjectFolder) -> None:
    configured.write("conf/prod/parameters.yml", "seed: 7\n")

    assert form(configured) == {"model.depth": 3, "seed": 42}
    assert form(configured, env="prod") == {"model.depth": 3, "seed": 7}


def test_parameters_may_stand_in_several_files_and_refer_to_others(
    configured: ProjectFolder,
) -> None:
    configured.write("conf/base/globals.yml", "depth: 9\n")
    configured.write("conf/base/parameters.yml", "seed: ${.start}\nstart: 5\n")
    configured.write("conf/base/parameters/model.yml", "model: {depth: '${globals:depth}'}\n")

    assert form(configured) == {"model.depth": 9, "seed": 5}


def test_a_parameter_that_does_not_exist_is_one_message_with_the_nearest(
    configured: ProjectFolder,
) -> None:
    configured.write("conf/base/parameters.yml", "model: {dpeth: 3}\nseed: 1\n")
    message = refused(configured.compile(), "no parameter 'model.depth'")
    assert "Did you mean 'model.dpeth'?" in message
    (configured.path / "conf/base/parameters.yml").unlink()
    refused(configured.compile(), "no parameter 'model.depth'")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("seed: ${missing}\n", "parameters cannot be read without a run"),
        ("seed: [1\n", "parameters cannot be read without a run"),
        ("model: {depth: 1}\nseed: ${runtime_params:x}\n", "value of a runtime parameter"),
    ],
)
def test_parameters_that_cannot_be_read_are_one_message(
    configured: ProjectFolder, text: str, words: str
) -> None:
    configured.write("conf/base/parameters.yml", text)
    refused(configured.compile(), words)
    with pytest.raises(PlanError):
        dags(configured)


def test_parameters_that_no_one_shows_are_not_read(project: ProjectFolder) -> None:
    project.write("conf/base/parameters.yml", "seed: ${missing}\n")
    assert "Param(" not in compiled(project)
