"""Data that is in another place than the catalog makes believe."""

from __future__ import annotations

from typing import Any

import pytest

from kedro_airflow_k8s.checks import elsewhere, storage
from tests.support.checked import node, shown, stored, subject

CHAIN = [node("train", "orders", "model"), node("report", "model", "scores")]
ENDS = stored(orders="s3://b/orders", scores="s3://b/scores")
TRACKED = "kedro_mlflow.io.models.MlflowModelTrackingDataset"
ONE_TASK = {"grouping": "pipeline"}


def of_model(entry: dict[str, Any], **run: Any) -> list[tuple[str, str, str]]:
    checked = subject(CHAIN, {**ENDS, "model": entry}, **run)
    found = [
        *elsewhere.mlflow_models(checked),
        *elsewhere.lost_checkpoints(checked),
        *elsewhere.versions_of_other_runs(checked),
        *storage.outside_volume(checked),
        *storage.same_file(checked),
    ]
    return shown(found)


@pytest.mark.parametrize(
    "kind",
    [
        TRACKED,
        "kedro_mlflow.io.models.mlflow_model_tracking_dataset.MlflowModelTrackingDataset",
        "kedro_mlflow.io.models.MlflowModelLoggerDataSet",
    ],
)
def test_a_model_in_mlflow_is_lost_between_tasks(kind: str) -> None:
    entry = {"type": kind, "flavor": "mlflow.sklearn"}
    assert of_model(entry) == [("lost-data", "error", "dataset 'model'")]
    assert of_model(entry, **ONE_TASK) == []


def test_a_model_that_names_its_place_is_found() -> None:
    entry: dict[str, Any] = {"type": TRACKED, "flavor": "mlflow.sklearn"}
    assert of_model({**entry, "load_args": {"model_uri": "models:/m/1"}}) == []
    assert of_model({**entry, "run_id": "1"}) == []
    assert of_model({**entry, "artifact_path": "m"})[0][1] == "warning"
    registry = "kedro_mlflow.io.models.MlflowModelRegistryDataset"
    assert of_model({"type": registry, "model_name": "m"}) == []


def sql(con: str, kind: str = "pandas.SQLTableDataset") -> dict[str, Any]:
    return {"type": kind, "table_name": "t", "credentials": {"con": con}}


def ibis(**connection: str) -> dict[str, Any]:
    return {"type": "ibis.TableDataset", "table_name": "t", "connection": connection}


@pytest.mark.parametrize(
    "entry",
    [
        ibis(backend="duckdb", database="shop.duckdb"),
        ibis(backend="sqlite", database="/tmp/shop.db"),
        ibis(backend="duckdb"),
        {"type": "ibis.TableDataset", "table_name": "t"},
        {
            "type": "kedro_datasets_experimental.optuna.StudyDataset",
            "backend": "sqlite",
            "database": "study.db",
            "study_name": "s",
        },
        {"type": "kedro_datasets_experimental.faiss.FAISSVectorStoreDataset", "index_path": "i"},
        {"type": "kedro_datasets_experimental.chromadb.ChromaDBDataset", "collection_name": "c"},
        sql("sqlite:///shop.db"),
        sql("sqlite+pysqlite:////tmp/shop.db?timeout=5"),
        sql("sqlite://", "kedro_datasets.pandas.SQLTableDataset"),
        sql("duckdb:///:memory:", "pandas.sql_dataset.SQLTableDataset"),
    ],
)
def test_a_table_in_a_file_beside_the_volume_is_not_found_by_another_pod(entry: Any) -> None:
    assert of_model(entry) == [("outside-volume", "error", "dataset 'model'")]
    assert of_model(entry, **ONE_TASK) == []


@pytest.mark.parametrize(
    "entry",
    [
        ibis(backend="duckdb", database="data/shop.duckdb"),
        ibis(backend="duckdb", database="md:shop"),
        ibis(backend="postgres", database="shop"),
        {
            "type": "kedro_datasets_experimental.optuna.StudyDataset",
            "backend": "postgresql",
            "database": "optuna",
            "study_name": "s",
        },
        {
            "type": "kedro_datasets_experimental.chromadb.ChromaDBDataset",
            "client_type": "http",
            "client_settings": {"host": "chroma"},
        },
        {"type": "databricks.ManagedTableDataset", "table": "t", "location": "/mnt/t"},
        sql("sqlite:///data/shop.db"),
        sql("postgresql://db.example.com/shop"),
        sql("sqlite:///${oc.env:SHOP_DB}"),
        sql("sqlite:///shop.db", "shop.datasets.SQLTableDataset"),
        {"type": "pandas.SQLTableDataset", "table_name": "t"},
    ],
)
def test_a_table_on_the_volume_or_on_a_server_is_fine(entry: Any) -> None:
    assert of_model(entry) == []


def test_tables_of_one_database_do_not_share_a_file() -> None:
    table = ibis(backend="duckdb", database="data/shop.duckdb")
    nodes = [node("one", "", "a"), node("other", "", "b"), node("read", "a", "")]
    assert list(storage.same_file(subject(nodes, {"a": table, "b": table}))) == []


@pytest.mark.parametrize(
    ("place", "found"),
    [
        ({"path": "data/parts"}, True),
        ({"path": "s3://b/parts"}, False),
        ({"path": "s3://b/parts", "checkpoint": {"filepath": "data/mark"}}, True),
        ({"path": "data/parts", "checkpoint": {"filepath": "s3://b/mark"}}, False),
        ({"path": "s3://b/parts", "checkpoint": {"force_checkpoint": "x"}}, False),
    ],
)
def test_a_checkpoint_that_ends_with_the_run_is_reported(
    place: dict[str, Any], found: bool
) -> None:
    entry = {"type": "partitions.IncrementalDataset", "dataset": "json.JSONDataset", **place}
    checked = subject([node("load", "parts", "table")], {"parts": entry})
    codes = [each.code for each in elsewhere.lost_checkpoints(checked)]
    assert codes == (["lost-checkpoint"] if found else [])


def test_versions_on_shared_storage_may_be_those_of_another_run_if_a_run_cannot_record_them() -> (
    None
):
    versioned = {"type": "json.JSONDataset", "filepath": "s3://b/model", "versioned": True}
    storeless: dict[str, Any] = {"volume": {"disabled": True}}
    assert of_model(versioned, **storeless) == [("other-version", "warning", "dataset 'model'")]
    assert of_model(versioned) == []
    assert of_model(versioned, **storeless, intermediate_data="s3://b/runs") == []
    assert of_model(versioned, **storeless, **ONE_TASK) == []
    assert of_model(versioned, **storeless, max_active_runs=1) == []
    assert of_model({**versioned, "versioned": False}, **storeless) == []
    of_one_run = {**versioned, "filepath": "s3://b/<runtime_params:run_id>/model"}
    assert of_model(of_one_run, **storeless) == []
