"""What the `.dockerignore` of `init` does, by the rules of Docker and not by the looks of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import PurePosixPath

import pytest

from kedro_airflow_k8s.init.dockerignore import missing_lines, new_dockerignore, too_wide
from kedro_airflow_k8s.init.facts import Layout
from kedro_airflow_k8s.project.dockerignore import DockerIgnore
from tests.kedro.init.ci_variants import LAYOUT

SECRETS = (
    "conf/base/credentials.yml",
    "conf/prod/db_credentials.yaml",
    "conf/prod/deep/credentials_of_mine.json",
    "conf/local/credentials.yml",
    "conf/local/anything.yml",
    ".airflow-sandbox/state.json",
    ".airflow-sandbox/airflow-3.3.2/keys.json",
    ".env",
    ".env.local",
    ".git/config",
    ".netrc",
)
NEEDED = (
    "data/01_raw/orders.csv",
    "data/01_raw/deep/er/orders.parquet",
    "conf/local/.gitkeep",
)
CODE = (
    "conf/base/catalog.yml",
    "conf/base/airflow-k8s.yaml",
    "src/shop/nodes.py",
    "pyproject.toml",
    "requirements.txt",
    "wheels/mine-1.0-py3-none-any.whl",
)
# The rules of the file that kedro-docker makes, in its order, without its words.
OF_KEDRO_DOCKER = """\
*.DS_Store
.idea/
*~
__pycache__/
*.py[cod]
build/
dist/
*.egg-info/
.ipynb_checkpoints
.coverage
.cache
.env
.venv
docs/build

# data
data
logs
notebooks
references
results

# but
!*.gitkeep
!.gitignore

# secrets
conf/local/*
!conf/local/.gitkeep
conf/**/*credentials*
"""
FILES = {
    "empty": "",
    "of kedro-docker": OF_KEDRO_DOCKER,
    "data by its contents": "data/*\nconf/local\n",
    "data at any depth": "**/data/**\n",
    "csv too": "data\n*.csv\n**/*.csv\n",
    "takes all of conf back": "conf/**/*credentials*\n!conf\n",
    "takes data back in the middle": "data\n!data/01_raw\ndata/01_raw\n",
    "only what is named": "*\n!src\n!conf\n!pyproject.toml\n",
    "no line end": "data",
    "comments": "# data\n#!data/01_raw\n",
    "takes passwords back": ".env\n!.env\n.netrc\n!.netrc\n.git\n!.git\n",
    "windows": "data\r\nlogs\r\n",
    "strange patterns": "[\n\\\n!\n/\n***.tmp\ndata\n",
}


def rules(text: str) -> DockerIgnore:
    return DockerIgnore(text.splitlines())


def completed(text: str, layout: Layout = LAYOUT) -> str:
    """The file once the user has added the lines."""
    end = "" if text.endswith("\n") or not text else "\n"
    return text + end + "".join(f"{line}\n" for line in missing_lines(text, layout))


def with_patterns(*patterns: str) -> Layout:
    return replace(LAYOUT, credentials=patterns)


def test_a_new_file_keeps_secrets_and_results_out_and_lets_in_what_pods_need() -> None:
    found = rules(new_dockerignore(LAYOUT))
    assert [path for path in SECRETS if not found.ignores(path)] == []
    assert [path for path in (*NEEDED, *CODE) if found.ignores(path)] == []
    assert found.ignores("data/02_intermediate/big.parquet")
    assert missing_lines(new_dockerignore(LAYOUT), LAYOUT) == []


@pytest.mark.parametrize("present", FILES.values(), ids=FILES)
def test_with_the_missing_lines_secrets_stay_out_and_raw_data_comes_in(present: str) -> None:
    text = completed(present)
    assert [path for path in SECRETS if not rules(text).ignores(path)] == []
    assert [path for path in NEEDED if rules(text).ignores(path)] == []
    assert missing_lines(text, LAYOUT) == []
    # Whatever else comes in or stays out is the user's choice.
    assert [p for p in CODE if rules(text).ignores(p)] == [
        p for p in CODE if rules(present).ignores(p)
    ]


def test_only_lines_that_are_missing_are_named() -> None:
    assert missing_lines(OF_KEDRO_DOCKER, LAYOUT) == [
        ".env*",
        ".netrc",
        ".git",
        ".airflow-sandbox",
        "!data/01_raw",
    ]


def test_raw_data_may_stay_out_when_no_volume_is_filled() -> None:
    layout = replace(LAYOUT, fills_volume=False)
    assert rules(new_dockerignore(layout)).ignores("data/01_raw/orders.csv")
    assert "!data/01_raw" not in missing_lines("data\n", layout)


def test_a_configuration_outside_the_project_needs_no_lines() -> None:
    layout = replace(LAYOUT, conf=None, credentials=("*.yml",))
    assert "credentials" not in new_dockerignore(layout)
    assert too_wide(layout) == []


def test_a_project_with_folders_of_other_names_has_lines_for_those() -> None:
    layout = replace(
        LAYOUT,
        conf="settings/all",
        personal_env="mine",
        base_env="main",
        mount_path=PurePosixPath("/app/warehouse"),
    )
    for text in (new_dockerignore(layout), completed("warehouse\n", layout)):
        found = rules(text)
        assert not found.ignores("warehouse/01_raw/orders.csv")
        assert found.ignores("warehouse/02_intermediate/orders.csv")
        assert found.ignores("settings/all/mine/x.yml")
        assert not found.ignores("settings/all/mine/.gitkeep")
        assert found.ignores("settings/all/base/credentials.yml")
        assert not found.ignores("settings/all/main/catalog.yml")


@pytest.mark.parametrize("name", ["a[b]c", "a*b", "#a", "!a", "a?b"])
def test_a_folder_with_signs_of_patterns_in_its_name_is_meant_as_it_is(name: str) -> None:
    layout = replace(LAYOUT, conf=name, mount_path=PurePosixPath(f"/app/{name}s"))
    for text in (new_dockerignore(layout), completed("*\n", layout)):
        assert not rules(text).ignores(f"{name}s/01_raw/orders.csv")
        assert rules(text).ignores(f"{name}/base/credentials.yml")
        assert missing_lines(text, layout) == []


# --- files with passwords under other names ---------------------------------------------------


@pytest.mark.parametrize(
    ("pattern", "files"),
    [
        ("secrets*", ["conf/base/secrets.yml", "conf/prod/eu/secrets_db.json"]),
        ("secrets*/**", ["conf/base/secrets_of_mine/db.yml", "conf/prod/secrets/a/b.yml"]),
        ("**/passwords.yml", ["conf/base/passwords.yml", "conf/base/a/b/passwords.yml"]),
        ("vault/db?.yml", ["conf/base/vault/db1.yml"]),
        ("vault/db[0-9].yml", ["conf/prod/vault/db7.yml"]),
        ("key[!s].yml", ["conf/base/keyA.yml"]),
        ("../shared/secrets.yml", ["conf/shared/secrets.yml"]),
        ("../../vault.yml", ["vault.yml"]),
    ],
)
def test_files_in_which_the_loader_looks_for_passwords_stay_out(
    pattern: str, files: list[str]
) -> None:
    layout = with_patterns(pattern)
    for text in (new_dockerignore(layout), completed("data\n!data/01_raw\n", layout)):
        assert [path for path in (*files, *SECRETS) if not rules(text).ignores(path)] == []
        assert [path for path in (*NEEDED, *CODE) if rules(text).ignores(path)] == []
        assert missing_lines(text, layout) == []


def test_patterns_that_lead_out_of_the_project_or_that_kedro_has_anyway_add_nothing() -> None:
    usual = ("credentials*", "credentials*/**", "**/credentials*")
    outside = ("../../../passwords.yml", "../../../../etc/passwords.yml")
    layout = with_patterns(*usual, *outside)
    assert new_dockerignore(layout) == new_dockerignore(LAYOUT)


def test_a_pattern_that_also_means_the_catalog_takes_no_configuration_out() -> None:
    layout = with_patterns("*.yml", "secrets*")
    assert too_wide(layout) == ["*.yml"]
    text = new_dockerignore(layout)
    assert [path for path in (*NEEDED, *CODE) if rules(text).ignores(path)] == []
    assert rules(text).ignores("conf/base/secrets.yml")
