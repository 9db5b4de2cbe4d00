"""What `validate` says of a configuration that is not in `conf`: the project's own folders."""

from __future__ import annotations

import pytest

from tests.support.kedro_projects import (
    CONFIG,
    STORED,
    ProjectFolder,
    findings,
    project_fixture,  # noqa: F401 - fixture
)

CATALOG = STORED.replace("orders.json", "orders.json, credentials: store")
LOCAL = {
    "catalog.yml": "clean_orders: {type: json.JSONDataset, filepath: s3://b/c}\n",
    "credentials.yml": "store: {key: x}\n",
    "globals.yml": "a: 1\n",
}


@pytest.fixture(name="shop")
def shop_fixture(project: ProjectFolder) -> ProjectFolder:
    """A project with its configuration in `settings/kedro`, whose base is `common`."""
    project.settings(
        """
        CONF_SOURCE = "settings/kedro"
        CONFIG_LOADER_ARGS = {"base_env": "common", "default_run_env": "local"}
        """
    )
    (project.path / "conf/base").rename(project.path / "conf/common")
    (project.path / "settings").mkdir()
    (project.path / "conf").rename(project.path / "settings/kedro")
    project.write("settings/kedro/common/catalog.yml", CATALOG)
    return project


def test_files_that_the_image_lacks(shop: ProjectFolder) -> None:
    for name, text in LOCAL.items():
        shop.write(f"settings/kedro/local/{name}", text)
    shop.write(".dockerignore", "settings/kedro/local/*\n!settings/kedro/local/.gitkeep\n")
    found = findings(shop)
    assert {each["code"] for each in found} == {"not-in-image"}
    assert {each["where"] for each in found} >= {"credentials 'store'", "dataset 'clean_orders'"}
    for each in found:
        assert "settings/kedro/common" in each["fix"]
        assert "conf/base" not in str(each)
    shop.write(
        "settings/kedro/common/catalog.yml",
        f"{CATALOG}clean_orders: {{type: json.JSONDataset, filepath: s3://b/d}}\n",
    )
    (differs,) = [each for each in findings(shop) if each["code"] == "differs-in-image"]
    assert "such as settings/kedro/common" in differs["fix"]


def test_a_project_without_a_catalog(shop: ProjectFolder) -> None:
    (shop.path / "settings/kedro/common/catalog.yml").unlink()
    (found,) = [each for each in findings(shop) if each["code"] == "no-catalog"]
    assert found["fix"] == "Create settings/kedro/common/catalog.yml; it may be empty."


@pytest.mark.parametrize(("folder", "may_bring"), [("settings/kedro", True), ("conf", False)])
def test_a_secret_in_the_folder_of_the_configuration(
    shop: ProjectFolder, folder: str, *, may_bring: bool
) -> None:
    target = f"/home/kedro_docker/{folder}/local"
    secret = f"{{secret: s, deploy_type: volume, deploy_target: {target}}}"
    shop.write("settings/kedro/common/airflow-k8s.yaml", f"{CONFIG}    secrets: [{secret}]\n")
    codes = [each["code"] for each in findings(shop)]
    assert ("unknown-credentials" in codes) is not may_bring
