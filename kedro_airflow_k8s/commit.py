"""Which git commit a DAG was made from."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from git import Repo

NO_REPOSITORY = "none"
"""Of a project that is in no git repository, or where git is not installed."""

NO_COMMIT = "no-commit"
"""Of a repository that has no commit yet."""


def describe_commit(project_path: Path, output: Path | None = None) -> str:
    """The commit's full hash, with what keeps it from being the whole truth.

    `-dirty`: the project has changes, or files git does not know, that are not committed.
    `-unchecked`: git would not tell whether it has. `-detached`: no branch is checked out.
    `-shallow`: the clone has no history.

    Args:
        project_path: The Kedro project, which may be a folder of a larger repository.
        output: A folder whose files do not make the project dirty: that of the DAGs themselves.
    """
    try:
        from git import Repo
        from git.exc import InvalidGitRepositoryError, NoSuchPathError
    except ImportError:  # GitPython wants the git program at import.
        return NO_REPOSITORY
    try:
        with Repo(project_path, search_parent_directories=True) as repo:
            if not repo.head.is_valid():
                return NO_COMMIT
            return "-".join((repo.head.commit.hexsha, *_reservations(repo, project_path, output)))
    except (InvalidGitRepositoryError, NoSuchPathError):
        return NO_REPOSITORY


def _reservations(repo: Repo, project_path: Path, output: Path | None) -> Iterator[str]:
    from git.exc import GitCommandError

    paths = [str(project_path)]
    if output is not None and output.resolve().is_relative_to(project_path.resolve()):
        paths.append(
            f":(exclude,top){output.resolve().relative_to(Path(repo.working_dir).resolve())}"
        )
    try:
        if repo.git.status("--porcelain", "--", *paths):
            yield "dirty"
    except GitCommandError:  # For instance a repository of another user.
        yield "unchecked"
    if repo.head.is_detached:
        yield "detached"
    if Path(repo.common_dir, "shallow").exists():
        yield "shallow"
