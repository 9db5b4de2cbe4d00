"""Keys that refer to their own name, such as `commit_id: ${commit_id|dirty}`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from kedro.config import OmegaConfigLoader
from omegaconf import OmegaConf
from omegaconf.errors import (
    GrammarParseError,
    InterpolationKeyError,
    InterpolationResolutionError,
)

from kedro_airflow_k8s.dynamic_config import explanations, interpolations, variables
from kedro_airflow_k8s.dynamic_config.usage import used_names
from tests.kedro.dynamic_config.kedros import KEDROS, KedroEnvironment
from tests.kedro.dynamic_config.test_interpolations import loader, write
from tests.kedro.project.test_git import commit_all
from tests.support.kedro_projects import make_project

with_names = pytest.mark.skipif(
    not interpolations.supported(), reason="this Kedro has no step of its own for merging"
)


@pytest.fixture(name="conf")
def conf_fixture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in [n for n in os.environ if n.startswith("KEDRO_CONFIG_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    monkeypatch.setattr(variables, "_told", {"project": tmp_path})
    monkeypatch.setattr(variables, "_heads", {})
    for env in ("base", "local"):
        (tmp_path / env).mkdir()
    return tmp_path


@with_names
@pytest.mark.parametrize(
    ("content", "with_variable", "without"),
    [
        ({"commit_id": "${commit_id|dirty}"}, {"commit_id": "0123"}, {"commit_id": "dirty"}),
        ({"commit_id": "v${commit_id|}!"}, {"commit_id": "v0123!"}, {"commit_id": "v!"}),
        (
            {"commit_id": {"x": ["${commit_id|a}", "${ commit_id|b }", 1, None]}},
            {"commit_id": {"x": ["0123", "0123", 1, None]}},
            {"commit_id": {"x": ["a", "b", 1, None]}},
        ),
        ({"a": {"commit_id": "${commit_id|d}"}}, {"a": {"commit_id": "0123"}}, None),
        (
            {"commit_id": "v${commit_id|d}", "a": "${commit_id}", "b": "${commit_id|e}"},
            {"commit_id": "v0123", "a": "v0123", "b": "v0123"},
            {"commit_id": "vd", "a": "vd", "b": "vd"},
        ),
        (
            {"commit_id": r"\${commit_id|d} ${commit_id|d}"},
            {"commit_id": "${commit_id|d} 0123"},
            {"commit_id": "${commit_id|d} d"},
        ),
        (
            {"commit_id": "${a}", "a": "${b}", "b": "${commit_id|d}", "c": 1},
            InterpolationResolutionError,
            InterpolationResolutionError,
        ),
    ],
)
def test_a_key_that_refers_to_itself_means_the_variable_and_else_its_default(
    content: dict[str, Any],
    with_variable: Any,
    without: Any,
    conf: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def outcome() -> object:
        try:
            return loader(conf)["parameters"]
        except InterpolationResolutionError as error:
            return type(error)

    write(conf, "base/parameters.yml", content)
    if without is not None:
        assert outcome() == without
    monkeypatch.setenv("KEDRO_CONFIG_COMMIT_ID", "0123")
    assert outcome() == with_variable


@with_names
def test_without_a_variable_the_commit_is_that_of_git(conf: Path) -> None:
    write(conf, "base/parameters.yml", "commit_id: ${commit_id}\nbranch_name: ${branch_name|none}")
    sha = commit_all(conf)
    assert loader(conf)["parameters"] == {"commit_id": sha, "branch_name": "main"}


@with_names
def test_base_and_environment_refer_each_to_itself_and_the_environment_wins(
    conf: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(conf, "base/parameters.yml", {"a": "${a|base}", "b": "${b|base}", "d": {"e": "${d|x}"}})
    write(conf, "local/parameters.yml", {"b": "${b|local}", "d": {"f": "${d|y}"}})
    soft: dict[str, Any] = {"merge_strategy": {"parameters": "soft"}}
    assert loader(conf, **soft)["parameters"] == {
        "a": "base",
        "b": "local",
        "d": {"e": "x", "f": "y"},
    }
    monkeypatch.setenv("KEDRO_CONFIG_B", "set")
    assert loader(conf)["parameters"] == {"a": "base", "b": "set", "d": {"f": "y"}}


@with_names
def test_a_runtime_parameter_goes_above_a_key_that_refers_to_itself(conf: Path) -> None:
    write(conf, "base/parameters.yml", {"stage": "${stage|test}", "x": "${stage}"})
    found = loader(conf, runtime_params={"stage": "of the run"})["parameters"]
    assert found == {"stage": "of the run", "x": "of the run"}


@with_names
def test_credentials_and_catalogs_may_have_such_keys(
    conf: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEDRO_CONFIG_DB", "1e5")
    write(conf, "base/credentials.yml", {"db": {"user": "${db|nobody}"}, "k": {"x": "${k|v}"}})
    write(conf, "base/catalog.yml", {"db": {"type": "${db|nobody}"}})
    assert loader(conf)["credentials"] == {"db": {"user": "1e5"}, "k": {"x": "v"}}
    assert loader(conf)["catalog"] == {"db": {"type": "1e5"}}


@with_names
def test_what_the_files_said_is_not_changed_for_who_keeps_it(conf: Path) -> None:
    config = OmegaConf.create({"a": "${a|x}"})
    made = loader(conf)
    for _ in range(2):
        assert made._merge_and_resolve("parameters", {conf / "a.yml": config}) == {"a": "x"}
    assert OmegaConf.to_container(config, resolve=False) == {"a": "${a|x}"}


@with_names
@pytest.mark.parametrize(
    "text", ["region: ${region}", "region: {x: '${region}'}", "region: ['${region}']"]
)
def test_a_key_that_leads_to_nothing_but_itself_has_a_way_out(text: str, conf: Path) -> None:
    write(conf, "base/parameters.yml", f"stage: test\n{text}\n")
    with pytest.raises(InterpolationResolutionError) as caught:
        loader(conf)["parameters"]
    said = str(caught.value)
    assert f"in {conf / 'base/parameters.yml'}, the key region refers to itself" in said
    assert "KEDRO_CONFIG_REGION, and that is not set. Set it, or write" in said
    assert "${kedro_config:region,default}." in said
    assert "full_key: region" in said


@with_names
def test_keys_that_lead_to_each_other_have_omegaconfs_own_words(conf: Path) -> None:
    write(conf, "base/parameters.yml", "a: ${b}\nb: ${a}\n")
    with pytest.raises(InterpolationResolutionError) as caught:
        loader(conf)["parameters"]
    assert str(caught.value).splitlines()[0] == "Recursive interpolation detected"


@pytest.mark.parametrize(
    ("name", "content", "used"),
    [
        ("parameters.yml", "commit_id: ${commit_id|dirty}\nx: ${commit_id}\n", True),
        ("parameters.yml", "commit_id:\n  x:\n  - ${commit_id|dirty}\n", True),
        ("parameters.yml", "commit_id: 1\nx: ${commit_id}\n", False),
        ("parameters.json", '{"commit_id": {"x": ["${commit_id|dirty}"]}}', True),
        ("parameters.json", '{"commit_id": 1, "x": "${commit_id|dirty}"}', False),
        ("parameters.json", '{"a": {"commit_id": "${commit_id|dirty}"}}', True),
    ],
)
def test_pods_are_known_to_need_what_a_key_takes_by_its_own_name(
    name: str, content: str, used: bool, conf: Path
) -> None:
    write(conf, f"base/{name}", content)
    made = OmegaConfigLoader(str(conf), base_env="base", default_run_env="local")
    assert [use.name for use in used_names(made)] == (["commit_id"] if used else [])


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("x: ${nope}", InterpolationKeyError),
        ("x: ${nope|a b}", GrammarParseError),
        ("nope: ${nope}", InterpolationResolutionError),
    ],
)
def test_an_error_that_says_more_is_still_the_one_that_omegaconf_raised(
    text: str, kind: type[Exception], conf: Path
) -> None:
    def error_of(read: Any) -> Any:
        with pytest.raises(kind) as caught:
            read(OmegaConfigLoader(str(conf), base_env="base", default_run_env="base"), "catalog")
        assert caught.type is kind
        return caught.value

    explanations.explain()
    write(conf, "base/catalog.yml", text)
    more = error_of(OmegaConfigLoader.__getitem__)
    plain = error_of(OmegaConfigLoader.__getitem__.__wrapped__)  # type: ignore[attr-defined]
    assert str(more) != str(plain)
    for attribute in ("key", "full_key", "msg", "value", "object_type", "object_type_str"):
        assert getattr(more, attribute) == getattr(plain, attribute)
    assert more.full_key == ("nope" if text.startswith("nope") else "x")
    assert type(more.__cause__) is type(plain.__cause__)
    assert type(more.__context__) is type(plain.__context__)
    assert more.__suppress_context__ == plain.__suppress_context__


@pytest.mark.parametrize("kedro", KEDROS)
def test_a_run_of_each_kedro_has_the_commit_or_says_what_to_write(
    kedro: KedroEnvironment, tmp_path: Path
) -> None:
    project = make_project(tmp_path / "project")
    project.registry("""
        from kedro.pipeline import Pipeline, node

        def show(parameters):
            print("seen:", parameters)

        def register_pipelines():
            return {"__default__": Pipeline([node(show, "parameters", None, name="show")])}
    """)
    sha = commit_all(project.path)
    for text in ("commit_id: ${commit_id|dirty}", "commit_id: ${commit_id}"):
        project.write("conf/base/parameters.yml", text)
        run = kedro.call(project.path, "-m", "kedro", "run")
        if kedro.has_names:
            assert f"seen: {{'commit_id': '{sha}'}}" in run.stdout, run.stderr
        else:
            assert run.returncode == 1
            assert "needs Kedro 1.7 or newer" in run.stdout + run.stderr
            assert "Write ${kedro_config:commit_id" in run.stdout + run.stderr
    (project.path / "conf/base/parameters.yml").unlink()
    project.write("conf/base/globals.yml", "commit_id: ${commit_id}")
    run = kedro.call(project.path, "-m", "kedro", "run")
    assert run.returncode == 1
    assert "Kedro reads globals.yml before a plugin can add names" in run.stdout + run.stderr
    assert "Write ${kedro_config:commit_id} instead of ${commit_id}." in run.stdout + run.stderr
