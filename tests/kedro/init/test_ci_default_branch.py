"""Which branch the workflows take for the default one: never the one that happens to be out."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from kedro_airflow_k8s.errors import ScaffoldError
from kedro_airflow_k8s.init.github_actions import github_workflows
from kedro_airflow_k8s.init.gitlab_ci import gitlab_pipeline
from kedro_airflow_k8s.init.project_facts import find_repository
from tests.kedro.init.ci_machine import git
from tests.kedro.init.ci_variants import FACTS


@pytest.fixture(autouse=True)
def _no_git_configuration_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A repository without a branch."""
    made = tmp_path / "repository"
    made.mkdir()
    git(made, "init", "--quiet", "--initial-branch=unborn")
    return made


def commit(folder: Path, *branches: str) -> None:
    """Make branches; the last one is checked out."""
    for branch in branches:
        git(folder, "checkout", "--quiet", "-B", branch)
        git(folder, "commit", "--quiet", "--allow-empty", "--message=One")


def default_branch(folder: Path) -> str:
    found = find_repository(folder)
    assert found.root == folder.resolve()
    return found.default_branch


def test_a_branch_that_adds_ci_is_not_taken_for_the_default_one(folder: Path) -> None:
    commit(folder, "develop", "add-ci")
    git(folder, "remote", "add", "origin", "https://git.example.com/shop.git")
    assert default_branch(folder) == ""


def test_a_usual_name_is_taken_if_there_is_such_a_branch(folder: Path) -> None:
    commit(folder, "feature", "trunk")
    git(folder, "checkout", "--quiet", "--detach")
    assert default_branch(folder) == "trunk"
    commit(folder, "master", "feature")
    assert default_branch(folder) == "master"
    commit(folder, "main", "feature")
    assert default_branch(folder) == "main"


def test_what_the_remote_calls_its_head_comes_first(folder: Path, tmp_path: Path) -> None:
    commit(folder, "main", "team/s")
    git(tmp_path, "clone", "--quiet", "--origin=s", folder.as_uri(), "clone")
    clone = tmp_path / "clone"
    commit(clone, "main", "feature")
    assert default_branch(clone) == "team/s"
    # A fork's `origin` comes before what else there is.
    git(folder, "checkout", "--quiet", "main")
    git(clone, "remote", "add", "origin", folder.as_uri())
    git(clone, "fetch", "--quiet", "origin")
    git(clone, "remote", "set-head", "origin", "--auto")
    assert default_branch(clone) == "main"


def test_a_branch_that_only_the_remote_has_counts(folder: Path, tmp_path: Path) -> None:
    commit(folder, "main", "other")
    clone = tmp_path / "clone"
    clone.mkdir()
    git(clone, "init", "--quiet", "--initial-branch=add-ci")
    git(clone, "remote", "add", "origin", folder.as_uri())
    git(clone, "fetch", "--quiet", "origin")
    commit(clone, "add-ci")
    assert not (clone / ".git/refs/remotes/origin/HEAD").exists()
    assert default_branch(clone) == "main"


def test_what_git_is_told_is_taken(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit(folder, "main", "develop", "feature")
    mine = tmp_path / "gitconfig"
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(mine))
    # That of the user is about other repositories, too.
    mine.write_text("[init]\n\tdefaultBranch = elsewhere\n")
    assert default_branch(folder) == "main"
    mine.write_text("[init]\n\tdefaultBranch = develop\n")
    assert default_branch(folder) == "develop"
    # That of the repository is about nothing else, even before the branch is there.
    git(folder, "config", "init.defaultBranch", "release")
    assert default_branch(folder) == "release"


def test_the_only_branch_is_the_default_one(folder: Path) -> None:
    assert default_branch(folder) == "unborn"
    commit(folder, "solo")
    assert default_branch(folder) == "solo"


def test_a_clone_with_a_commit_and_no_branch_does_not_tell(folder: Path) -> None:
    commit(folder, "solo")
    git(folder, "checkout", "--quiet", "--detach")
    git(folder, "branch", "--quiet", "-D", "solo")
    assert default_branch(folder) == ""


def test_without_a_repository_it_is_main(tmp_path: Path) -> None:
    assert find_repository(tmp_path).default_branch == "main"


def test_workflows_are_refused_that_would_have_to_guess_and_git_can_be_told(folder: Path) -> None:
    commit(folder, "develop", "add-ci")
    unknown = replace(FACTS, default_branch=default_branch(folder))
    with pytest.raises(ScaffoldError, match=r"which branch .*`git config init\.defaultBranch "):
        github_workflows(unknown, "ghcr", "none")
    git(folder, "config", "init.defaultBranch", "develop")
    assert github_workflows(replace(FACTS, default_branch=default_branch(folder)), "ghcr", "none")
    # GitLab tells its jobs which one it is.
    assert gitlab_pipeline(unknown, "ghcr", "none")


def test_the_branch_that_was_taken_is_said(folder: Path) -> None:
    run, schedule = github_workflows(replace(FACTS, default_branch="trunk"), "ghcr", "none")
    assert "trunk" in run.why
    assert "trunk" in schedule.why
    for file in (run, schedule):
        top, _, _ = file.text.partition("\nname: ")
        assert '"trunk"' in top
