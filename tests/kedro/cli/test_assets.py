"""`kedro airflow-k8s assets`, and what the DAGs of a real project have of them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from kedro.framework.startup import bootstrap_project

from kedro_airflow_k8s.compile import compile_pipelines
from kedro_airflow_k8s.plan.build import Overrides
from kedro_airflow_k8s.plan.data_places import DataPlace
from kedro_airflow_k8s.project.reader import KedroProject
from tests.support.kedro_projects import (
    ProjectFolder,
    as_in_a_new_process,
    project_fixture,  # noqa: F401 - fixture
)

CONFIG = """
run_config:
    image: registry.example.com/shop:1.0
    assets: {assets}
    volume: {{disabled: true}}
    intermediate_data: s3://shop/runs
"""
CATALOG = """
orders: {type: json.JSONDataset, filepath: "s3://shop/orders.json"}
clean_orders: {type: json.JSONDataset, filepath: "s3a://shop/clean.json", credentials: shop}
"{name}s": {type: json.JSONDataset, filepath: "s3://shop/{name}.json"}
counts: {type: json.JSONDataset, filepath: "s3://shop/${runtime_params:day, monday}.json"}
goods: {type: json.JSONDataset, filepath: "s3://shop/${runtime_params:day}.json"}
"""
SECRETS = "shop: {key: s3cr3t-0123, secret: s3cr3t-4567}\n"


@pytest.fixture(autouse=True)
def _configured(project: ProjectFolder) -> None:
    project.config(CONFIG.format(assets="true"))
    project.write("conf/base/catalog.yml", CATALOG)
    project.write("conf/local/credentials.yml", SECRETS)


def listed(project: ProjectFolder, *options: str) -> dict[str, Any]:
    result = project.kedro("airflow-k8s", "assets", "--format", "json", *options)
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout.splitlines()[-1])
    return {asset["uri"]: asset for asset in found}


def test_the_table_has_each_asset_with_the_tasks_that_make_and_read_it(
    project: ProjectFolder,
) -> None:
    result = project.kedro("airflow-k8s", "assets", "--pipeline", "sales")
    assert result.exit_code == 0, result.output
    lines = [" ".join(line.split()) for line in result.stdout.splitlines() if "s3://" in line]
    assert lines == [
        "s3://shop/clean.json clean_orders shop.sales / clean shop.sales / total",
        "s3://shop/orders.json orders - shop.sales / clean",
        "s3://shop/total.json totals shop.sales / total -",
    ]


def test_without_a_pipeline_it_has_those_of_all(project: ProjectFolder) -> None:
    makers = listed(project)["s3://shop/total.json"]["producers"]
    assert [use["dag_id"] for use in makers] == ["shop", "shop.sales"]
    assert {use["dataset"] for use in makers} == {"totals"}


def test_a_place_that_a_runtime_parameter_may_change_is_not_an_asset(
    project: ProjectFolder,
) -> None:
    assert not any("monday" in uri or "runtime" in uri for uri in listed(project))


def test_the_dag_has_the_assets_and_no_secret(project: ProjectFolder) -> None:
    assert project.compile("--pipeline", "sales").exit_code == 0
    (source,) = project.dags().values()
    assert '"s3://shop/clean.json"' in source
    assert "s3cr3t" not in source


def test_without_the_key_the_dag_has_no_assets(project: ProjectFolder) -> None:
    project.config(CONFIG.format(assets="false"))
    assert project.compile("--pipeline", "sales").exit_code == 0
    (source,) = project.dags().values()
    assert "Asset" not in source
    result = project.kedro("airflow-k8s", "assets")
    assert result.exit_code == 0
    assert "No pipeline has assets. Set run_config.assets" in result.stdout


@pytest.mark.parametrize(
    ("names", "words"),
    [
        ("[counts, goods]", "Dataset 'goods' has no place that outlives a run"),
        ("[orders, total]", "No pipeline makes a dataset 'total'"),
    ],
)
def test_validate_refuses_names_that_are_not_assets(
    project: ProjectFolder, names: str, words: str
) -> None:
    project.config(CONFIG.format(assets=names))
    result = project.kedro("airflow-k8s", "validate", "--all")
    assert result.exit_code == 1
    assert "[not-an-asset]" in result.output
    assert words in " ".join(result.output.split())


@pytest.mark.parametrize("value", ["3", "{a: b}", "[1]", "[a, a]", "yes please"])
def test_a_value_that_is_neither_a_truth_nor_names_is_refused(
    project: ProjectFolder, value: str
) -> None:
    project.config(CONFIG.format(assets=value))
    result = project.kedro("airflow-k8s", "assets")
    assert result.exit_code == 1
    assert "run_config.assets" in result.output


@pytest.mark.parametrize("assets", ["true", "false"])
def test_a_run_of_some_nodes_can_read_what_others_have_stored(
    project: ProjectFolder, assets: str
) -> None:
    project.config(CONFIG.format(assets=assets))
    with as_in_a_new_process():
        read = KedroProject(bootstrap_project(project.path))
        (dag,) = compile_pipelines(
            read, read.config(), ["sales"], overrides=Overrides(once=True), warn=lambda _: None
        )
    assert dag.storage == {"clean_orders": DataPlace.LASTING, "totals": DataPlace.LASTING}
