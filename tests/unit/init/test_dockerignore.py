"""What the `.dockerignore` of `init` does, by the rules of Docker and not by the looks of it."""

from __future__ import annotations

import pytest

from kedro_airflow_k8s.init.dockerignore import Contents, dockerignore, too_wide
from kedro_airflow_k8s.sandbox.dockerignore import DockerIgnore

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
    "none": None,
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
    "environment only": ".venv\n",
    "takes passwords back": ".env\n!.env\n.netrc\n!.netrc\n.git\n!.git\n",
    "no code and no configuration": "src\nconf\npyproject.toml\n",
    "no base": "conf/base\n**/*.py\n*.toml\n",
    "configuration by its contents": "conf/*\nsrc/**\n",
    "windows": "data\r\nlogs\r\n",
    "strange patterns": "[\n\\\n!\n/\n***.tmp\ndata\n",
}


def rules(text: str) -> DockerIgnore:
    return DockerIgnore(text.splitlines())


def made(present: str | None, *, wheels: bool = True) -> str:
    return dockerignore(present, Contents("data", "conf", "local", wheels=wheels))


@pytest.mark.parametrize("present", FILES.values(), ids=FILES)
def test_passwords_stay_out_and_what_pods_need_comes_in(present: str | None) -> None:
    text = made(present)
    assert [path for path in SECRETS if not rules(text).ignores(path)] == []
    assert [path for path in NEEDED if rules(text).ignores(path)] == []


@pytest.mark.parametrize("present", FILES.values(), ids=FILES)
def test_a_second_time_there_is_nothing_to_add(present: str | None) -> None:
    assert made(made(present)) == made(present)


@pytest.mark.parametrize("present", [text for text in FILES.values() if text], ids=str)
def test_every_line_that_was_there_stays_in_its_order(present: str) -> None:
    lines = iter(made(present).splitlines())
    assert all(line in lines for line in present.splitlines())


def test_the_rest_of_the_data_stays_out() -> None:
    for present in (None, OF_KEDRO_DOCKER, ".venv\n", ""):
        found = rules(made(present))
        assert found.ignores("data/02_intermediate/big.parquet")
        assert found.ignores("data/08_reporting/report.csv")


def test_the_line_for_raw_data_comes_right_behind_the_one_that_drops_it() -> None:
    lines = [line for line in made(OF_KEDRO_DOCKER).splitlines() if line and line[0] != "#"]
    assert lines[lines.index("data") + 1] == "!data/01_raw"


def test_a_file_that_has_all_is_not_touched() -> None:
    text = made(None)
    assert made(text) == text
    without_end = text.rstrip("\n")
    assert made(without_end) == without_end


def test_raw_data_stays_out_when_no_volume_is_filled() -> None:
    text = dockerignore(None, Contents(None, "conf", "local"))
    assert rules(text).ignores("data/01_raw/orders.csv")
    assert dockerignore("data\n", Contents(None, None, "")).startswith("data\n")
    assert "01_raw" not in dockerignore("data\n", Contents(None, None, ""))


def test_a_project_with_folders_of_other_names_has_lines_for_those() -> None:
    contents = Contents("warehouse", "settings/all", "mine", base="main", source="code")
    for present in (None, "warehouse\n", "settings\ncode\n"):
        text = rules(dockerignore(present, contents))
        assert not text.ignores("warehouse/01_raw/orders.csv")
        assert text.ignores("warehouse/02_intermediate/orders.csv")
        assert text.ignores("settings/all/mine/x.yml")
        assert not text.ignores("settings/all/mine/.gitkeep")
        assert text.ignores("settings/all/base/credentials.yml")
        assert not text.ignores("settings/all/main/catalog.yml")
        assert not text.ignores("code/shop/nodes.py")


@pytest.mark.parametrize("name", ["a[b]c", "a*b", "#a", "!a", "a?b"])
def test_a_folder_with_signs_of_patterns_in_its_name_is_meant_as_it_is(name: str) -> None:
    contents = Contents(name, name, "local", source=name)
    for present in (None, "*\n"):
        text = dockerignore(present, contents)
        assert not rules(text).ignores(f"{name}/01_raw/orders.csv")
        assert rules(text).ignores(f"{name}/02_intermediate/x.csv")
        assert rules(text).ignores(f"{name}/base/credentials.yml")
        assert dockerignore(text, contents) == text


# --- files with passwords under other names ---------------------------------------------------


@pytest.mark.parametrize("present", FILES.values(), ids=FILES)
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
    present: str | None, pattern: str, files: list[str]
) -> None:
    contents = Contents("data", "conf", "local", credentials=(pattern,), wheels=True)
    text = dockerignore(present, contents)
    assert [path for path in (*files, *SECRETS) if not rules(text).ignores(path)] == []
    assert [path for path in NEEDED if rules(text).ignores(path)] == []
    assert dockerignore(text, contents) == text


def test_patterns_that_lead_out_of_the_project_or_that_kedro_has_anyway_add_nothing() -> None:
    usual = ("credentials*", "credentials*/**", "**/credentials*")
    outside = ("../../../passwords.yml", "../../../../etc/passwords.yml")
    contents = Contents("data", "conf", "local", credentials=(*usual, *outside), wheels=True)
    assert dockerignore(None, contents) == made(None)


def test_a_pattern_that_also_means_the_catalog_takes_no_configuration_out() -> None:
    contents = Contents("data", "conf", "local", credentials=("*.yml", "secrets*"), wheels=True)
    assert too_wide(contents) == ("*.yml",)
    text = dockerignore(None, contents)
    assert [path for path in NEEDED if rules(text).ignores(path)] == []
    assert rules(text).ignores("conf/base/secrets.yml")


def test_windows_line_ends_stay() -> None:
    text = made(FILES["windows"])
    assert text.count("\n") == text.count("\r\n")
