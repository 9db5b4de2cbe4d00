"""What is missing if only some tasks run."""

from __future__ import annotations

from dataclasses import replace

import pytest

from kedro_airflow_k8s.config.load import load_config
from kedro_airflow_k8s.plan.data_places import (
    DataPlace,
    and_downstream,
    missing_inputs,
    open_places,
    storage_of,
)
from kedro_airflow_k8s.plan.tasks import plan_tasks
from kedro_airflow_k8s.project.entities import CatalogEntry, PipelineNode, ProjectPipeline

NODES = (
    PipelineNode("clean", None, ("orders", "params:x"), ("cleaned",), (), "clean"),
    PipelineNode("split", None, ("cleaned",), ("train@pandas", "test"), (), "split"),
    PipelineNode("fit", None, ("train@spark",), ("model",), (), "fit"),
    PipelineNode("score", None, ("model", "test"), ("score",), (), "score"),
)
PIPELINE = ProjectPipeline("shop", "local", True, "__default__", NODES, "none")


def run_of(**keys: object):  # type: ignore[no-untyped-def]
    return load_config({"run_config": {"image": "shop:1", **keys}}, "airflow-k8s.yaml").run_config


@pytest.mark.parametrize(
    ("entry", "keys", "storage"),
    [
        (None, {}, DataPlace.VOLUME),
        (CatalogEntry("MemoryDataset", in_memory=True), {}, DataPlace.VOLUME),
        (None, {"intermediate_data": "s3://shop/runs"}, DataPlace.OBJECTS),
        (None, {"volume": {"disabled": True}}, DataPlace.POD),
        (CatalogEntry("json.JSONDataset", path="data/a.json"), {}, DataPlace.VOLUME),
        (
            CatalogEntry("json.JSONDataset", path="data/a.json"),
            {"volume": {"disabled": True}},
            DataPlace.POD,
        ),
        (CatalogEntry("json.JSONDataset", path="/tmp/a.json"), {}, DataPlace.POD),
        (CatalogEntry("json.JSONDataset", path="s3://shop/a.json"), {}, DataPlace.LASTING),
        (CatalogEntry("pandas.SQLTableDataset"), {}, DataPlace.LASTING),
        (
            CatalogEntry("json.JSONDataset", path="/mnt/share/a.json"),
            {"volumes": {"share": {"claim": "share", "mount_path": "/mnt/share"}}},
            DataPlace.LASTING,
        ),
    ],
)
def test_a_dataset_is_stored_where_the_catalog_and_the_configuration_say(
    entry: CatalogEntry | None, keys: dict[str, object], storage: DataPlace
) -> None:
    catalog = {} if entry is None else {"a": entry}

    assert storage_of(replace(PIPELINE, catalog=catalog), run_of(**keys), "a") is storage


@pytest.mark.parametrize(
    ("chosen", "there", "missing"),
    [
        (["clean"], [], {}),
        (["split"], [], {"cleaned": "clean"}),
        (["split"], [DataPlace.VOLUME], {}),
        (["split", "clean"], [], {}),
        (["fit"], [], {"train": "split"}),
        (["score"], [], {"model": "fit", "test": "split"}),
        (["fit", "score"], [DataPlace.LASTING], {"train": "split", "test": "split"}),
    ],
)
def test_inputs_that_only_other_tasks_make_and_no_storage_has_are_missing(
    chosen: list[str], there: list[DataPlace], missing: dict[str, str]
) -> None:
    tasks = plan_tasks(PIPELINE, run_of(), ()).all
    storage = dict.fromkeys(("cleaned", "train", "test", "model", "score"), DataPlace.VOLUME)

    assert missing_inputs(tasks, chosen, storage, there) == missing


@pytest.mark.parametrize(
    ("keys", "places"),
    [
        ({}, set()),
        ({"keep_failed": "1d"}, {DataPlace.VOLUME}),
        ({"keep_failed": "1d", "volume": {"skip_init": True}}, set()),
        ({"keep_failed": "1d", "volume": {"disabled": True}}, set()),
        ({"intermediate_data": "s3://shop/runs"}, set()),
        (
            {"intermediate_data": "s3://shop/runs", "keep_failed": "1d"},
            {DataPlace.VOLUME, DataPlace.OBJECTS},
        ),
        (
            {"intermediate_data": "s3://shop/runs", "keep_intermediate_data": True},
            {DataPlace.OBJECTS},
        ),
    ],
)
def test_another_run_can_take_data_of_what_runs_keep(
    keys: dict[str, object], places: set[DataPlace]
) -> None:
    assert open_places(run_of(**keys)) == places


@pytest.mark.parametrize(
    ("start", "found"),
    [
        (["score"], {"score"}),
        (["fit"], {"fit", "score"}),
        (["clean"], {"clean", "split", "fit", "score"}),
        ([], set()),
    ],
)
def test_tasks_that_follow_run_too(start: list[str], found: set[str]) -> None:
    tasks = plan_tasks(PIPELINE, run_of(), ()).all

    assert and_downstream(tasks, start) == found
