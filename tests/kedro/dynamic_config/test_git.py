"""The commit a DAG names, in every state a git repository can be in."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from kedro_airflow_k8s.dynamic_config.git import describe_commit, files_since
from tests.support.kedro_projects import (
    ProjectFolder,
    make_project,
    project_fixture,  # noqa: F401 - fixture
)


@pytest.fixture(autouse=True)
def _only_the_repositorys_own_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_SYSTEM", os.devnull)


def git(folder: Path, *arguments: str) -> str:
    """Call git in a folder."""
    identity = ("-c", "user.name=A", "-c", "user.email=a@example.com")
    run = subprocess.run(
        ["git", *identity, *arguments], cwd=folder, capture_output=True, text=True, check=True
    )
    return run.stdout.strip()


def commit_all(folder: Path, *init: str) -> str:
    """Make a folder a repository if it is none, commit what is in it, and return the hash."""
    if not (folder / ".git").exists():
        git(folder, "init", "--quiet", "--initial-branch=main", *init)
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message=all")
    return git(folder, "rev-parse", "HEAD")


def commit_tag(dag: str) -> str:
    """The commit in the tags of a DAG."""
    (found,) = re.findall(r"[\"']commit_sha:([^\"']*)[\"']", dag)
    return str(found)


def test_a_clean_tree_is_its_commit(project: ProjectFolder) -> None:
    sha = commit_all(project.path)
    assert describe_commit(project.path) == sha
    assert project.compile().exit_code == 0
    assert commit_tag(project.dag()) == sha


def test_a_modified_file_makes_it_dirty(project: ProjectFolder) -> None:
    sha = commit_all(project.path)
    project.write("conf/base/airflow-k8s.yaml", "# changed\n")
    assert describe_commit(project.path) == f"{sha}-dirty"


@pytest.mark.parametrize("setting", ["normal", "no", "all"])
def test_a_file_git_does_not_know_makes_it_dirty_unless_git_ignores_it(
    project: ProjectFolder, setting: str
) -> None:
    project.write(".gitignore", "__pycache__/\ndata/\n")
    sha = commit_all(project.path)
    git(project.path, "config", "status.showUntrackedFiles", setting)
    project.write("data/orders.csv", "")
    assert describe_commit(project.path) == sha
    project.write("src/shop/new.py", "")
    assert describe_commit(project.path) == f"{sha}-dirty"


def test_the_files_that_differ_from_a_commit_are_known_also_those_not_committed(
    project: ProjectFolder,
) -> None:
    commit = commit_all(project.path)
    changed, new = project.path / "src/shop/settings.py", project.path / "src/shop/more.py"
    changed.write_text(changed.read_text() + "\n# changed\n")
    new.write_text("")

    assert files_since(project.path / "src", commit) == frozenset(
        (changed.resolve(), new.resolve())
    )
    assert files_since(project.path, "0" * 40) is None


def test_outside_a_repository_no_file_is_known_to_differ(tmp_path: Path) -> None:
    assert files_since(tmp_path, "0" * 40) is None


def test_a_detached_head_says_so(project: ProjectFolder) -> None:
    sha = commit_all(project.path)
    git(project.path, "checkout", "--quiet", "--detach")
    assert describe_commit(project.path) == f"{sha}-detached"
    project.write("new", "")
    assert describe_commit(project.path) == f"{sha}-dirty-detached"


def test_a_shallow_clone_says_so(project: ProjectFolder, tmp_path: Path) -> None:
    commit_all(project.path)
    project.write("second", "")
    sha = commit_all(project.path)
    git(tmp_path, "clone", "--quiet", "--depth=1", project.path.as_uri(), "clone")
    assert describe_commit(tmp_path / "clone") == f"{sha}-shallow"
    git(tmp_path / "clone", "checkout", "--quiet", "--detach")
    git(tmp_path / "clone", "worktree", "add", "--quiet", str(tmp_path / "tree"))
    assert describe_commit(tmp_path / "tree") == f"{sha}-shallow"


def test_no_repository_still_gives_a_dag(project: ProjectFolder) -> None:
    assert describe_commit(project.path) == "none"
    assert project.compile().exit_code == 0
    assert commit_tag(project.dag()) == "none"


def test_a_repository_without_a_commit_still_gives_a_dag(project: ProjectFolder) -> None:
    git(project.path, "init", "--quiet")
    assert project.compile().exit_code == 0
    assert commit_tag(project.dag()) == "no-commit"


def test_of_a_larger_repository_only_the_projects_own_folder_counts(tmp_path: Path) -> None:
    shop = make_project(tmp_path / "repository" / "teams" / "shop")
    sha = commit_all(tmp_path / "repository")
    (tmp_path / "repository" / "elsewhere.txt").write_text("")
    assert describe_commit(shop.path) == sha
    assert describe_commit(shop.path, shop.path / "dags") == sha
    shop.write("here.txt", "")
    assert describe_commit(shop.path, shop.path / "dags") == f"{sha}-dirty"


def test_a_worktree_is_its_own_commit(project: ProjectFolder, tmp_path: Path) -> None:
    commit_all(project.path)
    git(project.path, "worktree", "add", "--quiet", "-b", "other", str(tmp_path / "tree"))
    (tmp_path / "tree" / "more").write_text("")
    sha = commit_all(tmp_path / "tree")
    project.write("not there", "")
    assert describe_commit(tmp_path / "tree") == sha


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root gives away")
def test_a_repository_of_another_owner_names_its_commit_but_vouches_for_nothing(
    project: ProjectFolder,
) -> None:
    sha = commit_all(project.path)
    for path in (project.path, *project.path.rglob("*")):
        os.chown(path, 12345, 12345, follow_symlinks=False)
    refusal = subprocess.run(["git", "status"], cwd=project.path, capture_output=True, check=False)
    assert b"dubious ownership" in refusal.stderr
    assert describe_commit(project.path) == f"{sha}-unchecked"


def test_without_git_on_the_machine_there_is_a_dag_all_the_same(
    project: ProjectFolder, tmp_path: Path
) -> None:
    commit_all(project.path)
    run = project.start_kedro("airflow-k8s", "compile", PATH=str(tmp_path))
    assert run.returncode == 0, run.stderr
    assert commit_tag(project.dag()) == "none"


def test_a_repository_with_sha256_is_read_too(project: ProjectFolder) -> None:
    sha = commit_all(project.path, "--object-format=sha256")
    assert len(sha) == 64
    assert describe_commit(project.path) == sha
    git(project.path, "checkout", "--quiet", "--detach")
    project.write("new", "")
    assert describe_commit(project.path) == f"{sha}-dirty-detached"


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("index", "junk"),
        ("config", "[[[ junk"),
        ("config", "[core]\nbare = perhaps\n"),
        ("HEAD", "junk"),
        ("HEAD", "ref: refs/heads/main\n\n"),
        ("refs/heads/main", "junk"),
        ("refs/heads/main", "0" * 40),
    ],
)
def test_a_broken_repository_still_gives_a_dag_and_is_never_called_clean(
    project: ProjectFolder, file: str, content: str
) -> None:
    sha = commit_all(project.path)
    (project.path / ".git" / file).write_text(content)
    broken = subprocess.run(["git", "status"], cwd=project.path, capture_output=True, check=False)
    found = describe_commit(project.path)
    assert found != sha or broken.returncode == 0
    assert re.fullmatch(r"none|no-commit|unreadable|[0-9a-f]{40}(-unchecked)?(-detached)?", found)
    assert project.compile().exit_code == 0


def test_lost_objects_are_never_called_clean(project: ProjectFolder) -> None:
    sha = commit_all(project.path)
    shutil.rmtree(project.path / ".git" / "objects")
    (project.path / ".git" / "objects").mkdir()
    assert describe_commit(project.path) == f"{sha}-unchecked"


# --- the DAG itself ---------------------------------------------------------------------------


@pytest.mark.parametrize("target", ["dags", ".", "a [b] c*/d?", "dags/deeper"])
@pytest.mark.parametrize("tracked", [True, False])
def test_compiled_twice_the_bytes_are_the_same_whether_git_knows_the_file_or_not(
    project: ProjectFolder, target: str, tracked: bool
) -> None:
    sha = commit_all(project.path)
    folder = project.path / target
    compile_it = ("--all", "-t", str(folder))
    assert project.compile(*compile_it).exit_code == 0
    if tracked:
        project.config("run_config:\n    image: example.com/newer:2\n")
        sha = commit_all(project.path)
        assert project.compile(*compile_it).exit_code == 0
    first = {file.name: file.read_bytes() for file in folder.glob("shop*.py")}
    assert len(first) == 3
    assert project.compile(*compile_it).exit_code == 0
    assert {file.name: file.read_bytes() for file in folder.glob("shop*.py")} == first
    assert commit_tag(first["shop.py"].decode()) == sha


def test_an_upload_from_a_clean_tree_is_clean_however_often(
    project: ProjectFolder, tmp_path: Path
) -> None:
    sha = commit_all(project.path)
    for _ in range(2):
        upload = project.kedro("airflow-k8s", "upload-pipeline", "-o", str(tmp_path / "airflow"))
        assert upload.exit_code == 0
        assert commit_tag((tmp_path / "airflow" / "shop.py").read_text()) == sha


@pytest.mark.parametrize("name", ["dags/notes.txt", "dags/deep/x.py", "src/shop/new.py", "x.txt"])
def test_what_is_not_a_dag_counts_wherever_the_dags_go(project: ProjectFolder, name: str) -> None:
    sha = commit_all(project.path)
    project.write("dags/shop.py", "")
    assert describe_commit(project.path, project.path / "dags") == sha
    project.write(name, "")
    assert describe_commit(project.path, project.path / "dags") == f"{sha}-dirty"
    assert describe_commit(project.path, project.path) == f"{sha}-dirty"


def test_a_folder_of_dags_outside_changes_nothing(project: ProjectFolder, tmp_path: Path) -> None:
    sha = commit_all(project.path)
    assert describe_commit(project.path, tmp_path / "airflow") == sha
    (project.path / "link").symlink_to(tmp_path)
    assert describe_commit(project.path, project.path / "link") == f"{sha}-dirty"


def test_an_upload_to_a_folder_within_the_project_does_not_make_the_next_one_dirty(
    project: ProjectFolder,
) -> None:
    sha = commit_all(project.path)
    for _ in range(2):
        upload = project.kedro("airflow-k8s", "upload-pipeline", "-o", str(project.path / "out"))
        assert upload.exit_code == 0, upload.output
        assert commit_tag((project.path / "out" / "shop.py").read_text()) == sha


def test_upload_after_compile_delivers_the_same_bytes(
    project: ProjectFolder, tmp_path: Path
) -> None:
    commit_all(project.path)
    assert project.compile().exit_code == 0
    upload = project.kedro("airflow-k8s", "upload-pipeline", "-o", str(tmp_path / "airflow"))
    assert upload.exit_code == 0
    assert (tmp_path / "airflow" / "shop.py").read_text() == project.dag()


def test_only_the_folder_of_the_project_is_asked_of_git(project: ProjectFolder) -> None:
    # A name that git would take for a pattern or an option.
    odd = make_project(project.path / "-[x] :(top)*")
    sha = commit_all(project.path)
    project.write("outside", "")
    assert describe_commit(odd.path) == sha
    odd.write("inside", "")
    assert describe_commit(odd.path) == f"{sha}-dirty"
