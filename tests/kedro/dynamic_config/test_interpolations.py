"""`${name}` and `${name|default}` in the files of a loader, and all that is to stay as it was."""

from __future__ import annotations

import copy
import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from kedro.config import AbstractConfigLoader, OmegaConfigLoader
from omegaconf import OmegaConf
from omegaconf.errors import GrammarParseError, InterpolationKeyError

from kedro_airflow_k8s.dynamic_config import explanations, interpolations, resolver, wording
from tests.kedro.dynamic_config.test_resolver import VALUES

pytestmark = pytest.mark.skipif(
    not interpolations.supported(), reason="this Kedro has no step of its own for merging"
)


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


def pickled(made: Any) -> Any:
    """What comes out of a pickle."""
    return pickle.loads(pickle.dumps(made))


def loader(conf: Path, kind: type[OmegaConfigLoader] = OmegaConfigLoader, **options: Any) -> Any:
    """A loader that knows names, as a session of Kedro has it."""
    resolver.register()
    explanations.explain()
    made = kind(str(conf), base_env="base", default_run_env="local", **options)
    interpolations.support_names(made)
    return made


def test_a_name_is_the_variable_and_else_its_default(
    conf: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEDRO_CONFIG_SET", "0123")
    write(conf, "base/catalog.yml", {"a": {"x": "${set}", "y": "${set|no}", "z": "${unset|1e5}"}})
    assert loader(conf)["catalog"] == {"a": {"x": "0123", "y": "0123", "z": "1e5"}}


@given(value=VALUES)
def test_any_value_comes_out_as_that_string(value: str) -> None:
    config = OmegaConf.create({"x": "${name}", "y": ["<${name|none}>"]})
    resolver.register()
    with patch.dict(os.environ, {"KEDRO_CONFIG_NAME": value}):
        added: dict[str, str] = {}
        assert interpolations.names_for(config, {"x", "y"}, added) == {}
        merged = OmegaConf.unsafe_merge(OmegaConf.create(added), config)
        assert OmegaConf.to_container(merged, resolve=True) == {
            "name": value,
            "name|none": value,
            "x": value,
            "y": [f"<{value}>"],
        }


@given(default=st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), max_size=20))
def test_any_default_that_can_be_written_is_that_string(default: str) -> None:
    text = f"${{unset_name|{default}}}"
    try:
        config = OmegaConf.create({"x": text})
    except GrammarParseError:
        return
    if any(sign in default for sign in ".[]${}\\") or default == "???":
        return
    added: dict[str, str] = {}
    interpolations.names_for(config, {"x"}, added)
    merged = OmegaConf.unsafe_merge(OmegaConf.create(added), config)
    assert OmegaConf.to_container(merged, resolve=True) == {
        f"unset_name|{default}": default,
        "x": default,
    }


def test_the_projects_own_keys_win_over_variables(
    conf: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEDRO_CONFIG_STAGE", "variable")
    monkeypatch.setenv("KEDRO_CONFIG__HIDDEN", "variable")
    write(conf, "base/parameters.yml", {"stage": "own", "x": "${stage}", "y": "${stage|default}"})
    write(conf, "base/parameters_more.yml", {"z": "${stage}"})
    write(conf, "base/catalog.yml", {"_hidden": "own", "x": {"y": "${_hidden}"}})
    found = loader(conf)
    assert found["parameters"] == {"stage": "own", "x": "own", "y": "own", "z": "own"}
    assert found["catalog"] == {"x": {"y": "own"}}


def test_runtime_parameters_win_over_variables_and_stay(
    conf: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEDRO_CONFIG_STAGE", "variable")
    write(conf, "base/parameters.yml", {"x": "${stage}", "y": "${stage|default}"})
    found = loader(conf, runtime_params={"stage": "of the run"})
    assert found["parameters"] == {"stage": "of the run", "x": "of the run", "y": "of the run"}


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
    plain = OmegaConfigLoader(str(conf), base_env="base", default_run_env="local", **options)[
        "parameters"
    ]
    for name in ("STAGE", "WHICH", "TARGET", "A", "RELATIVE", "DS", "POD"):
        monkeypatch.setenv(f"KEDRO_CONFIG_{name}", "variable")
    assert loader(conf, **options)["parameters"] == plain
    assert plain["nested"] == "found"


@pytest.mark.parametrize("strategy", ["soft", "destructive"])
def test_environments_are_merged_as_before(
    strategy: str, conf: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEDRO_CONFIG_NAME", "n")
    write(conf, "base/parameters.yml", {"deep": {"base": "${name}", "both": "${other|b}"}})
    write(conf, "local/parameters.yml", {"deep": {"both": "${other|l}", "local": "${name}"}})
    found = loader(conf, merge_strategy={"parameters": strategy})["parameters"]
    soft = {"base": "n"} if strategy == "soft" else {}
    assert found == {"deep": {**soft, "both": "l", "local": "n"}}


def test_credentials_have_names_and_environment_variables_in_one_file(
    conf: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEDRO_CONFIG_USER", "me")
    monkeypatch.setenv("PASSWORD_OF_TEST", "secret")
    write(
        conf,
        "local/credentials.yml",
        {"db": {"user": "${user}", "password": "${oc.env:PASSWORD_OF_TEST}", "p": "${port|5432}"}},
    )
    write(conf, "base/credentials.yml", {"other": "${oc.env:PASSWORD_OF_TEST}"})
    assert loader(conf)["credentials"] == {
        "db": {"user": "me", "password": "secret", "p": "5432"},
        "other": "secret",
    }


def test_only_kedros_loader_and_what_derives_from_it_is_touched(conf: Path) -> None:
    class Other(AbstractConfigLoader):
        def _merge_and_resolve(self) -> None:
            """Of the same name by chance."""

    other = Other(str(conf))
    before = dict(vars(other))
    interpolations.support_names(other)
    assert vars(other) == before


def test_a_loader_that_merges_in_its_own_way_still_does(
    conf: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Shouting(OmegaConfigLoader):
        def _merge_and_resolve(self, key: str, config_per_file: Any) -> Any:
            merged = super()._merge_and_resolve(key, config_per_file)
            return {name: str(value).upper() for name, value in merged.items()}

    monkeypatch.setenv("KEDRO_CONFIG_NAME", "quiet")
    write(conf, "base/parameters.yml", {"x": "${name}", "y": "plain"})
    assert loader(conf, Shouting)["parameters"] == {"x": "QUIET", "y": "PLAIN"}


def test_an_older_loader_without_the_step_is_left_alone(conf: Path) -> None:
    class Older(OmegaConfigLoader):
        _merge_and_resolve = None

        def __getitem__(self, key: str) -> dict[str, Any]:
            return {}

    made = Older(str(conf), base_env="base", default_run_env="local")
    interpolations.support_names(made)
    assert made._merge_and_resolve is None


def test_a_loader_that_is_taught_again_reads_the_same(
    conf: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEDRO_CONFIG_NAME", "n")
    write(conf, "base/parameters.yml", {"x": "${name}", "name": "<${name}>"})
    made = loader(conf)
    interpolations.support_names(made)
    assert made["parameters"] == {"x": "<n>", "name": "<n>"}


def test_other_loaders_of_the_same_class_know_no_names(
    conf: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEDRO_CONFIG_NAME", "n")
    write(conf, "base/parameters.yml", {"x": "${name}"})
    write(conf, "base/credentials.yml", {"x": {"y": "${name}"}})
    assert loader(conf)["parameters"] == {"x": "n"}
    other = OmegaConfigLoader(str(conf), base_env="base", default_run_env="local")
    for kind in ("parameters", "credentials"):
        with pytest.raises(InterpolationKeyError):
            other[kind]
    # As a function of the class, as Kedro has it.
    config = OmegaConf.create({"x": "${y}", "y": 1})
    OmegaConfigLoader._resolve_environment_variables(config)
    assert OmegaConf.to_container(config) == {"x": 1, "y": 1}


class Derived(OmegaConfigLoader):
    """A project's own loader."""

    def _merge_and_resolve(self, key: str, config_per_file: Any) -> Any:
        return {**super()._merge_and_resolve(key, config_per_file), "env": self.env}


@pytest.mark.parametrize("kind", [OmegaConfigLoader, Derived])
@pytest.mark.parametrize("in_between", [copy.copy, copy.deepcopy, pickled])
def test_a_copy_of_a_loader_reads_its_own_files_and_names(
    in_between: Callable[[Any], Any],
    kind: type[OmegaConfigLoader],
    conf: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("KEDRO_CONFIG_NAME", "n")
    write(conf, "local/parameters.yml", {"x": "${name}", "run": "none"})
    write(conf, "local/credentials.yml", {"x": {"y": "${name}", "z": "${oc.env:HOME}"}})
    made = loader(conf, kind, runtime_params={"run": "first"})
    copied = in_between(made)
    copied.runtime_params = {"run": "second"}
    assert copied["credentials"]["x"] == {"y": "n", "z": os.environ["HOME"]}
    assert copied["parameters"]["x"] == "n"
    assert copied["parameters"]["run"] == "second"
    assert made["parameters"]["run"] == "first"


def test_a_loader_that_is_unpickled_elsewhere_knows_names_there(
    conf: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process in which no hook has been called."""
    monkeypatch.setenv("KEDRO_CONFIG_NAME", "n")
    write(conf, "base/parameters.yml", {"x": "${name}"})
    (conf / "loader.pickle").write_bytes(pickle.dumps(loader(conf)))
    code = (
        "import pickle, pathlib\n"
        "made = pickle.loads(pathlib.Path('loader.pickle').read_bytes())\n"
        "print(made['parameters'])\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=conf, capture_output=True, text=True, check=False
    )
    assert run.stdout.splitlines()[-1:] == ["{'x': 'n'}"], run.stderr


@pytest.mark.parametrize("content", ["", "- a list\n", "just text\n", "{}"])
def test_files_that_are_no_mapping_fail_as_kedro_has_it(content: str, conf: Path) -> None:
    def outcome(made: OmegaConfigLoader, kind: str) -> object:
        try:
            return made[kind]
        except Exception as error:  # noqa: BLE001
            return type(error)

    for kind in ("catalog", "parameters", "credentials"):
        write(conf, f"base/{kind}.yml", content)
    taught = loader(conf)
    plain = OmegaConfigLoader(str(conf), base_env="base", default_run_env="local")
    for kind in ("catalog", "parameters", "credentials"):
        assert outcome(taught, kind) == outcome(plain, kind)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("${nope}", "'nope' not found in these files, nor is the environment variable"),
        ("${nope}", "KEDRO_CONFIG_NOPE set. Correct the name, set the variable, or write"),
        ("${nope|1.0}", "Write ${kedro_config:nope,'1.0'} instead of ${nope|1.0}."),
        ("${nope|a[0]}", "Write ${kedro_config:nope,'a[0]'}"),
        ("${nope|a:b}", "catalog.yml: ${nope|a:b} cannot be read"),
        ("${nope|a:b}", "Write ${kedro_config:nope,'a:b'} instead."),
        ("${nope|a b}", "Write ${kedro_config:nope,'a b'} instead."),
        ("${nope | y}", "catalog.yml: ${nope | y} cannot be read: there can be no blanks around"),
        ("${nope | y}", "Write ${kedro_config:nope,y} instead."),
        ("${nope |y}", "${nope |y} cannot be read: there can be no blanks around the |"),
        ("${nope| y }", "Write ${kedro_config:nope,y} instead."),
        ("${no-pe | y z}", "Write ${kedro_config:no-pe,'y z'} instead."),
        (
            "${no-pe}",
            "Write ${kedro_config:no_pe} and set the environment variable KEDRO_CONFIG_NO",
        ),
        ("${nope|'q'}", "Write ${kedro_config:nope,'q'} instead."),
        ("${nope|${other}}", "Write ${kedro_config:nope,${other}} instead."),
    ],
)
def test_what_cannot_be_resolved_has_a_way_out(text: str, words: str, conf: Path) -> None:
    write(conf, "base/catalog.yml", {"a": {"x": text}})
    with pytest.raises((InterpolationKeyError, GrammarParseError)) as caught:
        loader(conf)["catalog"]
    assert words in str(caught.value)
    assert "full_key: a.x" in str(caught.value)


@pytest.mark.parametrize("text", ["${a.nope}", "${_nope}", "${.nope}", "${nope:x", "${a b}"])
def test_what_is_no_name_of_ours_has_omegaconfs_own_words(text: str, conf: Path) -> None:
    def words(made: OmegaConfigLoader) -> tuple[type, str]:
        with pytest.raises((InterpolationKeyError, GrammarParseError)) as caught:
            made["catalog"]
        return caught.type, str(caught.value)

    write(conf, "base/catalog.yml", {"a": {"x": text}})
    with patch.object(OmegaConfigLoader, "__getitem__", OmegaConfigLoader.__getitem__.__wrapped__):  # type: ignore[attr-defined]
        plain = words(OmegaConfigLoader(str(conf), base_env="base", default_run_env="local"))
    assert words(loader(conf)) == plain


def test_the_way_out_leads_out(conf: Path) -> None:
    """What the messages say to write is what the text was to mean."""
    defaults = ["1.0", "a:b", "a b", "'q'", "", "null", "true", "7", "it's", "a\\b", "a\\"]
    for default in defaults:
        config = OmegaConf.create({"x": wording._resolver("unset_name", default)})
        plain = default.strip("'") if default.startswith("'") else default
        assert OmegaConf.to_container(config, resolve=True) == {"x": plain}
