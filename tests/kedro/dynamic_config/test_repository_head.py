"""`commit_id` and `branch_name` in every state that a git repository can be in."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from kedro.config import OmegaConfigLoader

from kedro_airflow_k8s.dynamic_config import explanations, repository, variables
from kedro_airflow_k8s.dynamic_config.repository import Head, head_of
from tests.kedro.project.test_git import commit_all, git


@pytest.fixture(autouse=True)
def _nothing_known(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [n for n in os.environ if n.startswith(("KEDRO_CONFIG_", "GIT_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    monkeypatch.setattr(variables, "_told", {})
    monkeypatch.setattr(variables, "_heads", {})


@pytest.fixture(name="folder")
def folder_fixture(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "file").write_text("text")
    return folder


def test_a_branch_is_its_commit_and_its_name(folder: Path) -> None:
    sha = commit_all(folder)
    git(folder, "checkout", "--quiet", "-b", "feature/new-prices")
    (folder / "inner").mkdir()
    assert head_of(folder / "inner") == Head(sha, "feature/new-prices")


def test_uncommitted_changes_do_not_change_the_commit(folder: Path) -> None:
    sha = commit_all(folder)
    (folder / "file").write_text("other text")
    assert head_of(folder) == Head(sha, "main")


def test_packed_references_and_a_second_worktree_are_read(folder: Path, tmp_path: Path) -> None:
    sha = commit_all(folder)
    git(folder, "pack-refs", "--all")
    git(folder, "worktree", "add", "--quiet", "-b", "second", str(tmp_path / "second"))
    assert head_of(folder) == Head(sha, "main")
    assert head_of(tmp_path / "second") == Head(sha, "second")


def test_a_detached_head_has_no_branch(folder: Path) -> None:
    sha = commit_all(folder)
    git(folder, "checkout", "--quiet", "--detach")
    assert head_of(folder) == Head(sha, None)


def test_before_the_first_commit_there_is_only_a_branch(folder: Path) -> None:
    git(folder, "init", "--quiet", "--initial-branch=trunk")
    assert head_of(folder) == Head(None, "trunk")


def test_a_repository_of_the_other_hash_has_a_commit(folder: Path) -> None:
    sha = commit_all(folder, "--object-format=sha256")
    assert len(sha) == 64
    assert head_of(folder).commit == sha


def test_outside_git_there_is_nothing(folder: Path) -> None:
    assert head_of(folder) == Head()


def test_a_broken_repository_is_like_none(folder: Path) -> None:
    commit_all(folder)
    (folder / ".git" / "HEAD").write_text("rubbish\n")
    assert head_of(folder).branch is None


def test_without_the_git_program_there_is_nothing(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit_all(folder)
    monkeypatch.setitem(__import__("sys").modules, "git", None)
    assert head_of(folder) == Head()


def test_a_variable_goes_above_git_even_when_it_is_empty(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sha = commit_all(folder)
    variables.work_on(folder)
    assert variables.value_of("commit_id") == variables.value_of("Commit_ID") == sha
    assert variables.value_of("branch_name") == "main"
    monkeypatch.setenv("KEDRO_CONFIG_COMMIT_ID", "")
    monkeypatch.setenv("KEDRO_CONFIG_BRANCH_NAME", "from-ci")
    assert variables.value_of("commit_id") == ""
    assert variables.value_of("branch_name") == "from-ci"


def test_git_is_read_once_for_all_files_of_a_session(folder: Path) -> None:
    sha = commit_all(folder)
    variables.work_on(folder)
    assert variables.value_of("commit_id") == sha
    shutil.rmtree(folder / ".git")
    assert variables.value_of("commit_id") == sha
    assert variables.value_of("branch_name") == "main"


def test_a_second_session_of_a_process_has_the_commit_made_since(folder: Path) -> None:
    """In a notebook, for instance; globals.yml is read before Kedro calls any hook."""
    explanations.explain()
    (folder / "conf/base").mkdir(parents=True)
    (folder / "conf/base/globals.yml").write_text("commit: ${kedro_config:commit_id}\n")

    def commit_of_globals() -> object:
        made = OmegaConfigLoader(str(folder / "conf"), base_env="base", default_run_env="base")
        return made["globals"]["commit"]

    first = commit_all(folder)
    variables.work_on(folder)
    assert commit_of_globals() == first
    (folder / "file").write_text("other text")
    second = commit_all(folder)
    assert first != second
    assert commit_of_globals() == second
    assert variables.value_of("commit_id") == second


def test_a_session_that_tells_its_project_has_the_commit_made_since(folder: Path) -> None:
    first = commit_all(folder)
    variables.work_on(folder)
    assert variables.value_of("commit_id") == first
    (folder / "file").write_text("other text")
    second = commit_all(folder)
    variables.work_on(folder)
    assert variables.value_of("commit_id") == second


def test_before_a_session_tells_it_is_the_project_around_the_working_directory(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "pyproject.toml").write_text("[tool.kedro]\npackage_name = 'shop'\n")
    inner = folder / "src" / "shop"
    inner.mkdir(parents=True)
    sha = commit_all(folder)
    monkeypatch.chdir(inner)
    assert head_of(repository.project_around()).commit == sha


def test_elsewhere_it_is_the_repository_of_the_projects_package(
    folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    package = folder / "src" / "shop_of_this_test"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    sha = commit_all(folder)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(folder / "src"))
    monkeypatch.setattr("kedro.framework.project.PACKAGE_NAME", package.name)
    assert head_of(repository.project_around()).commit == sha
