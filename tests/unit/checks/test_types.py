"""Checks of the classes that a catalog names: no dataset is imported for them."""

from __future__ import annotations

import importlib.metadata
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kedro_airflow_k8s.checks import classes, types
from kedro_airflow_k8s.checks.findings import Finding
from tests.support.checked import check, check_config, node


@pytest.fixture(autouse=True)
def nothing_remembered() -> Iterator[None]:
    """What is installed is looked up once per process; here it changes."""
    caches: list[Any] = [
        entry
        for module in (types, classes)
        for entry in vars(module).values()
        if hasattr(entry, "cache_clear")
    ]
    for entry in caches:
        entry.cache_clear()
    yield
    for entry in caches:
        entry.cache_clear()


def check_type(kind: Any, **config: Any) -> list[Finding]:
    """The findings about a dataset of a type that is stored on a bucket."""
    catalog = {"table": {"type": kind, "filepath": "s3://b/table", **config}}
    found = check([node("load", "table")], catalog)
    # Not all of the types take these keys.
    return [each for each in found if each.code != "dataset-keys"]


@pytest.mark.parametrize(
    "kind",
    [
        "pandas.CSVDataset",
        "kedro_datasets.pandas.CSVDataset",
        "kedro_datasets.pandas.csv_dataset.CSVDataset",
        "json.JSONDataset",
        "pickle.PickleDataset",
        "partitions.PartitionedDataset",
        "CachedDataset",
        "kedro.io.cached_dataset.CachedDataset",
    ],
)
def test_types_that_are_there_are_fine(kind: str) -> None:
    assert check_type(kind) == []


@pytest.mark.parametrize(
    ("kind", "meant"),
    [
        ("pandas.CsvDataset", "pandas.CSVDataset"),
        ("pandas.CSVDataSet", "pandas.CSVDataset"),
        ("panda.CSVDataset", "pandas.CSVDataset"),
        ("pandas.ExelDataset", "pandas.ExcelDataset"),
        ("JSONLDataset", ""),
        ("json.JSONDatset", "json.JSONDataset"),
        ("Cacheddataset", "CachedDataset"),
        ("pickle.Pikle", ""),
        ("kedro_airflow_k8s.project.catalog.NoSuchDataset", ""),
    ],
)
def test_a_type_that_does_not_exist_is_an_error_with_the_nearest(kind: str, meant: str) -> None:
    (found,) = check_type(kind)
    assert (found.code, found.severity) == ("unknown-type", "error")
    assert kind in found.problem
    if meant:
        assert f"Did you mean '{meant}'?" in found.problem


@pytest.mark.parametrize("kind", ["", ".CSVDataset", "pandas.", None])
def test_an_entry_without_a_type_is_an_error(kind: str | None) -> None:
    (found,) = check_type(kind)
    assert found.code == "unknown-type"
    assert "type" in found.fix


def test_a_type_of_a_package_that_is_not_here_is_a_doubt() -> None:
    (found,) = check_type("not_installed_here.io.TableDataset")
    assert (found.code, found.severity) == ("missing-extra", "warning")
    assert "not_installed_here" in found.problem


def test_types_of_the_project_are_found_as_files_and_not_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "own_shop" / "datasets"
    package.mkdir(parents=True)
    (tmp_path / "own_shop/__init__.py").write_text("raise RuntimeError('imported')")
    (package / "__init__.py").write_text("from .table import Table\n")
    (package / "table.py").write_text(
        "from kedro.io import AbstractDataset\nclass Table(AbstractDataset): ...\n"
    )
    (package / "stars.py").write_text("from somewhere import *\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    for kind in ("datasets.Table", "datasets.table.Table", "datasets.stars.Any"):
        assert check_type(f"own_shop.{kind}") == [], kind
    (found,) = check_type("own_shop.datasets.table.Tabel")
    assert found.code == "unknown-type"
    assert "own_shop" not in sys.modules


def test_packages_that_an_extra_would_install_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    installed = importlib.metadata.distribution

    def distribution(name: str) -> importlib.metadata.Distribution:
        if name in ("openpyxl", "pandas"):
            raise importlib.metadata.PackageNotFoundError(name)
        return installed(name)

    monkeypatch.setattr(importlib.metadata, "distribution", distribution)
    (found,) = check_type("kedro_datasets.pandas.excel_dataset.ExcelDataset")
    assert "openpyxl, pandas" in found.problem
    (found,) = check_type("pandas.ExcelDataset")
    assert (found.code, found.severity) == ("missing-extra", "warning")
    assert "openpyxl, pandas" in found.problem
    assert "kedro-datasets[pandas-exceldataset]" in found.fix
    assert found.where == "dataset 'table'"


@pytest.mark.parametrize(
    ("requirement", "missing"),
    [
        ('nowhere; extra == "pandas-csvdataset"', True),
        ("nowhere>=1; extra == 'pandas-csvdataset'", True),
        ('nowhere[x,y]~=1.0 ; python_version > "3" and extra == "pandas-csvdataset"', True),
        ('nowhere; python_version < "3" and extra == "pandas-csvdataset"', False),
        ('nowhere; extra == "pandas-csvdataset-other"', False),
        ("nowhere", False),
        ('kedro-datasets[deep]; extra == "pandas-csvdataset"', True),
    ],
)
def test_requirements_of_an_extra_count_where_they_apply(
    requirement: str, missing: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop = 'kedro-datasets[pandas-csvdataset]; extra == "deep"'
    requirements = [requirement, 'nowhere; extra == "deep"', loop]
    monkeypatch.setattr(importlib.metadata, "requires", lambda name: requirements)
    found = check_type("pandas.CSVDataset")
    assert ["nowhere" in finding.problem for finding in found] == [True] * missing


@pytest.mark.parametrize(
    ("kind", "absent"),
    [
        ("pickle.PickleDataset", {"compress-pickle"}),
        ("databricks.ManagedTableDataset", {"hdfs", "s3fs"}),
        ("yaml.YAMLDataset", {"pandas"}),
        ("langchain.ChatAnthropicDataset", {"langchain-community"}),
        ("langchain.ChatCohereDataset", {"langchain-community"}),
    ],
)
def test_a_package_that_a_dataset_does_not_need_is_not_missed(
    kind: str, absent: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    installed = importlib.metadata.distribution

    def distribution(name: str) -> importlib.metadata.Distribution:
        if name in absent:
            raise importlib.metadata.PackageNotFoundError(name)
        return installed("kedro-datasets")

    monkeypatch.setattr(importlib.metadata, "distribution", distribution)
    assert [each for each in check_type(kind) if each.code == "missing-extra"] == []


def test_the_type_of_a_partition_is_looked_for_as_well() -> None:
    catalog = {
        "parts": {
            "type": "partitions.PartitionedDataset",
            "path": "s3://b/parts",
            "dataset": {"type": "pandas.CsvDataset"},
        }
    }
    (found,) = check([node("load", "parts")], catalog)
    assert found.code == "unknown-type"


def test_one_type_of_many_datasets_is_reported_once() -> None:
    names = [f"table_{index}" for index in range(9)]
    catalog = {name: {"type": "pandas.CsvDataset", "filepath": "data/x"} for name in names}
    found = [f for f in check([node("n", " ".join(names))], catalog) if f.code == "unknown-type"]
    assert len(found) == 1
    assert "'table_0', 'table_1'" in found[0].where
    assert found[0].where.endswith("'table_4' and 4 more (`validate --format json` lists all)")
    assert found[0].names == tuple(names)


def test_object_storage_needs_the_package_of_its_provider(monkeypatch: pytest.MonkeyPatch) -> None:
    find_spec = types.importlib.util.find_spec  # type: ignore[attr-defined]
    monkeypatch.setattr(
        "importlib.util.find_spec", lambda name: None if name == "gcsfs" else find_spec(name)
    )
    (found,) = check_type("pandas.CSVDataset", filepath="GCS://bucket/x")
    assert (found.code, found.severity) == ("missing-extra", "warning")
    assert "gcsfs" in found.problem
    assert check_type("spark.SparkDataset", filepath="gs://bucket/x", type="json.JSONDataset")
    assert check_type("pandas.CSVDataset", filepath="s3://bucket/x") == []


def test_without_kedro_datasets_every_type_of_it_is_a_doubt(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    find_spec = types.importlib.util.find_spec  # type: ignore[attr-defined]
    monkeypatch.setattr(
        "importlib.util.find_spec",
        lambda name: None if name == "kedro_datasets" else find_spec(name),
    )
    # The package of the first one is there, that of the second is not.
    for kind in ("pandas.CSVDataset", "polars.CSVDataset"):
        (found,) = check_type(kind)
        assert (found.code, found.severity) == ("missing-extra", "warning")
        assert f"kedro-datasets[{kind.replace('.', '-').lower()}]" in found.fix


@pytest.mark.parametrize(
    ("scheme", "package"),
    [
        *(("s3", "s3fs"), ("gs", "gcsfs"), ("gcs", "gcsfs")),
        *(("abfs", "adlfs"), ("abfss", "adlfs"), ("az", "adlfs")),
    ],
)
def test_a_place_for_data_between_tasks_needs_the_package_of_its_provider(
    scheme: str, package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = f"{scheme}://bucket/folder"
    missing = {package}
    monkeypatch.setattr(
        "importlib.util.find_spec", lambda name: None if name in missing else object()
    )
    (found,) = check_config(intermediate_data=place)
    assert (found.code, found.severity) == ("missing-extra", "warning")
    assert found.where == "run_config.intermediate_data"
    assert place in found.problem
    assert found.fix == f"Add {package} to the project's requirements."
    missing.clear()
    assert check_config(intermediate_data=place) == []
    assert check_config() == []


@pytest.mark.parametrize(
    "kind",
    [
        # Renamed; mentioned in docstrings only; a class of pandas; modules of Python.
        "matplotlib.MatplotlibWriter",
        "CSVDataset",
        "ParquetDataset",
        "pandas.csv",
        "json.json",
        "collections.OrderedDict",
    ],
)
def test_a_name_that_is_only_mentioned_or_is_not_a_dataset_is_not_a_type(kind: str) -> None:
    assert [(f.code, f.severity) for f in check_type(kind)] == [("unknown-type", "error")]


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("Table", True),
        ("Child", True),
        ("Renamed", True),
        ("Lazy", True),
        ("FromStar", True),
        ("Made", True),
        ("Guarded", True),
        ("Mentioned", False),
        ("Exported", False),
        ("Plain", False),
        ("helper", False),
    ],
)
def test_a_package_is_read_by_its_syntax(
    name: str, found: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "own_store"
    package.mkdir()
    (package / "__init__.py").write_text(
        '"""Has Mentioned."""\n'
        "import lazy_loader as lazy\n"
        "from .table import Child, Table\n"
        "from .table import Table as Renamed\n"
        "from .more import *\n"
        "__all__ = ['Exported']\n"
        "Made = make()\n"
        "try:\n    from not_here import Guarded\nexcept ImportError:\n    Guarded: Any\n"
        "class Plain(dict): ...\n"
        "__getattr__, __dir__, __all__ = lazy.attach(\n"
        "    __name__, submod_attrs={'table': ['Lazy']}\n)\n"
    )
    (package / "table.py").write_text(
        "from kedro import io\n"
        "from kedro.io import AbstractVersionedDataset\n"
        "class Table(AbstractVersionedDataset[str, str]): ...\n"
        "class Child(Table): ...\n"
        "class Lazy(io.AbstractDataset): ...\n"
    )
    (package / "more.py").write_text("from .table import Table as FromStar\n")
    (package / "helper.py").write_text("")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert (check_type(f"own_store.{name}") == []) is found


def test_a_type_inside_a_class_that_is_not_kedros_is_at_most_a_doubt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "own_wrapper.py").write_text(
        "from kedro.io import AbstractDataset\nclass Around(AbstractDataset): ...\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    (found,) = check_type("own_wrapper.Around", dataset={"type": "pandas.CsvDataset"})
    assert found.severity == "warning"
    assert "pandas.CSVDataset" in found.problem
    assert check_type("own_wrapper.Around", dataset={"type": "pandas.CSVDataset"}) == []
    assert check_type("own_wrapper.Around", dataset="sales") == []
