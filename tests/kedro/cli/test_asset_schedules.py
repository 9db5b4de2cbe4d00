"""Pipelines of a project that wait for the data of each other: what is compiled and refused."""

from __future__ import annotations

import json

import pytest

from tests.support.kedro_projects import (
    ProjectFolder,
    project_fixture,  # noqa: F401 - fixture
)

CONFIG = """
run_config:
    image: registry.example.com/shop:1.0
    assets: true
    volume: {disabled: true}
    intermediate_data: s3://shop/runs
pipelines:
    __default__: {enabled: false}
"""
CATALOG = """
"{name}": {type: json.JSONDataset, filepath: "s3://shop/{name}.json"}
"""
STOCK = """
from kedro.pipeline import Pipeline, node

def count(totals):
    return totals

def create_pipeline():
    return Pipeline([node(count, "totals", "counts", name="count")])
"""


@pytest.fixture(autouse=True)
def _configured(project: ProjectFolder) -> None:
    project.pipeline("stock", STOCK)
    project.write("conf/base/catalog.yml", CATALOG)


def configured(project: ProjectFolder, **schedules: str) -> None:
    """Let pipelines have a schedule each."""
    lines = [f"    {name}: {{schedule: {text}}}\n" for name, text in schedules.items()]
    project.config(CONFIG + "".join(lines))


def findings(project: ProjectFolder) -> list[tuple[str, str, str]]:
    result = project.kedro("airflow-k8s", "validate", "--all", "--format", "json")
    found = json.loads(result.stdout.splitlines()[-1])
    kinds = ("asset-cycle", "other-partitions", "two-producers", "unmade-asset", "plan")
    return [(f["severity"], f["code"], f["problem"]) for f in found if f["code"] in kinds]


@pytest.mark.parametrize("name", ["totals", "sales"])
def test_a_pipeline_waits_for_the_data_that_it_reads_of_a_dataset_or_a_pipeline(
    project: ProjectFolder, name: str
) -> None:
    configured(project, stock=f"{{assets: [{name}]}}")
    assert project.compile("--all").exit_code == 0
    source = project.dags()["shop.stock.py"]
    # Of the pipeline, not `clean_orders`, which it does not read.
    assert 'schedule=[ASSETS["totals"]],' in source
    assert '"clean_orders"' not in source
    assert findings(project) == []


def test_of_a_pipeline_of_which_it_reads_nothing_it_waits_for_all(project: ProjectFolder) -> None:
    configured(project, sales="{assets: [stock]}")
    project.pipeline("stock", STOCK.replace('"totals"', '"goods"'))
    assert project.compile("--pipeline", "sales").exit_code == 0
    assert 'schedule=[ASSETS["counts"]],' in project.dags()["shop.sales.py"]


def test_run_once_and_a_cron_expression_have_no_waits(project: ProjectFolder) -> None:
    configured(project, stock="{assets: [totals]}")
    result = project.kedro("airflow-k8s", "validate", "--pipeline", "stock")
    assert result.exit_code == 0, result.output


def test_an_asset_that_no_pipeline_makes_is_a_warning(project: ProjectFolder) -> None:
    configured(project, stock="{assets: [deliveries]}")
    ((severity, code, problem),) = findings(project)
    assert (severity, code) == ("warning", "unmade-asset")
    assert "'deliveries' (s3://shop/deliveries.json)" in problem


def test_pipelines_that_wait_for_each_other_are_an_error(project: ProjectFolder) -> None:
    configured(project, sales="{assets: [counts]}", stock="{assets: [sales]}")
    ((severity, code, problem),) = findings(project)
    assert (severity, code) == ("error", "asset-cycle")
    assert "sales -> stock -> sales" in problem
    assert project.compile("--all").exit_code == 1


def test_a_pipeline_that_waits_for_its_own_data_is_an_error(project: ProjectFolder) -> None:
    configured(project, stock="{assets: [counts]}")
    ((severity, code, problem),) = findings(project)
    assert (severity, code) == ("error", "asset-cycle")
    assert problem == "Pipeline 'stock' waits for data that it makes itself."


def test_two_nodes_that_make_the_same_asset_are_a_warning(project: ProjectFolder) -> None:
    configured(project)
    twin = 'counts: {type: json.JSONDataset, filepath: "s3a://shop/clean_orders.json"}'
    project.write("conf/base/catalog.yml", CATALOG + twin)
    ((severity, code, problem),) = findings(project)
    assert (severity, code) == ("warning", "two-producers")
    assert "'clean', 'count', in pipelines 'sales', 'stock'" in problem


def test_a_node_that_is_in_two_pipelines_is_one_producer(project: ProjectFolder) -> None:
    project.config(CONFIG.replace("enabled: false", "enabled: true"))
    assert findings(project) == []


@pytest.mark.parametrize(
    ("schedule", "more", "words"),
    [
        ("{assets: [slaes]}", "{missing: {type: MemoryDataset}}", "Did you mean 'sales'?"),
        ("{assets: [sales]}", None, "waits for pipeline 'sales', which makes no assets"),
    ],
)
def test_a_name_that_means_no_asset_cannot_be_compiled(
    project: ProjectFolder, schedule: str, more: str | None, words: str
) -> None:
    configured(project, stock=schedule)
    if more:
        project.write("conf/base/catalog.yml", more)
    else:
        project.config(
            CONFIG.replace("assets: true", "assets: false")
            + f"    stock: {{schedule: {schedule}}}\n"
        )
    ((severity, code, problem),) = findings(project)
    assert (severity, code) == ("error", "plan")
    assert words in problem


PARTS = """
"{name}":
  type: json.JSONDataset
  filepath: "s3://shop/{name}/${runtime_params:day,today}.json"
"""


def partitioned(project: ProjectFolder, sales: str, stock: str) -> None:
    """Let `stock` wait for the data of `sales`, each with its own kind of partitions."""
    project.write("conf/base/catalog.yml", PARTS)
    project.config(
        CONFIG + f"    sales: {{partitioned: {sales}}}\n"
        f"    stock: {{schedule: {{assets: [sales]}}, partitioned: {stock}}}\n"
    )


DAY = "{by: daily, param: day}"


def test_a_pipeline_waits_for_each_partition_of_the_data_of_another(project: ProjectFolder) -> None:
    partitioned(project, DAY, DAY)
    assert findings(project) == []
    assert project.compile("--all").exit_code == 0
    waits, makes = project.dags()["shop.stock.py"], project.dags()["shop.sales.py"]
    assert 'schedule=PartitionedAssetTimetable(assets=ASSETS["totals"]),' in waits
    assert 'schedule=CronPartitionTimetable("@daily", timezone="UTC", key_format=' in makes
    for source in (waits, makes):
        assert '"totals": "s3://shop/totals/*.json"' in source


@pytest.mark.parametrize("other", ["{by: hourly, param: day}", "{by: cron, param: day}"])
def test_a_wait_for_other_partitions_never_ends_and_is_an_error(
    project: ProjectFolder, other: str
) -> None:
    partitioned(project, DAY, other)
    ((severity, code, problem),) = findings(project)
    assert (severity, code) == ("error", "other-partitions")
    assert "waits for 'sales'" in problem
    assert "pipeline 'sales', which makes it, has `partitioned: daily`." in problem
    assert project.compile("--all").exit_code == 1


@pytest.mark.parametrize(("sales", "stock"), [(DAY, "null"), ("null", DAY)])
def test_a_wait_between_a_pipeline_with_and_one_without_partitions_is_an_error(
    project: ProjectFolder, sales: str, stock: str
) -> None:
    partitioned(project, sales, stock)
    project.write("conf/base/catalog.yml", CATALOG)
    ((severity, code, problem),) = findings(project)
    assert (severity, code) == ("error", "other-partitions")
    assert "has no partitions" in problem
