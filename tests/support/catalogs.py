"""Catalog entries as users write them, with secrets and values of a run in every place."""

from __future__ import annotations

from functools import cache
from typing import Any

from hypothesis import strategies as st

from kedro_airflow_k8s.project.parameters import stand_in
from tests.support.strategies import texts

SECRET = "s3cr3t-0123456789"
"""What must not be in any asset."""

_SCHEMES = (
    *("s3", "s3a", "S3", "s3n", "gs", "gcs", "abfs", "abfss", "az", "hdfs", "sftp", "http"),
    *("https", "file", "memory", "simplecache::s3", "zip://a::gs", "dbfs", "", "airflow", "x-a"),
)
_KINDS = (
    *("pandas.CSVDataset", "kedro_datasets.json.JSONDataset", "partitions.PartitionedDataset"),
    *("CachedDataset", "MemoryDataset", "shop.OwnDataset"),
    *("pandas.SQLTableDataset", "pandas.GBQTableDataset", "ibis.TableDataset"),
    *("snowflake.SnowparkTableDataset", "pandas.SQLQueryDataset"),
)


@cache
def _steps() -> st.SearchStrategy[str]:
    """A part of a path, or the name of a table."""
    return st.one_of(
        st.sampled_from(["orders", "a b", "é", "day=1", "..", "", stand_in("day"), "a.csv"]),
        texts(),
    )


@st.composite
def _paths(draw: st.DrawFn) -> str:
    hosts = ["shop", f"user:{SECRET}@shop", f"{SECRET}@shop", "c@account.dfs.core.windows.net"]
    hosts += ["shop:8020", "Shop", "", stand_in("bucket"), "a_b"]
    steps = draw(st.lists(_steps(), max_size=3))
    scheme = draw(st.sampled_from(_SCHEMES))
    path = "/".join([draw(st.sampled_from(hosts)), *steps])
    end = draw(st.sampled_from(["", "", "", f"?sig={SECRET}", "/", "//", "#x"]))
    return f"{scheme}://{path}{end}" if scheme else f"{path}{end}"


@st.composite
def catalog_entries(draw: st.DrawFn) -> dict[str, Any]:
    """An entry of a catalog: of a file, a folder, a table, or something else."""
    found: dict[str, Any] = {"type": draw(st.sampled_from(_KINDS))}
    credentials = ["shop_db", {"key": SECRET}, {"con": f"postgresql://u:{SECRET}@db/shop"}, None]
    optional = {
        "filepath": _paths(),
        "path": _paths(),
        "credentials": st.sampled_from(credentials),
        "table_name": _steps(),
        "project": _steps(),
        "database": _steps(),
        "dataset": st.one_of(
            _steps(), _paths().map(lambda path: {"type": "pandas.CSVDataset", "filepath": path})
        ),
        "save_args": st.fixed_dictionaries({"schema": _steps(), "password": st.just(SECRET)}),
        "connection": st.sampled_from(
            [
                {"backend": "postgres", "host": "db", "database": "a b", "password": SECRET},
                {"backend": "postgres", "host": f"user:{SECRET}@db"},
                {"backend": "duckdb", "database": f"md:shop?motherduck_token={SECRET}"},
            ]
        ),
    }
    found.update(draw(st.fixed_dictionaries({}, optional=optional)))
    return found
