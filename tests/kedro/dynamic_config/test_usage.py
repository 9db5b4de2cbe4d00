"""The names that a project's files use, as far as their text tells."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from kedro.config import AbstractConfigLoader, OmegaConfigLoader

from kedro_airflow_k8s.dynamic_config import resolver
from kedro_airflow_k8s.dynamic_config.usage import Use, used_names


@pytest.fixture(name="conf")
def conf_fixture(tmp_path: Path) -> Path:
    # Globals are resolved when a loader is made.
    resolver.register()
    for env in ("base", "local", "prod"):
        (tmp_path / env).mkdir()
    return tmp_path


def used(conf: Path, **options: Any) -> list[tuple[str, str, bool]]:
    """What a loader of the folder finds."""
    short = options.pop("short", True)
    kinds = options.pop("kinds", None)
    loader = OmegaConfigLoader(str(conf), base_env="base", default_run_env="local", **options)
    uses = used_names(loader, kinds or {"mlflow", *loader.config_patterns}, short=short)
    return [(use.file, use.name, use.has_default) for use in uses]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("${kedro_config:Bucket}", [("bucket", False)]),
        ("${ kedro_config : bucket , x }", [("bucket", True)]),
        ("${kedro_config:'bucket','a, b'}", [("bucket", True)]),
        ("${kedro_config:one,${kedro_config:two}}", [("one", True), ("two", False)]),
        ("${bucket}", [("bucket", False)]),
        ("${commit_id|dirty}", [("commit_id", True)]),
        ("${commit_id|}", [("commit_id", True)]),
        ("a${x}b${y|z}", [("x", False), ("y", True)]),
        ("${outer.${inner}}", [("inner", False)]),
        ("${kedro_config:one,${three|x}}", [("one", True), ("three", True)]),
        ("${_hidden}", []),
        ("${own}", []),
        ("${own|default}", []),
        ("${.own_sibling}", []),
        ("${deep.key}", []),
        ("${globals:bucket}", []),
        ("${oc.env:HOME}", []),
        (r"\${bucket}", []),
        (r"\${kedro_config:bucket}", []),
        (r"\\${bucket}", [("bucket", False)]),
        ("$(POD) $HOME {{ ds }}", []),
    ],
)
def test_a_text_uses_the_names_that_it_takes_from_the_environment(
    text: str, found: list[tuple[str, bool]], conf: Path
) -> None:
    (conf / "base/parameters.yml").write_text(json.dumps({"own": 1, "x_of_test": text}))
    assert used(conf) == [("base/parameters.yml", *use) for use in found]
    # Without the opt-in loader, the short form is a key like any other.
    long = [use for use in found if "kedro_config" in text and use[0] != "three"]
    assert used(conf, short=False) == [("base/parameters.yml", *use) for use in long]


def test_a_key_that_refers_to_itself_takes_the_variable(conf: Path) -> None:
    (conf / "base/parameters.yml").write_text("commit_id: {x: ['${commit_id|dirty}']}\n")
    (conf / "base/catalog.yml").write_text("stage: 1\nx: ${stage}\n")
    (conf / "base/mlflow.json").write_text('{"a": {"branch_name": "${branch_name|dirty}"}}')
    assert used(conf) == [
        ("base/mlflow.json", "branch_name", True),
        ("base/parameters.yml", "commit_id", True),
    ]


def test_a_project_may_have_its_own_resolver_of_the_name(conf: Path) -> None:
    (conf / "base/parameters.yml").write_text("x: ${kedro_config:bucket}\ny: ${region}\n")
    loader = OmegaConfigLoader(str(conf), base_env="base", default_run_env="local")
    uses = used_names(loader, ["parameters"], long=lambda: False, short=True)
    assert [use.name for use in uses] == ["region"]


def test_whose_the_resolver_is_is_asked_only_where_a_file_uses_it(conf: Path) -> None:
    """The first resolver of a process loads OmegaConf's grammar."""

    def asked() -> bool:
        raise AssertionError

    (conf / "base/parameters.yml").write_text("rate: 0.5\ndouble: ${rate}\n")
    (conf / "base/catalog.yml").write_text("")
    loader = OmegaConfigLoader(str(conf), base_env="base", default_run_env="local")
    assert used_names(loader, ["parameters", "catalog"], long=asked) == ()

    (conf / "base/catalog.yml").write_text("a: '${kedro_config:bucket}'\n")
    with pytest.raises(AssertionError):
        used_names(loader, ["parameters", "catalog"], long=asked)


def test_keys_of_json_files_are_the_projects_own_too(conf: Path) -> None:
    content = {"own": 1, "deep": {"x": "${own}", "y": "${bucket}", "z": "${commit_id|dirty}"}}
    (conf / "base/parameters.json").write_text(json.dumps(content))
    assert used(conf) == [
        ("base/parameters.json", "bucket", False),
        ("base/parameters.json", "commit_id", True),
    ]


def test_comments_do_not_count_and_signs_in_quotes_are_none(conf: Path) -> None:
    (conf / "base/catalog.yml").write_text(
        "# ${kedro_config:one}\n"
        "  # x: ${two}\n"
        "a: 1 # ${kedro_config:three}\n"
        "b: 'not # a comment ${kedro_config:four}'\n"
        "c: x#${kedro_config:five}\n"
    )
    assert [name for _, name, _ in used(conf)] == ["four", "five"]


def test_all_kinds_of_both_environments_are_looked_into_and_no_others(conf: Path) -> None:
    files = {
        "base/catalog.yml": "one",
        "base/catalog/deep/more.yaml": "two",
        "local/parameters_x.json": "three",
        "base/credentials.yml": "four",
        "base/globals.yml": "five",
        "base/mlflow.yml": "six",
        "local/extra.yml": "seven",
        "prod/catalog.yml": "other_environment",
        "base/notes.yml": "read_by_nobody",
        "base/catalog.txt": "no_configuration",
        "base/.hidden/catalog.yml": "hidden",
    }
    for name, variable in files.items():
        file = conf / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps({"key": f"${{kedro_config:{variable},0}}"}))
    found = used(conf, config_patterns={"extra": ["extra*"]})
    assert {name for _, name, _ in found} == {"one", "two", "three", "four", "five", "six", "seven"}
    left = used(conf, kinds=["parameters", "mlflow"])
    assert {name for _, name, _ in left} == {"three", "six"}


@pytest.mark.parametrize(
    "text", ["- ${kedro_config:x}", "x: [${kedro_config:x}", "${kedro_config:x}"]
)
def test_what_kedro_would_not_read_has_no_names(text: str, conf: Path) -> None:
    (conf / "base/catalog.yml").write_text(text)
    assert used(conf) == []


def test_a_loader_of_another_kind_uses_nothing_that_is_known(conf: Path) -> None:
    class Other(AbstractConfigLoader):
        pass

    (conf / "base/catalog.yml").write_text("a: ${kedro_config:bucket}\n")
    assert used_names(Other(str(conf)), ["catalog"]) == ()


def test_a_use_knows_its_variable() -> None:
    assert Use("bucket", "base/catalog.yml", True).variable == "KEDRO_CONFIG_BUCKET"
