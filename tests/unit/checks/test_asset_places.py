"""Which places of datasets are the same in every run, or for every partition."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from kedro_airflow_k8s.checks.asset_places import places
from kedro_airflow_k8s.project.catalog import Catalog
from tests.support.strategies import config_of


def _catalog(folder: str) -> Catalog:
    parts = {"type": "partitions.PartitionedDataset", "dataset": "json.JSONDataset"}
    return Catalog(
        {
            "days": {**parts, "path": f"s3://shop/{folder}", "filename_suffix": ".json"},
            "fixed": {**parts, "path": "s3://shop/fixed", "filename_suffix": ".json"},
        }
    )


def test_a_place_with_a_suffix_that_a_parameter_changes_is_not_an_asset() -> None:
    """A resolver may change the text by which a runtime parameter is known."""
    run = config_of({"partitioned": {"by": "daily", "param": "day"}}).run_config
    changed: Any = SimpleNamespace(
        catalog=_catalog("TODAY"), catalog_of_runs=_catalog("<RUNTIME_PARAMS:DAY>")
    )
    assert places(changed, ["days", "fixed"], run) == {"fixed": "s3://shop/fixed/*.json"}
    seen: Any = SimpleNamespace(
        catalog=_catalog("today"), catalog_of_runs=_catalog("<runtime_params:day>")
    )
    assert places(seen, ["days", "fixed"], run) == {
        "days": "s3://shop/*/*.json",
        "fixed": "s3://shop/fixed/*.json",
    }
