"""What is read of the catalog: the same as Kedro's own resolver says, without a dataset."""

from __future__ import annotations

import logging
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kedro.framework.startup import bootstrap_project
from kedro.io import CatalogConfigResolver, DataCatalog

from kedro_airflow_k8s.errors import ConfigError
from kedro_airflow_k8s.project.catalog import Catalog
from kedro_airflow_k8s.project.entities import CatalogEntry
from kedro_airflow_k8s.project.reader import KedroProject
from tests.support.kedro_projects import (
    ProjectFolder,
    as_in_a_new_process,
    project_fixture,  # noqa: F401 - fixture
)
from tests.support.waiting import WAIT_SECONDS


def entry(config: dict[str, Any]) -> CatalogEntry:
    """What is read of an entry."""
    return Catalog({"x": config}).entries(["x"])["x"]


def kedro_project(folder: ProjectFolder, env: str | None = None) -> KedroProject:
    with as_in_a_new_process():
        return KedroProject(bootstrap_project(folder.path), env)


# --- entries ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "kind",
    ["MemoryDataset", "kedro.io.MemoryDataset", "kedro.io.memory_dataset.MemoryDataset"],
)
def test_a_memory_dataset_has_three_names(kind: str) -> None:
    assert entry({"type": kind}) == CatalogEntry(kind, in_memory=True)


@pytest.mark.parametrize(
    "kind", ["shop.MemoryDataset", "shop.io.MyMemoryDataset", "kedro.io.SharedMemoryDataset"]
)
def test_a_class_of_another_name_is_not_taken_for_memory(kind: str) -> None:
    assert not entry({"type": kind}).in_memory


def test_a_class_in_place_of_a_name_is_named() -> None:
    assert entry({"type": Catalog}).type == "kedro_airflow_k8s.project.catalog.Catalog"
    assert entry({}).type == ""


@pytest.mark.parametrize("key", ["filepath", "path", "folderpath"])
def test_the_path_has_several_keys(key: str) -> None:
    assert entry({"type": "a.B", key: "data/x"}).path == "data/x"


def test_an_entry_without_a_path_has_none() -> None:
    assert entry({"type": "a.B", "filepath": "", "table": "t"}).path is None


def test_a_partition_has_its_own_type_beside_and_its_path_is_that_of_the_whole() -> None:
    found = entry(
        {
            "type": "partitions.PartitionedDataset",
            "path": "data/parts",
            "dataset": {"type": "pandas.CSVDataset", "credentials": "inner"},
            "credentials": "outer",
        }
    )
    assert found == CatalogEntry(
        "partitions.PartitionedDataset",
        path="data/parts",
        credentials=("inner", "outer"),
        inner_types=("pandas.CSVDataset",),
    )
    short = {"type": "partitions.PartitionedDataset", "path": "p", "dataset": "pandas.CSVDataset"}
    assert entry(short).inner_types == ("pandas.CSVDataset",)


@pytest.mark.parametrize("kind", ["CachedDataset", "kedro.io.CachedDataset"])
def test_what_is_cached_is_what_is_inside(kind: str) -> None:
    stored = {"type": kind, "dataset": {"type": "pandas.CSVDataset", "filepath": "data/x.csv"}}
    assert entry(stored) == CatalogEntry("pandas.CSVDataset", path="data/x.csv")
    assert entry({"type": kind, "dataset": {"type": "MemoryDataset"}}).in_memory


def test_credentials_are_names_and_never_values() -> None:
    config = {
        "type": "a.B",
        "credentials": "one",
        "fs_args": {"credentials": "two", "deeper": {"credentials": "one"}},
        "other": {"credentials": {"key": "s3cr3t"}},
    }
    found = entry(config)
    assert found.credentials == ("one", "two")
    assert "s3cr3t" not in repr(found)


def test_parameters_and_undeclared_datasets_have_no_entry() -> None:
    catalog = Catalog({"x": {"type": "a.B"}})
    assert list(catalog.entries(["params:x", "parameters", "y", "x", "x"])) == ["x"]


def test_even_a_catch_all_takes_no_parameters() -> None:
    catalog = Catalog({"{any}": {"type": "a.B", "filepath": "{any}"}})
    assert catalog.entries(["params:x", "parameters", "y"]) == {"y": CatalogEntry("a.B", path="y")}


# --- patterns ---------------------------------------------------------------------------------

NAMES = st.text("abAB.#@_-x ", min_size=1, max_size=8)
PATTERNS = st.sampled_from(
    [
        "{name}",
        "{a}_{b}",
        "{space}.{name}",
        "ab{name}",
        "AB{name}",
        "{name}b",
        "{name}@pandas",
        "a.{name}",
        "{a}#csv",
        "{number:d}x",
    ]
)


@given(
    st.dictionaries(NAMES, st.sampled_from(["a.B", "MemoryDataset"]), max_size=3),
    st.lists(PATTERNS, max_size=4, unique=True),
    st.lists(NAMES | st.sampled_from(["12x", "abc", "x@pandas", "s.ab"]), max_size=6),
)
def test_kedro_itself_resolves_the_same(
    explicit: dict[str, str], patterns: list[str], names: list[str]
) -> None:
    config: dict[str, Any] = {
        name: {"type": kind, "filepath": name} for name, kind in explicit.items()
    }
    for pattern in patterns:
        first = pattern.partition("{")[2].partition("}")[0].partition(":")[0]
        whole = "{number:d}" if first == "number" else f"{{{first}}}"
        config[pattern] = {"type": f"p.{pattern}", "filepath": f"data/{whole}/x"}
    resolver = CatalogConfigResolver(
        {name: dict(value) for name, value in config.items()},
        None,
        DataCatalog.default_runtime_patterns,
    )
    logging.getLogger("kedro").setLevel(logging.ERROR)
    expected = {
        name: resolver.resolve_pattern(name)
        for name in names
        if name in resolver.config
        or resolver.match_dataset_pattern(name)
        or resolver.match_user_catch_all_pattern(name)
    }
    found = Catalog(config).entries(names)
    assert {name: (e.type, e.path) for name, e in found.items()} == {
        name: (value["type"], value["filepath"]) for name, value in expected.items()
    }


def test_patterns_fill_whatever_is_nested() -> None:
    catalog = Catalog(
        {
            "{kind}_{name}": {
                "type": "{kind}.Dataset",
                "dataset": {"type": "{kind}.Inner", "filepath": "{name}/x"},
                "credentials": "{name}_login",
            }
        }
    )
    assert catalog.entries(["json_orders"])["json_orders"] == CatalogEntry(
        "json.Dataset",
        path="orders/x",
        credentials=("orders_login",),
        foreign_types=("json.Inner",),
        sure_of_path=False,
    )


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"x": "text"}, ["'x'", "underscore"]),
        ({"x": None}, ["'x'"]),
        ({"{a}": {"type": "a.B"}, "{b}": {"type": "a.B"}}, ["catch-all", "{a}", "{b}"]),
        ({"{a}_x": {"type": "a.B", "filepath": "{b}"}}, ["{b}"]),
    ],
)
def test_what_kedro_would_refuse_is_refused(config: dict[str, Any], words: list[str]) -> None:
    with pytest.raises(ConfigError) as refused:
        Catalog(config)
    for word in words:
        assert word in str(refused.value)


# --- files ------------------------------------------------------------------------------------


def test_the_catalog_of_the_environment_replaces_entries_of_base(project: ProjectFolder) -> None:
    project.write("conf/base/catalog.yml", "x: {type: a.B, filepath: base}\ny: {type: a.B}\n")
    project.write("conf/base/catalog_more/z.yml", "z: {type: a.B}\n_hidden: {type: a.B}\n")
    project.write("conf/local/catalog.yml", "x: {type: a.C}\n")
    project.write("conf/prod/catalog.yml", "x: {type: a.D}\n")
    found = kedro_project(project)
    assert found.catalog.names == {"x", "y", "z"}
    assert found.catalog.entries("x") == {"x": CatalogEntry("a.C")}
    assert kedro_project(project, "prod").catalog.entries("x") == {"x": CatalogEntry("a.D")}


def test_globals_are_filled_in_and_credentials_are_not_looked_up(project: ProjectFolder) -> None:
    project.write("conf/base/globals.yml", "bucket: s3://b\n")
    project.write(
        "conf/base/catalog.yml",
        "x: {type: a.B, filepath: '${globals:bucket}/x', credentials: nowhere}\n",
    )
    found = kedro_project(project).catalog.entries("x")["x"]
    assert (found.path, found.credentials) == ("s3://b/x", ("nowhere",))


def test_a_project_without_a_catalog_declares_nothing(project: ProjectFolder) -> None:
    for file in (project.path / "conf").rglob("catalog*"):
        file.unlink()
    found = kedro_project(project).catalog
    assert found.names == frozenset()
    assert not found.exists
    project.write("conf/base/catalog.yml", "")
    assert kedro_project(project).catalog.exists


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("x: {type: a.B, filepath: '${unknown_resolver:folder}'}\n", "unknown_resolver"),
        ("x: {type: a.B, filepath: '${oc.env:HOME}'}\n", "oc.env"),
        ("x: {type: [}\n", "catalog.yml"),
        ("- x\n", "a mapping with keys"),
        ("x: just a text\n", "underscore"),
    ],
)
def test_a_catalog_that_cannot_be_read_without_a_run_is_a_config_error(
    project: ProjectFolder, text: str, word: str
) -> None:
    project.write("conf/base/catalog.yml", text)
    with pytest.raises(ConfigError) as refused:
        _ = kedro_project(project).catalog
    assert "catalog" in str(refused.value)
    assert word in str(refused.value)


def test_a_value_that_only_a_run_has_is_read_with_a_stand_in(project: ProjectFolder) -> None:
    project.write(
        "conf/base/catalog.yml",
        """
        x: {type: a.B, filepath: "data/${runtime_params:day}/x"}
        y: {type: a.B, filepath: "${runtime_params:store.folder}/y"}
        z: {type: "${runtime_params:kind}"}
        "{any}_x": {type: a.B, filepath: "data/${runtime_params:day}/{any}"}
        """,
    )
    read = kedro_project(project)
    found = read.catalog.entries(["x", "y", "z", "other_x"])
    assert found["x"].path == "data/<runtime_params:day>/x"
    assert found["other_x"].path == "data/<runtime_params:day>/other"
    assert found["y"].path is None
    assert found["z"].type == "<runtime_params:kind>"
    assert read.runtime_params == dict.fromkeys(["day", "kind", "store.folder"], "catalog")


@pytest.mark.parametrize("kind", ["pandas.GBQTableDataset", "shop.io.Table", "a.B"])
@pytest.mark.parametrize("value", ["sales", {"name": "sales"}, 3])
def test_a_key_called_dataset_may_be_something_else(kind: str, value: Any) -> None:
    assert entry({"type": kind, "dataset": value}) == CatalogEntry(kind)


def test_what_is_inside_a_class_that_is_not_kedros_is_only_a_guess() -> None:
    inner = {"type": "pandas.CSVDataset", "filepath": "/tmp/x"}
    found = entry({"type": "shop.io.Table", "dataset": inner})
    assert (found.inner_types, found.foreign_types) == ((), ("pandas.CSVDataset",))
    assert (found.path, found.sure_of_path) == ("/tmp/x", False)
    own = entry({"type": "shop.io.Table", "filepath": "/tmp/y", "dataset": inner})
    assert (own.path, own.sure_of_path) == ("/tmp/y", True)
    known = entry({"type": "kedro_mlflow.io.artifacts.MlflowArtifactDataset", "dataset": inner})
    assert (known.inner_types, known.sure_of_path) == (("pandas.CSVDataset",), True)


def test_a_default_is_a_stand_in_in_the_catalog_of_runs(project: ProjectFolder) -> None:
    project.write(
        "conf/base/catalog.yml",
        """
        x: {type: a.B, filepath: "s3://b/${runtime_params:day,today}/x"}
        "{any}_x": {type: a.B, filepath: "s3://b/${runtime_params:day,today}/{any}"}
        y: {type: a.B, filepath: s3://b/y}
        """,
    )
    read = kedro_project(project)
    assert (read.catalog.config("x") or {})["filepath"] == "s3://b/today/x"
    found = {name: read.catalog_of_runs.config(name) or {} for name in ("x", "other_x", "y")}
    assert found["x"]["filepath"] == "s3://b/<runtime_params:day>/x"
    assert found["other_x"]["filepath"] == "s3://b/<runtime_params:day>/other"
    assert found["y"]["filepath"] == "s3://b/y"
    # A run need not be given a value that has a default.
    assert read.runtime_params == {}


def test_a_value_for_runs_that_has_a_default_is_read(project: ProjectFolder) -> None:
    path = "'${runtime_params:folder,data}/x'"
    project.write("conf/base/catalog.yml", f"x: {{type: a.B, filepath: {path}}}\n")
    assert kedro_project(project).catalog.entries("x")["x"].path == "data/x"


# --- credentials ------------------------------------------------------------------------------

CREDENTIALS = """
# a comment
dev_s3:
    key: s3cr3t
    secret: ${oc.env:NOT_SET}
"quoted name": ${unknown:x}
"""


def test_credentials_are_known_by_name_from_base_and_environment(project: ProjectFolder) -> None:
    project.write("conf/base/credentials.yml", CREDENTIALS)
    project.write("conf/base/credentials_more/deep/x.yaml", "deep: {a: b}\n")
    project.write("conf/base/other/credentials.json", '{"json": {"a": 1}}')
    project.write("conf/local/credentials.yml", "local: x\n")
    project.write("conf/prod/credentials.yml", "prod: x\n")
    project.write("conf/local/credentials.txt", "text: x\n")
    base = {"dev_s3", "quoted name", "json", "deep"}
    assert kedro_project(project).credentials >= {*base, "local"}
    assert kedro_project(project, "prod").credentials >= {*base, "prod"}
    assert not kedro_project(project).credentials & {"text", "prod"}


def test_a_project_without_credentials_has_none(project: ProjectFolder) -> None:
    assert kedro_project(project).credentials == frozenset()
    project.write("conf/local/credentials.yml", "")
    assert kedro_project(project).credentials == frozenset()


def test_credentials_that_cannot_be_read_tell_nothing_of_themselves(
    project: ProjectFolder,
) -> None:
    project.write("conf/local/credentials.yml", "x: [s3cr3t\ny: }\n")
    with pytest.raises(ConfigError) as refused:
        _ = kedro_project(project).credentials
    assert "s3cr3t" not in str(refused.value)
    assert refused.value.__cause__ is None
    assert refused.value.__suppress_context__


def test_a_loader_of_the_projects_own_is_asked(project: ProjectFolder) -> None:
    project.write(
        "src/shop/loader.py",
        """
        from kedro.config import AbstractConfigLoader

        class Loader(AbstractConfigLoader):
            def __getitem__(self, key):
                return {
                    "airflow-k8s": {"run_config": {}},
                    "catalog": {"x": {"type": "a.B", "credentials": "own"}},
                    "credentials": {"own": {"key": "s3cr3t"}},
                }[key]
        """,
    )
    project.settings("from shop.loader import Loader\nCONFIG_LOADER_CLASS = Loader\n")
    with as_in_a_new_process():
        found = KedroProject(bootstrap_project(project.path))
        assert found.catalog.entries("x") == {"x": CatalogEntry("a.B", credentials=("own",))}
        assert found.credentials == {"own"}


def test_reading_imports_no_dataset_and_no_pandas(project: ProjectFolder) -> None:
    project.write(
        "conf/base/catalog.yml",
        "x: {type: pandas.CSVDataset, filepath: x}\n'{y}': {type: json.JSONDataset}\n",
    )
    script = (
        "import sys; from kedro.framework.startup import bootstrap_project;"
        "from kedro_airflow_k8s.project.reader import KedroProject;"
        f"project = KedroProject(bootstrap_project({str(project.path)!r}));"
        "found = project.catalog.entries(['x', 'z']);"
        "print(len(found), {'pandas', 'kedro_datasets'} & set(sys.modules))"
    )
    run = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script],
        cwd=Path(project.path),
        capture_output=True,
        text=True,
        check=True,
        timeout=WAIT_SECONDS,
    )
    assert run.stdout.splitlines()[-1] == "2 set()"


def test_a_memory_dataset_with_its_data_in_the_catalog_is_in_every_process() -> None:
    config = {"a": {"type": "MemoryDataset", "data": [1]}, "b": {"type": "MemoryDataset"}}

    entries = Catalog(config).entries(["a", "b"])

    assert [entries[name].in_memory for name in "ab"] == [False, True]


def test_a_database_file_in_the_credentials_is_where_the_table_is(project: ProjectFolder) -> None:
    project.write(
        "conf/base/catalog.yml",
        "x: {type: pandas.SQLTableDataset, table_name: x, credentials: shop_db}\n",
    )
    project.write("conf/base/credentials.yml", "shop_db: {con: sqlite:///shop.db}\n")
    (found,) = kedro_project(project).catalog.entries("x").values()
    assert (found.path, found.in_database, found.credentials) == ("shop.db", True, ("shop_db",))
    # The environment replaces the whole entry, as in Kedro.
    project.write("conf/prod/credentials.yml", "shop_db: {con: postgresql://u:s3cr3t@db/shop}\n")
    (found,) = kedro_project(project, "prod").catalog.entries("x").values()
    assert found.path is None
    assert "s3cr3t" not in repr(found)


def test_the_catalog_is_read_where_the_credentials_cannot_be(project: ProjectFolder) -> None:
    project.write("conf/base/catalog.yml", "x: {type: pandas.SQLTableDataset, credentials: y}\n")
    project.write("conf/local/credentials.yml", "y: [s3cr3t\n")
    assert kedro_project(project).catalog.entries("x")["x"].path is None
