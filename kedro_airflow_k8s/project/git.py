"""Which git commit a DAG was made from."""

from __future__ import annotations

import re
from collections.abc import Iterator
from configparser import Error as ConfigParserError
from pathlib import Path
from typing import TYPE_CHECKING

from kedro_airflow_k8s.dynamic_config.repository import head_commit
from kedro_airflow_k8s.pod.atomic import TEMPORARY_FILES

if TYPE_CHECKING:
    from git import Repo

NO_REPOSITORY = "none"
"""Of a project that is in no git repository, or where git is not installed."""

NO_COMMIT = "no-commit"
"""Of a repository that has no commit yet."""

UNREADABLE = "unreadable"
"""Of a repository that is broken, or that git refuses to read."""


def describe_commit(project_path: Path, *dag_folders: Path) -> str:
    """The commit's full hash, with what keeps it from being the whole truth.

    `-dirty`: the project has changes, or files that git neither knows nor ignores.
    `-unchecked`: git would not tell whether it has. `-detached`: no branch is checked out.
    `-shallow`: the clone has no history.

    Args:
        project_path: The Kedro project, which may be a folder of a larger repository.
        dag_folders: Where DAGs are written: these do not make the project dirty themselves.
    """
    try:
        from git import Repo
        from git.exc import GitError, InvalidGitRepositoryError, NoSuchPathError
    except ImportError:  # GitPython wants the git program at import.
        return NO_REPOSITORY
    try:
        with Repo(project_path, search_parent_directories=True, expand_vars=False) as repo:
            commit = head_commit(repo)
            if not commit:
                return NO_COMMIT
            return "-".join((commit, *_reservations(repo, project_path, dag_folders)))
    except (InvalidGitRepositoryError, NoSuchPathError):
        return NO_REPOSITORY
    except (GitError, ConfigParserError, OSError, ValueError):
        return UNREADABLE


def _reservations(repo: Repo, project_path: Path, dag_folders: tuple[Path, ...]) -> Iterator[str]:
    from git.exc import CommandError

    paths = [str(project_path)]
    for folder in dag_folders:
        paths += _dags(repo, folder)
    try:
        # The user's status.showUntrackedFiles may hide what is not committed.
        if repo.git.status("--porcelain", "--untracked-files=normal", "--", *paths):
            yield "dirty"
    except CommandError:  # For instance a repository of another user.
        yield "unchecked"
    if _is_detached(repo):
        yield "detached"
    if Path(repo.common_dir, "shallow").exists():
        yield "shallow"


def _dags(repo: Repo, folder: Path) -> Iterator[str]:
    """Git's patterns that leave out DAG files, whole and half-written, directly in a folder."""
    root = Path(repo.working_dir).resolve()
    if not folder.resolve().is_relative_to(root):
        return
    place = re.sub(r"([*?\[\\])", r"\\\1", folder.resolve().relative_to(root).as_posix())
    for pattern in ("*.py", TEMPORARY_FILES):
        yield f":(exclude,top,glob){'' if place == '.' else f'{place}/'}{pattern}"


def _is_detached(repo: Repo) -> bool:
    try:
        return repo.head.is_detached
    except ValueError:  # A hash that GitPython does not know as one.
        return True
