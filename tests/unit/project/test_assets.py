"""Which datasets can be assets, and what their URIs are."""

from __future__ import annotations

import string
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import given

from kedro_airflow_k8s.project.assets import LONGEST_URI
from kedro_airflow_k8s.project.catalog import Catalog
from tests.support.catalogs import SECRET, catalog_entries


def uri_of(entry: dict[str, Any], name: str = "orders") -> str | None:
    return Catalog({name: entry}).places([name]).get(name)


def of_path(path: str, kind: str = "pandas.CSVDataset") -> str | None:
    return uri_of({"type": kind, "filepath": path})


@pytest.mark.parametrize(
    ("path", "uri"),
    [
        ("s3://shop/orders.csv", "s3://shop/orders.csv"),
        ("s3a://shop/orders.csv", "s3://shop/orders.csv"),
        ("gcs://shop/a b/é.csv", "gs://shop/a%20b/%C3%A9.csv"),
        ("gs://shop", "gs://shop/"),
        ("gs://shop/orders/", "gs://shop/orders"),
        ("abfs://container/orders.csv", "abfs://container/orders.csv"),
        (
            "abfss://container@account.dfs.core.windows.net/orders.csv",
            "abfs://account.dfs.core.windows.net/container/orders.csv",
        ),
        ("hdfs://namenode:8020/orders", "hdfs://namenode:8020/orders"),
        ("simplecache::s3://shop/orders.csv", "s3://shop/orders.csv"),
        ("s3://shop/day=1/a#b%c.csv", "s3://shop/day=1/a%23b%25c.csv"),
    ],
)
def test_data_on_object_storage_is_an_asset_and_every_spelling_of_its_place_is_the_same(
    path: str, uri: str
) -> None:
    assert of_path(path) == uri


@pytest.mark.parametrize(
    "path",
    [
        "data/orders.csv",
        "/data/orders.csv",
        "file:///data/orders.csv",
        "C:\\data\\orders.csv",
        "memory://orders.csv",
        "https://example.com/orders.csv",
        "s3://user:password@shop/orders.csv",
        "abfs://container/orders.csv?sig=0123",
        "abfs://password@shop/orders.csv",
        "s3:///orders.csv",
        "zip://orders.csv::s3://shop/orders.zip",
        f"s3://shop/{'x' * LONGEST_URI}",
    ],
)
def test_what_ends_with_the_run_or_is_on_a_disk_or_could_be_secret_is_not_an_asset(
    path: str,
) -> None:
    assert of_path(path) is None


@pytest.mark.parametrize(
    ("entry", "uri"),
    [
        (
            {"type": "pandas.SQLTableDataset", "table_name": "orders", "credentials": "shop_db"},
            "x-table://shop_db/orders",
        ),
        (
            {
                "type": "pandas.SQLTableDataset",
                "table_name": "orders",
                "credentials": "shop_db",
                "save_args": {"schema": "public"},
            },
            "x-table://shop_db/public/orders",
        ),
        (
            {
                "type": "pandas.GBQTableDataset",
                "project": "shop",
                "dataset": "sales",
                "table_name": "orders",
            },
            "bigquery://shop/sales/orders",
        ),
        (
            {"type": "pandas.GBQTableDataset", "dataset": "sales", "table_name": "orders"},
            None,
        ),
        (
            {
                "type": "pandas.SQLTableDataset",
                "table_name": "orders",
                "credentials": {"con": "postgresql://user:password@db/shop"},
            },
            None,
        ),
        ({"type": "pandas.SQLQueryDataset", "sql": "select 1", "credentials": "shop_db"}, None),
        ({"type": "MemoryDataset"}, None),
    ],
)
def test_a_table_is_named_by_the_name_of_its_credentials_not_by_what_they_hold(
    entry: dict[str, Any], uri: str | None
) -> None:
    assert uri_of(entry) == uri


TABLE = {"table_name": "sales", "credentials": "db"}
SNOW = {"type": "snowflake.SnowparkTableDataset", **TABLE}
IBIS = {"type": "ibis.TableDataset", **TABLE}
POSTGRES = {"backend": "postgres"}


@pytest.mark.parametrize(
    ("entry", "uri"),
    [
        ({**SNOW, "database": "x", "schema": "y"}, "x-table://db/x/y/sales"),
        ({**SNOW, "schema": "x"}, "x-table://db/x/sales"),
        ({**SNOW, "database": "x"}, "x-table://db/x//sales"),
        ({**IBIS, "connection": POSTGRES}, "x-table://db/sales"),
        ({**IBIS, "connection": POSTGRES, "database": "x"}, "x-table://db/x/sales"),
        ({**IBIS, "connection": {**POSTGRES, "database": "x"}}, "x-table://db/x///sales"),
        (
            {**IBIS, "connection": {**POSTGRES, "host": "a", "port": 5432, "database": "shop"}},
            "x-table://db/a/5432/shop///sales",
        ),
        (
            {**IBIS, "connection": {**POSTGRES, "host": "a", "port": 5432, "database": "crm"}},
            "x-table://db/a/5432/crm///sales",
        ),
        ({**IBIS, "connection": {"backend": "duckdb", "database": "md:shop?token=x"}}, None),
        ({**IBIS, "connection": {**POSTGRES, "host": "ada:hunter2@a"}}, None),
    ],
)
def test_tables_of_different_places_have_different_uris(
    entry: dict[str, Any], uri: str | None
) -> None:
    assert uri_of(entry) == uri


def test_a_table_in_a_file_on_the_disk_is_not_an_asset() -> None:
    entry = {"type": "pandas.SQLTableDataset", "table_name": "orders", "credentials": "db"}
    assert Catalog({"orders": entry}, {"db": "data/shop.db"}).places(["orders"]) == {}


def test_what_is_wrapped_has_the_place_of_what_it_wraps() -> None:
    inner = {"type": "pandas.CSVDataset", "filepath": "s3://shop/orders.csv"}
    assert uri_of({"type": "CachedDataset", "dataset": inner}) == "s3://shop/orders.csv"
    parts = {"type": "partitions.PartitionedDataset", "path": "s3://shop/days", "dataset": inner}
    assert uri_of(parts) == "s3://shop/days"


def test_a_class_whose_keys_may_mean_anything_is_not_an_asset() -> None:
    inner = {"type": "pandas.CSVDataset", "filepath": "s3://shop/orders.csv"}
    assert uri_of({"type": "shop.OwnDataset", "dataset": inner}) is None


def test_variants_of_a_dataset_are_one_asset() -> None:
    entry = {"type": "pandas.CSVDataset", "filepath": "s3://shop/orders.csv"}
    catalog = Catalog({"orders@pandas": entry, "orders@spark": entry})
    assert catalog.places(["orders@pandas", "orders@spark", "params:x"]) == {
        "orders": "s3://shop/orders.csv"
    }


@given(catalog_entries())
def test_no_asset_has_a_credential_a_local_path_or_a_value_of_a_run(entry: dict[str, Any]) -> None:
    uri = uri_of(entry)
    if uri is None:
        return
    assert SECRET not in uri
    assert "runtime_params" not in uri
    parts = urlsplit(uri)
    assert parts.scheme in {"s3", "gs", "abfs", "hdfs", "bigquery", "x-table"}
    assert parts.netloc
    assert "@" not in parts.netloc
    assert (parts.query, parts.fragment) == ("", "")
    assert set(uri) <= {*string.ascii_letters, *string.digits, *"-._~:/%=+,@"}
    assert len(uri) <= LONGEST_URI


@pytest.mark.parametrize(
    ("path", "uri"),
    [
        ("s3://shop/<runtime_params:part>/orders.csv", "s3://shop/*/orders.csv"),
        ("s3://shop/orders-<runtime_params:part>.csv", "s3://shop/orders-*.csv"),
        ("s3://shop/<runtime_params:part>/*.csv", "s3://shop/*/%2A.csv"),
        ("s3://shop/orders.csv", "s3://shop/orders.csv"),
        ("s3://shop/<runtime_params:part>/<runtime_params:team>.csv", None),
        ("s3://shop/<runtime_params:team>/orders.csv", None),
        ("s3://<runtime_params:part>/orders.csv", None),
        ("data/<runtime_params:part>/orders.csv", None),
    ],
)
def test_all_partitions_of_a_dataset_are_one_asset(path: str, uri: str | None) -> None:
    catalog = Catalog({"orders": {"type": "pandas.CSVDataset", "filepath": path}})
    assert catalog.places(["orders"], "part").get("orders") == uri


@pytest.mark.parametrize(
    ("path", "suffix", "uri"),
    [
        ("s3://shop/days", "", "s3://shop/days"),
        ("s3://shop/days/", ".csv", "s3://shop/days/*.csv"),
        ("s3://shop", ".json", "s3://shop/*.json"),
        ("s3://shop/<runtime_params:part>", ".json", "s3://shop/*/*.json"),
        ("s3://shop/days", "-<runtime_params:part>.json", "s3://shop/days/*-*.json"),
        ("s3://shop/days", "-<runtime_params:team>.json", None),
        ("s3://shop/<runtime_params:part>", "-<runtime_params:team>.json", None),
        ("data/days", ".csv", None),
    ],
)
@pytest.mark.parametrize("kind", ["PartitionedDataset", "IncrementalDataset"])
def test_the_files_of_a_folder_with_a_suffix_are_an_asset(
    kind: str, path: str, suffix: str, uri: str | None
) -> None:
    entry = {"type": f"partitions.{kind}", "path": path, "dataset": "pandas.CSVDataset"}
    catalog = Catalog({"orders": {**entry, "filename_suffix": suffix}})
    assert catalog.places(["orders"], "part").get("orders") == uri


@given(catalog_entries())
def test_with_partitions_no_asset_has_a_value_of_a_run_either(entry: dict[str, Any]) -> None:
    uri = Catalog({"orders": entry}).places(["orders"], "day").get("orders")
    assert uri is None or (SECRET not in uri and "runtime_params" not in uri)
