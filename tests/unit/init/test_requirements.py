"""The line of the plugin in requirements.txt: there once, however it is spelled."""

from __future__ import annotations

from pathlib import Path

import pytest
from packaging.requirements import Requirement

from kedro_airflow_k8s import __version__
from kedro_airflow_k8s.init.requirements import (
    installs_plugin,
    is_hashed,
    needed_files,
    new_requirements,
    not_installable,
    plugin_line,
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
def test_the_plugin_is_known_in_any_spelling(line: str, tmp_path: Path) -> None:
    assert installs_plugin(write(tmp_path, f"pandas\n{line}\nkedro\n"))


@pytest.mark.parametrize("line", OTHERS)
def test_other_lines_are_not_taken_for_the_plugin(line: str, tmp_path: Path) -> None:
    assert not installs_plugin(write(tmp_path, f"pandas\n{line}\nkedro\n"))


def test_the_plugin_is_found_in_files_that_are_included_even_in_a_circle(tmp_path: Path) -> None:
    write(tmp_path, "-r ../requirements.txt\nkedro_airflow_k8s\n", "more/base.txt")
    assert installs_plugin(write(tmp_path, "-r more/base.txt\n-r missing.txt\n"))
    write(tmp_path, "-r ../requirements.txt\n", "more/base.txt")
    assert not installs_plugin(tmp_path / "requirements.txt")


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


def test_a_project_without_a_file_gets_what_pyproject_names() -> None:
    text = new_requirements({"project": {"dependencies": ["pandas", "kedro~=1.5"]}}, "1.7.0")
    assert text == f"pandas\nkedro~=1.5\n{plugin_line()}\n"
    assert new_requirements({}, "1.7.0") == f"kedro~=1.7.0\n{plugin_line()}\n"
    named = {"project": {"dependencies": ["kedro", "kedro_airflow_k8s"]}}
    assert new_requirements(named, "1.7.0") == "kedro\nkedro_airflow_k8s\n"


def test_hashes_are_noticed_wherever_they_stand(tmp_path: Path) -> None:
    assert is_hashed(write(tmp_path, "kedro==1 \\\n    --hash=sha256:aa\n"))
    assert is_hashed(write(tmp_path, "--require-hashes\nkedro==1\n"))
    assert not is_hashed(write(tmp_path, "kedro==1\n"))


def test_the_files_that_pip_reads_are_named_with_their_folders(tmp_path: Path) -> None:
    write(tmp_path, "-c pins/deep.txt\nkedro\n", "reqs/base.txt")
    write(tmp_path, "kedro==1.7\n", "reqs/pins/deep.txt")
    write(tmp_path, "x==1\n", "constraints.txt")
    file = write(tmp_path, "-r reqs/base.txt\n--constraint=constraints.txt\n-r ../up.txt\n")
    assert sorted(needed_files(file)) == [
        "constraints.txt",
        "reqs/base.txt",
        "reqs/pins/deep.txt",
        "requirements.txt",
    ]


@pytest.mark.parametrize(
    ("line", "advice"),
    [
        ("-e .", "Delete the line if it is this project"),
        ("--editable=libs/prices", "folder wheels"),
        (".", "Delete the line if it is this project"),
        ("./libs/prices[fast]", "folder wheels"),
        ("libs/prices", "folder wheels"),
        ("../prices ; python_version > '3.9'", "folder wheels"),
        ("/home/me/prices", "folder wheels"),
        ("prices @ file:///home/me/prices", "folder wheels"),
        ("file:///home/me/prices", "folder wheels"),
        ("prices-1.0-py3-none-any.whl", "write the package's name here"),
        ("wheels/prices-1.0-py3-none-any.whl", "write the package's name here"),
        ("git+https://example.com/team/prices.git@main", "no git"),
        ("-e git+ssh://git@example.com/prices#egg=prices", "no git"),
        ("prices[fast] @ git+https://example.com/prices", "no git"),
        ("hg+https://example.com/prices", "no git"),
        ("-r ../base.txt", "no such file"),
        ("--constraint=missing.txt", "no such file"),
    ],
)
def test_what_the_image_cannot_install_is_named_with_the_way_out(
    line: str, advice: str, tmp_path: Path
) -> None:
    (found,) = not_installable(write(tmp_path, f"kedro\n{line}  # mine\npandas\n"))
    assert found.startswith(f"The image cannot install requirements.txt, line 2, {line!r}:")
    assert advice in found


@pytest.mark.parametrize(
    "line",
    [
        "pandas",
        "pandas[aws,excel]>=2,<3 ; python_version > '3.9'",
        "kedro==1.0 --hash=sha256:aa \\",
        "prices @ https://example.com/wheels/prices-1.0-py3-none-any.whl",
        "https://example.com/archive/main.tar.gz",
        "--extra-index-url https://example.com/simple/",
        "--find-links ./wheels",
        "-c https://example.com/pins.txt",
        "-r base.txt",
        "# -e .",
        "",
        "zipp",
        "git-python",
    ],
)
def test_what_the_image_can_install_is_not_named(line: str, tmp_path: Path) -> None:
    write(tmp_path, "x\n", "base.txt")
    assert list(not_installable(write(tmp_path, f"{line}\n"))) == []


def test_a_password_in_a_requirement_is_not_repeated_and_included_files_are_read(
    tmp_path: Path,
) -> None:
    write(tmp_path, "git+https://me:hunter2@example.com/x\n", "more/base.txt")
    (found,) = not_installable(write(tmp_path, "-r more/base.txt\n"))
    assert found.startswith(
        "The image cannot install more/base.txt, line 1, 'git+https://example.com/x':"
    )
