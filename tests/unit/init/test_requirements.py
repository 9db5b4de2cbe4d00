"""The line of the plugin in requirements.txt: there once, however it is spelled."""

from __future__ import annotations

from pathlib import Path

import pytest
from kedro import __version__ as kedro_version
from packaging.requirements import Requirement

from kedro_airflow_k8s import __version__
from kedro_airflow_k8s.init.packages import project_packages
from kedro_airflow_k8s.init.requirements import (
    SPARK,
    files_of,
    new_requirements,
    plugin_line,
    with_packages,
    with_plugin,
)

SPELLINGS = [
    "kedro-airflow-k8s",
    "kedro_airflow_k8s==1.0.0",
    "Kedro.Airflow.K8s >= 1 ; python_version > '3.9'",
    "kedro-airflow-k8s[gcp,mlflow]~=1.0  # for pods",
    "kedro-airflow-k8s @ https://example.com/kedro_airflow_k8s-1.0.0-py3-none-any.whl",
    "git+https://example.com/team/kedro-airflow-k8s.git@main",
    "-e git+ssh://git@example.com/kedro-airflow-k8s#egg=kedro_airflow_k8s",
    "--editable ../kedro-airflow-k8s",
    "./wheels/kedro_airflow_k8s-1.0.0-py3-none-any.whl",
    "kedro-airflow-k8s==1.0.0 --hash=sha256:aa",
    "kedro-airflow-k8s==1.0.0 \\",
]
OTHERS = [
    "# kedro-airflow-k8s",
    "kedro  # and kedro-airflow-k8s later",
    "kedro-airflow",
    "kedro-airflow-k8s-extras",
    "mykedro-airflow-k8s",
    "kedro-airflow-k8s9",
    "--index-url https://example.com/simple",
    "",
]


def write(folder: Path, text: str, name: str = "requirements.txt") -> Path:
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
    return file


@pytest.mark.parametrize("line", SPELLINGS)
def test_the_plugin_is_known_in_any_spelling(line: str) -> None:
    text = f"pandas\n{line}\nkedro\n"
    assert with_plugin(text) == text


@pytest.mark.parametrize("line", OTHERS)
def test_other_lines_are_not_taken_for_the_plugin(line: str) -> None:
    text = f"pandas\n{line}\nkedro\n"
    assert with_plugin(text) == f"{text}{plugin_line()}\n"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", "{}\n"),
        ("kedro\n", "kedro\n{}\n"),
        ("kedro", "kedro\n{}\n"),
        ("a\r\nb\r\n", "a\r\nb\r\n{}\r\n"),
    ],
)
def test_one_line_is_added_and_nothing_else_changes(before: str, after: str) -> None:
    assert with_plugin(before) == after.format(plugin_line())


def test_the_line_takes_this_version() -> None:
    assert Requirement(plugin_line()).specifier.contains(__version__)
    assert not Requirement(plugin_line()).specifier.contains("0.8.0")


def test_a_project_without_a_file_gets_what_pyproject_names(tmp_path: Path) -> None:
    pyproject = write(tmp_path, "", "pyproject.toml")
    assert (
        new_requirements(project_packages(tmp_path)) == f"kedro~={kedro_version}\n{plugin_line()}\n"
    )
    pyproject.write_text('[project]\ndependencies = ["pandas", "kedro~=1.5"]\n')
    text = new_requirements(project_packages(tmp_path), ["gcp"])
    assert text == f"pandas\nkedro~=1.5\n{plugin_line(['gcp'])}\n"
    pyproject.write_text('[project]\ndependencies = ["kedro", "kedro_airflow_k8s"]\n')
    assert new_requirements(project_packages(tmp_path)) == "kedro\nkedro_airflow_k8s\n"


def test_the_files_that_pip_reads_are_named_with_their_folders(tmp_path: Path) -> None:
    write(tmp_path, "-c pins/deep.txt\nkedro\n", "reqs/base.txt")
    write(tmp_path, "kedro==1.7\n", "reqs/pins/deep.txt")
    write(tmp_path, "x==1\n", "constraints.txt")
    file = write(tmp_path, "-r reqs/base.txt\n--constraint=constraints.txt\n-r ../up.txt\n")
    assert sorted(files_of(file)) == [
        "constraints.txt",
        "reqs/base.txt",
        "reqs/pins/deep.txt",
        "requirements.txt",
    ]


@pytest.mark.parametrize(
    ("requirement", "line"),
    [
        ('"^1.5"', "x>=1.5,<2"),
        ('"^1.5.2"', "x>=1.5.2,<2"),
        ('"^0.2.3"', "x>=0.2.3,<0.3"),
        ('"^0.0.3"', "x>=0.0.3,<0.0.4"),
        ('"^0"', "x>=0,<1"),
        ('"~1.5.2"', "x>=1.5.2,<1.6"),
        ('"~1"', "x>=1,<2"),
        ('"*"', "x"),
        ('"1.2.3"', "x==1.2.3"),
        ('">=1.2,<3"', "x>=1.2,<3"),
        ('"~=1.2"', "x~=1.2"),
        ('{version = "^2", extras = ["a", "b"]}', "x[a,b]>=2,<3"),
        ('{version = "*", markers = "sys_platform == \'linux\'"}', "x ; sys_platform == 'linux'"),
        ('{version = "1", python = ">=3.9"}', "x==1 ; python_version >= '3.9'"),
        ('{git = "https://example.com/x.git", tag = "v1"}', "x @ git+https://example.com/x.git@v1"),
        ('{url = "https://example.com/x.whl"}', "x @ https://example.com/x.whl"),
    ],
)
def test_dependencies_of_poetry_are_written_as_pip_has_them(
    tmp_path: Path, requirement: str, line: str
) -> None:
    text = f'[tool.poetry.dependencies]\npython = "^3.11"\nkedro = "*"\nx = {requirement}\n'
    write(tmp_path, text, "pyproject.toml")
    found = project_packages(tmp_path)
    assert found.unread == ()
    assert new_requirements(found) == f"kedro\n{line}\n{plugin_line()}\n"
    for each in new_requirements(found).splitlines():
        Requirement(each)


@pytest.mark.parametrize("requirement", ['{path = "../x"}', '"^1.0 || ^2.0"', '"^1.0b1"'])
def test_what_pip_has_no_word_for_is_reported(tmp_path: Path, requirement: str) -> None:
    write(tmp_path, f"[tool.poetry.dependencies]\nx = {requirement}\ny = '*'\n", "pyproject.toml")
    found = project_packages(tmp_path)
    assert found.lines == ("y",)
    assert found.unread == ("x in [tool.poetry.dependencies]",)


@pytest.mark.parametrize(
    ("pyproject", "file"),
    [
        ("", "src/requirements.txt"),
        ('[tool.setuptools.dynamic]\ndependencies = {file = ["a.txt"]}\n', "a.txt"),
        ('[tool.setuptools.dynamic]\ndependencies = {file = "a.txt"}\n', "a.txt"),
        ('[tool.hatch.metadata.hooks.requirements_txt]\nfiles = ["a.txt"]\n', "a.txt"),
    ],
)
def test_a_file_with_the_packages_is_included(tmp_path: Path, pyproject: str, file: str) -> None:
    write(tmp_path, pyproject, "pyproject.toml")
    write(tmp_path, "kedro~=1.0\nscikit-learn\n", file)
    text = new_requirements(project_packages(tmp_path))
    assert text == f"-r {file}\n{plugin_line()}\n"
    # The image gets the file before requirements.txt is there.
    assert sorted(files_of(tmp_path / "requirements.txt", text)) == sorted(
        [file, "requirements.txt"]
    )


@pytest.mark.parametrize("name", ["environment.yml", "Pipfile", "setup.py"])
def test_packages_in_the_file_of_another_tool_are_reported(tmp_path: Path, name: str) -> None:
    write(tmp_path, "x", name)
    assert project_packages(tmp_path).unread == (name,)
    # What pyproject.toml has is enough.
    write(tmp_path, '[project]\ndependencies = ["pandas"]\n', "pyproject.toml")
    assert project_packages(tmp_path).unread == ()


def test_the_packages_of_spark_are_added_unless_they_are_named() -> None:
    assert with_packages("kedro", SPARK) == "kedro\npyspark[connect]\njdk4py\n"
    present = "PySpark[connect,sql]~=4.0\njdk4py==17.0.9.2\n"
    assert with_packages(present, SPARK) == present
