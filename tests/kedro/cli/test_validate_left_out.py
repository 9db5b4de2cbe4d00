"""`validate` tells which checks it could not make, so that no findings means that all is right."""

from __future__ import annotations

import shutil

import pytest

from tests.support.kedro_projects import (
    CONFIG,
    IMAGE,
    STORED,
    ProjectFolder,
    findings,
    project_fixture,  # noqa: F401 - fixture
)

OWN_LOADER = f"""
from kedro.config import AbstractConfigLoader

class Loader(AbstractConfigLoader):
    def __init__(self, conf_source, env, runtime_params, **_):
        super().__init__(conf_source, env, runtime_params)
        entry = {{"type": "json.JSONDataset", "filepath": "s3://bucket/x.json"}}
        self["catalog"] = {{"orders": entry, "goods": entry}}
        self["credentials"] = {{}}
        self["airflow-k8s"] = {{"run_config": {{"image": "{IMAGE}"}}}}

CONFIG_LOADER_CLASS = Loader
CONFIG_LOADER_ARGS = {{}}
"""

DERIVED_LOADER = """
from kedro.config import OmegaConfigLoader

class Loader(OmegaConfigLoader):
    pass

CONFIG_LOADER_CLASS = Loader
"""


@pytest.fixture(name="shop")
def shop_fixture(project: ProjectFolder) -> ProjectFolder:
    """A project in which nothing is wrong."""
    project.write("conf/base/catalog.yml", STORED)
    project.write(".dockerignore", "conf/local/*\n!conf/local/.gitkeep\n")
    return project


def shown(project: ProjectFolder) -> list[tuple[str, str, str]]:
    return [(each["severity"], each["code"], each["where"]) for each in findings(project)]


def test_nothing_is_left_out_with_kedros_loader(shop: ProjectFolder) -> None:
    assert findings(shop) == []
    shop.settings(DERIVED_LOADER)
    assert findings(shop) == []


def test_the_files_of_a_loader_of_another_kind_are_unknown(shop: ProjectFolder) -> None:
    shop.settings(OWN_LOADER)
    (found,) = findings(shop)
    assert (found["severity"], found["code"]) == ("warning", "not-checked")
    assert found["where"] == "CONFIG_LOADER_CLASS"
    assert "shop.settings.Loader" in found["problem"]
    assert "environment variables" in found["problem"]
    assert "files that the image lacks" in found["problem"]
    assert "1 warning" in shop.kedro("airflow-k8s", "validate").stdout.splitlines()[-1]
    assert shop.kedro("airflow-k8s", "validate", "--strict").exit_code == 1


def test_what_was_checked_by_hand_can_be_accepted(shop: ProjectFolder) -> None:
    accept = '{"accept": [{"code": "not-checked", "name": "CONFIG_LOADER_CLASS", "reason": "x"}]}'
    shop.settings(OWN_LOADER.replace(f'"{IMAGE}"}}', f'"{IMAGE}"}}, "checks": {accept}'))
    assert findings(shop) == []
    last = shop.kedro("airflow-k8s", "validate").stdout.splitlines()[-1]
    assert "1 accepted" in last


def test_a_configuration_outside_of_the_project(shop: ProjectFolder) -> None:
    shop.settings('CONF_SOURCE = "../conf"\n')
    shutil.move(shop.path / "conf", shop.path.parent / "conf")
    assert shown(shop) == [("warning", "not-checked", "CONF_SOURCE")]
    # Without anything that tells what the image has, nothing of that is checked anyway.
    (shop.path / ".dockerignore").unlink()
    assert findings(shop) == []


def test_a_configuration_in_an_archive(shop: ProjectFolder) -> None:
    shutil.make_archive(str(shop.path / "conf"), "zip", shop.path, "conf")
    shop.settings('CONF_SOURCE = "conf.zip"\n')
    assert shown(shop) == [("warning", "not-checked", "CONF_SOURCE")]


PLACES = {
    "{type: json.JSONDataset, filepath: '${runtime_params:root}/x.json'}": "place",
    "{type: json.JSONDataset, filepath: '${runtime_params:root,s3://b}/x.json'}": "",
    "{type: json.JSONDataset, filepath: 's3://b/${runtime_params:root}.json'}": "",
    "{type: json.JSONDataset, filepath: s3://b/x, metadata: {a: '${runtime_params:root}'}}": "",
    "{type: '${runtime_params:root}', filepath: s3://b/x}": "type",
    "{type: CachedDataset, dataset: {type: json.JSONDataset,"
    " filepath: '${runtime_params:root}/x'}}": "place",
    "{type: ibis.TableDataset, table_name: t,"
    " connection: {backend: duckdb, database: '${runtime_params:root}'}}": "place",
}


@pytest.mark.parametrize("entry", PLACES)
def test_types_and_places_that_only_a_run_knows(shop: ProjectFolder, entry: str) -> None:
    shop.write("conf/base/catalog.yml", f"{STORED}clean_orders: {entry}\n")
    shop.config(f"{CONFIG}    variables_params: [root]\n")
    found = [each for each in findings(shop) if each["code"] == "not-checked"]
    assert [each["names"] for each in found] == ([["clean_orders"]] if PLACES[entry] else [])
    for each in found:
        assert each["problem"].startswith(f"Its {PLACES[entry]} is a runtime parameter")
