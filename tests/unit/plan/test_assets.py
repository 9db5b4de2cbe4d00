"""Which tasks of a DAG make and read which assets."""

from __future__ import annotations

from typing import Any

from kedro_airflow_k8s.plan.assets import NO_ASSETS, made_assets, plan_assets, read_assets
from kedro_airflow_k8s.plan.build import build_plan
from kedro_airflow_k8s.project.entities import PipelineNode, ProjectPipeline
from tests.support.strategies import IMAGE, config_of

NODES = (
    PipelineNode("clean", inputs=("orders@csv",), outputs=("clean_orders",)),
    PipelineNode("total", inputs=("clean_orders", "params:x"), outputs=("totals", "log")),
)
PLACES = {
    "orders": "s3://shop/orders",
    "clean_orders": "s3://shop/clean",
    "totals": "s3://shop/totals",
}


def pipeline(
    nodes: tuple[PipelineNode, ...] = NODES, places: dict[str, str] = PLACES
) -> ProjectPipeline:
    return ProjectPipeline("shop", "local", True, "__default__", nodes, "0a1b2c", places=places)


def planned(found: ProjectPipeline, **run_config: Any) -> Any:
    return build_plan(found, config_of({"image": IMAGE, "assets": True, **run_config})).assets


def test_each_task_has_what_its_node_reads_and_makes() -> None:
    assets = planned(pipeline())
    assert assets.uris == PLACES
    assert assets.inlets == {"clean": ("orders",), "total": ("clean_orders",)}
    assert assets.outlets == {"clean": ("clean_orders",), "total": ("totals",)}


def test_by_default_there_are_none() -> None:
    assert planned(pipeline(), assets=False) == NO_ASSETS
    assert build_plan(pipeline(), config_of({"image": IMAGE})).assets == NO_ASSETS


def test_a_list_chooses_datasets_with_or_without_their_variant() -> None:
    assets = planned(pipeline(), assets=["orders@csv", "totals"])
    assert [*assets.uris] == ["orders", "totals"]
    assert assets.outlets == {"total": ("totals",)}


def test_a_task_of_several_nodes_makes_also_what_only_they_read() -> None:
    assets = planned(pipeline(), grouping="pipeline")
    assert [*assets.inlets.values()] == [("orders",)]
    assert [*assets.outlets.values()] == [("clean_orders", "totals")]


def test_in_a_visible_group_the_tasks_of_the_nodes_have_them() -> None:
    visible = {"__default__": {"by": "pipeline", "nodes": "visible"}}
    assets = planned(pipeline(), grouping=visible)
    assert {task_id.rpartition(".")[2]: made for task_id, made in assets.outlets.items()} == {
        "clean": ("clean_orders",),
        "total": ("totals",),
    }


def test_two_datasets_in_one_place_are_one_asset_with_the_name_of_the_one_that_is_made() -> None:
    nodes = (
        PipelineNode("make", outputs=("made",)),
        PipelineNode("read", inputs=("again", "made")),
    )
    assets = planned(pipeline(nodes, {"again": "s3://shop/x", "made": "s3://shop/x"}))
    assert assets.uris == {"made": "s3://shop/x"}
    assert assets.inlets == {"read": ("made",)}
    assert assets.outlets == {"make": ("made",)}


def test_what_a_pipeline_makes_and_reads_as_a_whole() -> None:
    run = config_of({"image": IMAGE, "assets": True}).run_config
    assert made_assets(pipeline(), run) == {
        "clean_orders": PLACES["clean_orders"],
        "totals": PLACES["totals"],
    }
    assert read_assets(pipeline(), run) == {"orders": PLACES["orders"]}
    assert plan_assets(pipeline(), run, ()).uris == {}
