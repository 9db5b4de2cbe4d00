"""What the `.dockerignore` of `init` does, by the rules of Docker and not by the looks of it."""

from __future__ import annotations

import pytest

from kedro_airflow_k8s.sandbox.dockerignore import DockerIgnore
from kedro_airflow_k8s.scaffold.dockerignore import dockerignore

SECRETS = (
    "conf/base/credentials.yml",
    "conf/prod/db_credentials.yaml",
    "conf/prod/deep/credentials_of_mine.json",
    "conf/local/credentials.yml",
    "conf/local/anything.yml",
    ".airflow-sandbox/state.json",
    ".airflow-sandbox/airflow-3.3.2/keys.json",
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
    "windows": "data\r\nlogs\r\n",
    "strange patterns": "[\n\\\n!\n/\n***.tmp\ndata\n",
}


def rules(text: str) -> DockerIgnore:
    return DockerIgnore(text.splitlines())


def made(present: str | None, *, wheels: bool = True) -> str:
    return dockerignore(present, "data", "conf", "local", wheels=wheels)


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
    for present in (None, OF_KEDRO_DOCKER):
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
    text = dockerignore(None, None, "conf", "local", wheels=False)
    assert rules(text).ignores("data/01_raw/orders.csv")
    assert dockerignore("data\n", None, None, "", wheels=False).startswith("data\n")
    assert "01_raw" not in dockerignore("data\n", None, None, "", wheels=False)


def test_a_project_with_folders_of_other_names_has_lines_for_those() -> None:
    text = rules(dockerignore("warehouse\n", "warehouse", "settings/all", "mine", wheels=False))
    assert not text.ignores("warehouse/01_raw/orders.csv")
    assert text.ignores("settings/all/mine/x.yml")
    assert not text.ignores("settings/all/mine/.gitkeep")
    assert text.ignores("settings/all/base/credentials.yml")


def test_windows_line_ends_stay() -> None:
    text = made(FILES["windows"])
    assert text.count("\n") == text.count("\r\n")
