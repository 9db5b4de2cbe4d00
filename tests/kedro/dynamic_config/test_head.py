"""`commit_id` and `branch_name` in every state that a git repository can be in."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from kedro_airflow_k8s.dynamic_config.git import Head, head_of
from kedro_airflow_k8s.dynamic_config.variables import value_of
from tests.kedro.dynamic_config.test_git import commit_all, git


@pytest.fixture(autouse=True)
def _nothing_known(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [n for n in os.environ if n.startswith(("KEDRO_CONFIG_", "GIT_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    monkeypatch.setattr("kedro.framework.project.PACKAGE_NAME", None)
    monkeypatch.chdir(tmp_path)


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
    monkeypatch.setenv("PATH", str(folder))
    assert head_of(folder) == Head()


def test_where_there_is_no_repository_git_is_not_even_started(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pod would wait for it."""
    git_program = folder / "git"
    git_program.write_text(f"#!/bin/sh\ntouch {folder / 'started'}; exit 1\n")
    git_program.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=":")

    assert value_of("commit_id", folder) is None
    assert not (folder / "started").exists()
    (folder / ".git").mkdir()
    assert value_of("commit_id", folder) is None
    assert (folder / "started").exists()


def test_a_variable_goes_above_git_even_when_it_is_empty(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sha = commit_all(folder)
    monkeypatch.chdir(folder)
    assert value_of("commit_id") == value_of("Commit_ID") == sha
    assert value_of("branch_name") == "main"
    monkeypatch.setenv("KEDRO_CONFIG_COMMIT_ID", "")
    monkeypatch.setenv("KEDRO_CONFIG_BRANCH_NAME", "from-ci")
    assert value_of("commit_id") == ""
    assert value_of("branch_name") == "from-ci"


def test_a_process_that_lasts_has_the_commit_made_since(folder: Path) -> None:
    """A notebook, for instance."""
    first = commit_all(folder)
    assert value_of("commit_id", folder) == first
    (folder / "file").write_text("other text")
    second = commit_all(folder)
    assert first != second
    assert value_of("commit_id", folder) == second


def test_it_is_the_repository_of_the_projects_package_wherever_the_process_is(
    folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    package = folder / "src" / "shop_of_this_test"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    sha = commit_all(folder)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "file").touch()
    other = commit_all(elsewhere)
    monkeypatch.chdir(elsewhere)
    assert value_of("commit_id") == other
    monkeypatch.syspath_prepend(str(folder / "src"))
    monkeypatch.setattr("kedro.framework.project.PACKAGE_NAME", package.name)
    assert value_of("commit_id") == sha
