"""Which branch the workflows take for the default one, and which image git suggests."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from kedro_airflow_k8s.init.facts import find_repository, new_image
from tests.kedro.init.ci_machine import git


@pytest.fixture(autouse=True)
def _no_git_configuration_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A repository without a commit."""
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


def test_the_head_of_origin_is_the_default_branch(folder: Path, tmp_path: Path) -> None:
    commit(folder, "main", "team/s")
    git(tmp_path, "clone", "--quiet", folder.as_uri(), "clone")
    commit(tmp_path / "clone", "main", "feature")
    assert default_branch(tmp_path / "clone") == "team/s"


def test_without_it_a_usual_name_is_taken_and_never_the_branch_that_is_out(folder: Path) -> None:
    assert default_branch(folder) == "unborn"
    commit(folder, "develop", "add-ci")
    assert default_branch(folder) == "main"
    commit(folder, "master", "add-ci")
    assert default_branch(folder) == "master"
    commit(folder, "main", "add-ci")
    assert default_branch(folder) == "main"
    git(folder, "checkout", "--quiet", "--detach")
    assert default_branch(folder) == "main"


def test_git_can_say_which_one_it_is(folder: Path, tmp_path: Path) -> None:
    commit(folder, "main", "develop")
    clone = tmp_path / "clone"
    clone.mkdir()
    git(clone, "init", "--quiet", "--initial-branch=add-ci")
    git(clone, "remote", "add", "origin", folder.as_uri())
    git(clone, "fetch", "--quiet", "origin")
    commit(clone, "add-ci")
    assert default_branch(clone) == "main"
    git(clone, "remote", "set-head", "origin", "--auto")
    assert default_branch(clone) == "develop"


def test_without_a_repository_it_is_main(tmp_path: Path) -> None:
    assert find_repository(tmp_path).default_branch == "main"
    (tmp_path / ".git").write_text("broken")
    assert find_repository(tmp_path).default_branch == "main"


@pytest.mark.parametrize(
    ("remote", "image"),
    [
        ("git@github.com:Acme/Shop.git", "ghcr.io/acme/shop"),
        ("https://github.com/acme/shop", "ghcr.io/acme/shop"),
        ("https://x:y@github.com/acme/shop.git/", "ghcr.io/acme/shop"),
        ("ssh://git@gitlab.com/acme/data/shop.git", "registry.gitlab.com/acme/data/shop"),
        ("git@git.example.com:acme/shop.git", "registry.example.com/my-shop"),
        ("https://github.com/a--b/..", "registry.example.com/my-shop"),
        ("", "registry.example.com/my-shop"),
    ],
)
def test_the_remote_says_which_image_is_the_projects(folder: Path, remote: str, image: str) -> None:
    if remote:
        git(folder, "remote", "add", "origin", remote)
    repository = find_repository(folder)
    found = new_image("my-shop", repository, "ghcr")
    assert (found.name, found.tag) == (image, "${commit_id|dirty}")
    assert found.is_example == image.startswith("registry.example.com")
    below = folder / "shops/one"
    below.mkdir(parents=True)
    if not found.is_example:
        assert new_image("one", find_repository(below), "ghcr").name == f"{image}/one"


def test_an_image_without_a_registry_has_no_commit_and_one_of_google_has_the_project(
    folder: Path,
) -> None:
    repository = find_repository(folder)
    plain = new_image("shop", repository, None)
    assert (plain.name, plain.tag) == ("registry.example.com/shop", "1.0")
    google = new_image("shop", repository, "gar")
    assert google.name == "europe-docker.pkg.dev/${google_project_id}/shop/shop"
    assert google.tag == "${commit_id|dirty}"
    assert google.shell_name == "europe-docker.pkg.dev/$KEDRO_CONFIG_GOOGLE_PROJECT_ID/shop/shop"
    assert new_image("shop", repository, "ecr").is_example
