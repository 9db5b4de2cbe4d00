"""`${name}` and `${name|default}` in the files of the opt-in loader; all else is as in Kedro."""

from __future__ import annotations

import os
import tarfile
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from kedro.config import OmegaConfigLoader
from omegaconf import OmegaConf
from omegaconf.errors import (
    GrammarParseError,
    InterpolationKeyError,
    InterpolationResolutionError,
)

from kedro_airflow_k8s.dynamic_config import DynamicConfigLoader, resolver
from kedro_airflow_k8s.dynamic_config.loader import long_form
from tests.kedro.dynamic_config.test_git import commit_all
from tests.kedro.dynamic_config.test_resolver import VALUES


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [n for n in os.environ if n.startswith("KEDRO_CONFIG_")]:
        monkeypatch.delenv(name)


@pytest.fixture(name="conf")
def conf_fixture(tmp_path: Path) -> Path:
    for env in ("base", "local"):
        (tmp_path / env).mkdir()
    return tmp_path


def write(conf: Path, name: str, content: Any) -> None:
    """Write a file, from a text or from what it is to hold."""
    text = content if isinstance(content, str) else yaml.safe_dump(content)
    (conf / name).write_text(text, encoding="utf-8")


def loader(
    conf: Path, kind: type[OmegaConfigLoader] = DynamicConfigLoader, **options: Any
) -> OmegaConfigLoader:
    """A loader of the two environments."""
    resolver.register()
    return kind(str(conf), base_env="base", default_run_env="local", **options)


def test_a_name_is_the_variable_and_else_its_default(
    conf: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEDRO_CONFIG_SET", "0123")
    write(conf, "base/catalog.yml", {"a": {"x": "${set}", "y": "${set|no}", "z": "${unset|1e5}"}})
    write(conf, "base/globals.yml", {"g": "<${set}>", "_hidden": "${unset|}", "h": "${_hidden}!"})
    found = loader(conf)
    assert found["catalog"] == {"a": {"x": "0123", "y": "0123", "z": "1e5"}}
    assert found["globals"] == {"g": "<0123>", "h": "!"}


def resolved(text: str) -> Any:
    """What a text in a file comes to."""
    resolver.register()
    return OmegaConf.to_container(OmegaConf.create({"x": long_form(text, ())}), resolve=True)


@given(value=VALUES)
def test_any_value_comes_out_as_that_string(value: str) -> None:
    with patch.dict(os.environ, {"KEDRO_CONFIG_NAME": value}):
        assert resolved("${name}") == {"x": value}
        assert resolved("<${ name|none }>") == {"x": f"<{value}>"}


@given(default=st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), max_size=20))
def test_any_default_that_can_be_written_is_that_string(default: str) -> None:
    text = f"${{unset_name|{default}}}"
    try:
        OmegaConf.create({"x": text})
    except GrammarParseError:
        return
    if not any(sign in default for sign in ".[]${}\\"):
        assert resolved(text) == {"x": default}


def test_the_projects_own_keys_win_over_variables(
    conf: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEDRO_CONFIG_STAGE", "variable")
    monkeypatch.setenv("KEDRO_CONFIG__HIDDEN", "variable")
    write(conf, "base/parameters.yml", {"stage": "own", "x": "${stage}", "y": "${stage|default}"})
    write(conf, "base/parameters_more.yml", {"z": "${stage}"})
    write(conf, "base/catalog.yml", {"_hidden": "own", "x": {"y": "${_hidden}", "z": "${other|1}"}})
    found = loader(conf)
    assert found["parameters"] == {"stage": "own", "x": "own", "y": "own", "z": "own"}
    assert found["catalog"] == {"x": {"y": "own", "z": "1"}}


def test_runtime_parameters_win_over_variables_and_stay(
    conf: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEDRO_CONFIG_STAGE", "variable")
    write(conf, "base/parameters.yml", {"x": "${stage}", "y": "${stage|default}"})
    write(conf, "local/parameters.yml", {"speed": "${speed|slow}", "z": "${speed}"})
    found = loader(conf, runtime_params={"stage": "of the run", "speed": 2})
    assert found["parameters"] == {
        "stage": "of the run", "x": "of the run", "y": "of the run", "speed": 2, "z": 2,
    }  # fmt: skip


UNTOUCHED = {
    "relative": {"a": 1, "b": "${.a}", "up": {"c": "${..a}"}},
    "deep": "${relative.a}",
    "bracket": "${relative[a]}",
    "nested": "${${which}}",
    "which": "target",
    "target": "found",
    "globals": "${globals:stage,none}",
    "runtime": "${runtime_params:stage,none}",
    "custom": "${twice:ab}",
    "select": "${oc.select:nowhere,none}",
    "escaped": "\\${stage}",
    "jinja": "{{ ds }}",
    "kubelet": "$(POD) $HOME ${which}",
    "number": 7,
    "list": [{"x": "${which}"}],
}


def test_every_other_interpolation_means_what_it_meant(
    conf: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(conf, "base/parameters.yml", UNTOUCHED)
    options: dict[str, Any] = {"custom_resolvers": {"twice": lambda text: text * 2}}
    plain = loader(conf, OmegaConfigLoader, **options)["parameters"]
    for name in ("STAGE", "WHICH", "TARGET", "A", "RELATIVE", "DS", "POD"):
        monkeypatch.setenv(f"KEDRO_CONFIG_{name}", "variable")
    assert loader(conf, **options)["parameters"] == plain
    write(conf, "base/parameters_short.yml", {"short": "${stage}"})
    assert loader(conf, **options)["parameters"] == {**plain, "short": "variable"}
    assert plain["nested"] == "found"


@pytest.mark.parametrize("strategy", ["soft", "SOFT", "destructive"])
def test_environments_are_merged_as_kedro_does(
    strategy: str, conf: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEDRO_CONFIG_NAME", "n")
    write(conf, "base/parameters.yml", {"deep": {"base": "${name}", "both": "${other|b}"}})
    write(conf, "local/parameters.yml", {"deep": {"both": "${other|l}", "local": "${name}"}})
    found = loader(conf, merge_strategy={"parameters": strategy})["parameters"]
    base = {"base": "n"} if strategy.lower() == "soft" else {}
    assert found == {"deep": {**base, "both": "l", "local": "n"}}
    assert loader(conf, env="base")["parameters"] == {"deep": {"base": "n", "both": "b"}}


def test_credentials_have_names_and_environment_variables_in_one_file(
    conf: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEDRO_CONFIG_USER", "me")
    monkeypatch.setenv("PASSWORD_OF_TEST", "secret")
    credentials = {"user": "${user}", "password": "${oc.env:PASSWORD_OF_TEST}", "p": "${port|5432}"}
    write(conf, "local/credentials.yml", {"db": credentials})
    write(conf, "base/credentials.yml", {"other": "${oc.env:PASSWORD_OF_TEST}"})
    found = loader(conf)
    assert found["credentials"] == {
        "db": {"user": "me", "password": "secret", "p": "5432"},
        "other": "secret",
    }
    # Other files must not see all of the environment.
    assert not OmegaConf.has_resolver("oc.env")


@pytest.mark.parametrize("kind", ["catalog", "parameters", "credentials"])
@pytest.mark.parametrize("env", ["base", "local"])
def test_keys_that_stand_in_two_files_are_refused(kind: str, env: str, conf: Path) -> None:
    write(conf, f"base/{kind}.yml", {"first": "${unset|1}"})
    for name in ("a", "b"):
        write(conf, f"{env}/{kind}_{name}.yml", {"twice": {"x": "${unset|2}"}})
    with pytest.raises(ValueError, match=r"(?s)Duplicate keys found in .*_[ab]\.yml.*twice"):
        loader(conf)[kind]


def test_runtime_parameters_cannot_choose_classes_where_kedro_forbids_it(conf: Path) -> None:
    write(conf, "base/catalog.yml", {"x": {"type": "${runtime_params:t,${unset|Safe}}"}})
    assert loader(conf, runtime_params={"t": "Other"})["catalog"] == {"x": {"type": "Other"}}
    options: dict[str, Any] = {"restrict_runtime_params_type_selection": True}
    with pytest.raises(InterpolationResolutionError):
        loader(conf, runtime_params={"t": "Other"}, **options)["catalog"]


# --- keys that refer to themselves ------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "with_variable", "without"),
    [
        ({"name": "${name|dirty}"}, {"name": "0123"}, {"name": "dirty"}),
        ({"name": "v${name|}!"}, {"name": "v0123!"}, {"name": "v!"}),
        (
            {"name": {"x": ["${name|a}", "${ name|b }", 1, None]}},
            {"name": {"x": ["0123", "0123", 1, None]}},
            {"name": {"x": ["a", "b", 1, None]}},
        ),
        ({"a": {"name": "${name|d}"}}, {"a": {"name": "0123"}}, {"a": {"name": "d"}}),
        (
            {"name": "v${name|d}", "a": "${name}", "b": "${name|e}"},
            {"name": "v0123", "a": "v0123", "b": "v0123"},
            {"name": "vd", "a": "vd", "b": "vd"},
        ),
        (
            {"name": r"\${name|d} ${name|d}"},
            {"name": "${name|d} 0123"},
            {"name": "${name|d} d"},
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
    write(conf, "base/parameters.yml", content)
    assert loader(conf)["parameters"] == without
    monkeypatch.setenv("KEDRO_CONFIG_NAME", "0123")
    assert loader(conf)["parameters"] == with_variable


def test_without_a_variable_the_commit_is_that_of_git(
    conf: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kedro.framework.project.PACKAGE_NAME", None)
    monkeypatch.chdir(conf)
    write(conf, "base/parameters.yml", "commit_id: ${commit_id}\nbranch_name: ${branch_name|none}")
    sha = commit_all(conf)
    assert loader(conf)["parameters"] == {"commit_id": sha, "branch_name": "main"}


# --- what cannot be resolved ------------------------------------------------------------------


@pytest.mark.parametrize("text", ["x: ${region}", "region: ${region}", "region: ['${region}']"])
@pytest.mark.parametrize("env", ["base", "local"])
def test_a_name_without_a_value_has_a_way_out(text: str, env: str, conf: Path) -> None:
    write(conf, f"{env}/parameters.yml", text)
    with pytest.raises(InterpolationResolutionError) as caught:
        loader(conf)["parameters"]
    assert "Set the environment variable KEDRO_CONFIG_REGION, or give a default" in str(
        caught.value
    )
    assert f"full_key: {text.partition(':')[0]}" in str(caught.value)


@pytest.mark.parametrize("text", ["${a.nope}", "${_nope}", "${.nope}", "${nope:x", "${globals:x}"])
def test_what_is_not_a_short_form_has_omegaconfs_own_words(text: str, conf: Path) -> None:
    def words(kind: type[OmegaConfigLoader]) -> tuple[type, str]:
        with pytest.raises((InterpolationResolutionError, GrammarParseError)) as caught:
            loader(conf, kind)["catalog"]
        return caught.type, str(caught.value)

    write(conf, "base/catalog.yml", {"a": {"x": text}})
    assert words(DynamicConfigLoader) == words(OmegaConfigLoader)


def test_an_archive_fails_as_with_kedros_loader(conf: Path) -> None:
    write(conf, "base/parameters.yml", {"x": "${unset|1}"})
    archive = conf / "conf.tar.gz"
    with tarfile.open(archive, "w:gz") as file:
        for env in ("base", "local"):
            file.add(conf / env, f"conf/{env}")
    with pytest.raises(InterpolationKeyError):
        loader(archive)["parameters"]


@pytest.mark.parametrize("content", ["", "- a list\n", "just text\n", "{}"])
def test_files_that_are_not_mappings_fail_as_with_kedros_loader(content: str, conf: Path) -> None:
    def outcome(made: OmegaConfigLoader, kind: str) -> object:
        try:
            return made[kind]
        except Exception as error:  # noqa: BLE001
            return type(error)

    for kind in ("catalog", "parameters", "credentials"):
        write(conf, f"base/{kind}.yml", content)
    for kind in ("catalog", "parameters", "credentials"):
        assert outcome(loader(conf), kind) == outcome(loader(conf, OmegaConfigLoader), kind)
