"""`validate` tells which variables of this terminal the project takes and pods do not have."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.support.kedro_projects import (
    CONFIG,
    ProjectFolder,
    findings_of,
    project_fixture,  # noqa: F401 - fixture
)

FOR_ALL_FILES = """
from omegaconf.resolvers import oc

CONFIG_LOADER_ARGS = {
    "base_env": "base",
    "default_run_env": "local",
    "custom_resolvers": {"oc.env": oc.env, "env": __import__("os").getenv},
}
"""


@pytest.fixture(autouse=True)
def _no_such_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SHOP_KEY", "SHOP_OTHER", "KEDRO_ENV"):
        monkeypatch.delenv(name, raising=False)


def found(project: ProjectFolder) -> list[dict[str, Any]]:
    return findings_of(project, "environment-variable")


def names(project: ProjectFolder) -> list[str]:
    return [each["where"].removeprefix("variable ") for each in found(project)]


# --- the configuration ------------------------------------------------------------------------


def test_a_variable_that_credentials_take_and_pods_lack(
    project: ProjectFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.write("conf/base/credentials.yml", "s: {key: '${oc.env:SHOP_KEY}'}\n")
    monkeypatch.setenv("SHOP_KEY", "never-shown")
    (finding,) = found(project)
    assert (finding["severity"], finding["where"]) == ("warning", "variable SHOP_KEY")
    assert "'conf/base/credentials.yml' takes it without a default" in finding["problem"]
    assert "never-shown" not in json.dumps(finding)


@pytest.mark.parametrize(
    "given",
    [
        "env_vars: {SHOP_KEY: x}",
        "secrets: [{secret: s, key: k, deploy_target: SHOP_KEY}]",
        "secrets: [{secret: s}]",
    ],
)
def test_what_the_configuration_gives_is_there(project: ProjectFolder, given: str) -> None:
    project.write("conf/base/credentials.yml", "s: {key: '${oc.env:SHOP_KEY}'}\n")
    project.config(f"{CONFIG}    {given}\n")
    assert names(project) == []


@pytest.mark.parametrize(
    ("text", "here", "expected"),
    [
        ("${oc.env:SHOP_KEY}", [], ["SHOP_KEY"]),
        ("${ oc.env : SHOP_KEY }", [], ["SHOP_KEY"]),
        ("x${oc.env:'SHOP_KEY'}y", [], ["SHOP_KEY"]),
        ("${oc.env:SHOP_KEY,none}", [], []),
        ("${oc.env:SHOP_KEY,none}", ["SHOP_KEY"], ["SHOP_KEY"]),
        ("${oc.env:SHOP_KEY,${oc.env:SHOP_OTHER}}", [], ["SHOP_OTHER"]),
        ("${oc.env:SHOP_KEY,${oc.env:SHOP_OTHER,x}}", ["SHOP_OTHER"], ["SHOP_OTHER"]),
        ("${oc.env:SHOP_KEY,${oc.env:SHOP_OTHER,x}}", [], []),
        ("${oc.env:SHOP_KEY,null}-${oc.env:SHOP_OTHER}", [], ["SHOP_OTHER"]),
        (r"\${oc.env:SHOP_KEY}", [], []),
        ("${oc.env:HOME}", [], []),
    ],
)
def test_defaults_and_what_is_in_them(
    project: ProjectFolder,
    monkeypatch: pytest.MonkeyPatch,
    text: str,
    here: list[str],
    expected: list[str],
) -> None:
    for name in here:
        monkeypatch.setenv(name, "x")
    project.write("conf/base/credentials.yml", f's: {{key: "{text}"}}\n'.replace("\\", "\\\\"))
    assert names(project) == expected


def test_a_default_is_not_used_where_the_pods_have_the_variable(project: ProjectFolder) -> None:
    project.write(
        "conf/base/credentials.yml", "s: {key: '${oc.env:SHOP_KEY,${oc.env:SHOP_OTHER}}'}\n"
    )
    project.config(f"{CONFIG}    env_vars: {{SHOP_KEY: x}}\n")
    assert names(project) == []


@pytest.mark.parametrize("file", ["globals", "catalog", "parameters"])
def test_files_of_all_kinds_where_settings_allow_it(
    project: ProjectFolder, monkeypatch: pytest.MonkeyPatch, file: str
) -> None:
    project.settings(FOR_ALL_FILES)
    monkeypatch.setenv("SHOP_KEY", "a")
    monkeypatch.setenv("SHOP_OTHER", "b")
    present = (project.path / f"conf/base/{file}.yml").read_text() if file == "catalog" else ""
    own = "x: {type: MemoryDataset, data: '${oc.env:SHOP_KEY}${env:SHOP_OTHER}'}\n"
    project.write(f"conf/base/{file}.yml", present + own)
    assert names(project) == ["SHOP_KEY", "SHOP_OTHER"]


def test_a_file_that_the_image_lacks_takes_nothing(project: ProjectFolder) -> None:
    project.write("conf/local/credentials.yml", "s: {key: '${oc.env:SHOP_KEY}'}\n")
    assert names(project) == ["SHOP_KEY"]
    project.write(".dockerignore", "conf/local/*\n!conf/local/.gitkeep\n")
    assert names(project) == []


def test_what_the_dockerfile_sets_is_there(project: ProjectFolder) -> None:
    project.write("conf/base/credentials.yml", "s: {key: '${oc.env:SHOP_KEY}'}\n")
    project.write("Dockerfile", "FROM python\nENV SHOP_KEY=x SHOP_OTHER=$Y\n")
    assert names(project) == []
    project.write("Dockerfile", "FROM python\nARG SHOP_KEY=x\n")
    assert names(project) == ["SHOP_KEY"]


def test_a_file_env_in_the_image_may_be_loaded(project: ProjectFolder) -> None:
    project.write("conf/base/credentials.yml", "s: {key: '${oc.env:SHOP_KEY}'}\n")
    project.write(".env", "export SHOP_KEY=x\n")
    assert names(project) == []
    project.write(".dockerignore", ".env*\n")
    assert names(project) == ["SHOP_KEY"]


# --- the code ---------------------------------------------------------------------------------

REGISTRY = """
import os
from kedro.framework.project import find_pipelines

def register_pipelines():
    pipelines = find_pipelines()
    {code}
    pipelines["__default__"] = sum(pipelines.values())
    return pipelines
"""


def test_a_registry_that_asks_for_the_environment(
    project: ProjectFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.registry(
        REGISTRY.format(code='if os.environ.get("KEDRO_ENV") != "base": pipelines.pop("stock")')
    )
    assert names(project) == []
    monkeypatch.setenv("KEDRO_ENV", "base")
    (finding,) = found(project)
    assert finding["where"] == "variable KEDRO_ENV"
    assert "src/shop/pipeline_registry.py:7" in finding["problem"]
    assert "other pipelines" in finding["consequence"]
    project.config(f"{CONFIG}    env_vars: {{KEDRO_ENV: base}}\n")
    assert names(project) == []


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ('os.environ["SHOP_KEY"]', True),
        ('x = [os.environ["SHOP_KEY"]]', True),
        ('os.getenv("SHOP_KEY")', True),
        ('os.environ.get("SHOP_KEY", "x")', True),
        ('os.environ["SHOP_KEY"] = "x"', False),
        ('os.environ.setdefault("SHOP_KEY", "x"); os.environ["SHOP_KEY"]', False),
        ('os.environ["SHOP_KEY"] if "SHOP_KEY" in os.environ else 1', False),
        ('os.environ["SHOP_" + "KEY"]', False),
        ('os.environ["PATH"]', False),
        ("dict(os.environ)", False),
    ],
)
def test_what_code_takes(
    project: ProjectFolder, monkeypatch: pytest.MonkeyPatch, code: str, *, expected: bool
) -> None:
    monkeypatch.setenv("SHOP_KEY", "x")
    project.settings(f"import os\n{code}\n")
    assert names(project) == (["SHOP_KEY"] if expected else [])


def test_code_that_is_ready_for_a_missing_variable(
    project: ProjectFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHOP_KEY", "x")
    project.settings("import os\ntry:\n    os.environ['SHOP_KEY']\nexcept KeyError:\n    pass\n")
    assert names(project) == []
