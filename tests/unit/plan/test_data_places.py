"""What is missing if only some tasks run."""

from __future__ import annotations

from dataclasses import replace

import pytest

from kedro_airflow_k8s.config.load import load_config
from kedro_airflow_k8s.plan.data_places import (
    Storage,
    and_downstream,
    missing_inputs,
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
        (None, {}, Storage.VOLUME),
        (CatalogEntry("MemoryDataset", in_memory=True), {}, Storage.VOLUME),
        (None, {"intermediate_data": "s3://shop/runs"}, Storage.OBJECTS),
        (None, {"volume": {"disabled": True}}, Storage.POD),
        (CatalogEntry("json.JSONDataset", path="data/a.json"), {}, Storage.VOLUME),
        (
            CatalogEntry("json.JSONDataset", path="data/a.json"),
            {"volume": {"disabled": True}},
            Storage.POD,
        ),
        (CatalogEntry("json.JSONDataset", path="/tmp/a.json"), {}, Storage.POD),
        (CatalogEntry("json.JSONDataset", path="s3://shop/a.json"), {}, Storage.LASTING),
        (CatalogEntry("pandas.SQLTableDataset"), {}, Storage.LASTING),
        (
            CatalogEntry("json.JSONDataset", path="/mnt/share/a.json"),
            {"volumes": {"share": {"claim": "share", "mount_path": "/mnt/share"}}},
            Storage.LASTING,
        ),
    ],
)
def test_a_dataset_is_stored_where_the_catalog_and_the_configuration_say(
    entry: CatalogEntry | None, keys: dict[str, object], storage: Storage
) -> None:
    catalog = {} if entry is None else {"a": entry}

    assert storage_of(replace(PIPELINE, catalog=catalog), run_of(**keys), "a") is storage


@pytest.mark.parametrize(
    ("chosen", "there", "missing"),
    [
        (["clean"], [], {}),
        (["split"], [], {"cleaned": "clean"}),
        (["split"], [Storage.VOLUME], {}),
        (["split", "clean"], [], {}),
        (["fit"], [], {"train": "split"}),
        (["score"], [], {"model": "fit", "test": "split"}),
        (["fit", "score"], [Storage.LASTING], {"train": "split", "test": "split"}),
    ],
)
def test_inputs_that_only_other_tasks_make_and_no_storage_has_are_missing(
    chosen: list[str], there: list[Storage], missing: dict[str, str]
) -> None:
    tasks = plan_tasks(PIPELINE, run_of(), ()).all
    storage = dict.fromkeys(("cleaned", "train", "test", "model", "score"), Storage.VOLUME)

    assert missing_inputs(tasks, chosen, storage, there) == missing


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
