"""The git state of a project: the commit, the branch, and whether there are changes."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from configparser import Error as ConfigParserError
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from git import Repo

T = TypeVar("T")

NO_REPOSITORY = "none"
"""For a project that is not in a git repository, or if git is not installed."""

NO_COMMIT = "no-commit"
"""For a repository without a commit."""

UNREADABLE = "unreadable"
"""For a repository that is broken, or that git refuses to read."""


@dataclass(frozen=True)
class Head:
    """The commit and branch that are checked out.

    Attributes:
        commit: The full hash; None without a repository, or before its first commit.
        branch: The name of the branch; None if no branch is checked out.
    """

    commit: str | None = None
    branch: str | None = None


def head_of(folder: Path) -> Head:
    """Return the commit and branch that are checked out.

    Args:
        folder: The repository, or a folder in it.
    """

    def answer(repo: Repo) -> Head:
        return Head(commit=_commit(repo) or None, branch=_branch(repo))

    return ask(folder, answer, no_repository=Head(), unreadable=Head())


def describe_commit(
    project_path: Path, *dag_folders: Path, generated: Sequence[str] = ("*.py",)
) -> str:
    """Return the full hash of the commit, with suffixes for the state of the project.

    `-dirty`: the project has uncommitted changes or untracked files. `-unchecked`: git cannot
    check this. `-detached`: no branch is checked out. `-shallow`: the clone has no history.

    Args:
        project_path: The Kedro project, which may be a folder of a larger repository.
        dag_folders: The folders for DAGs.
        generated: Patterns of files in them that do not make the project dirty.
    """

    def answer(repo: Repo) -> str:
        commit = _commit(repo)
        if not commit:
            return NO_COMMIT
        excluded = [name for folder in dag_folders for name in _in(repo, folder, generated)]
        return "-".join((commit, *_reservations(repo, project_path, excluded)))

    return ask(project_path, answer, no_repository=NO_REPOSITORY, unreadable=UNREADABLE)


def ask(folder: Path, answer: Callable[[Repo], T], *, no_repository: T, unreadable: T) -> T:
    """Return an answer from the repository that a folder is in.

    Args:
        folder: The folder.
        answer: What reads the repository.
        no_repository: What to return if there is no repository, or no git.
        unreadable: What to return if git cannot read it.
    """
    folder = folder.absolute()
    # GitPython takes long to import, and in most images there is no repository.
    if not any((parent / ".git").exists() for parent in (folder, *folder.parents)):
        return no_repository
    try:
        from git import Repo
        from git.exc import GitError, InvalidGitRepositoryError, NoSuchPathError
    except ImportError:  # GitPython needs the git program at import.
        return no_repository
    try:
        with Repo(folder, search_parent_directories=True, expand_vars=False) as repo:
            return answer(repo)
    except (InvalidGitRepositoryError, NoSuchPathError):
        return no_repository
    except (GitError, ConfigParserError, OSError, ValueError):
        return unreadable


def _commit(repo: Repo) -> str:
    """Return the hash of the commit that is checked out, empty if there is none yet.

    Raises:
        GitError: If git fails.
    """
    from git.exc import GitCommandError
    from git.refs import SymbolicReference

    try:
        # From the files: git itself refuses to read a repository of another user.
        return str(SymbolicReference.dereference_recursive(repo, "HEAD"))
    except ValueError:  # No commit yet, or a format that GitPython does not know, such as SHA-256.
        try:
            return str(repo.git.rev_parse("--verify", "--quiet", "HEAD"))
        except GitCommandError as error:
            if error.status == 1:
                return ""
            raise


def _branch(repo: Repo) -> str | None:
    """Return the branch that is checked out, which may have no commit yet."""
    try:
        name = repo.active_branch.name
    except (TypeError, ValueError):  # No branch, or a hash in a format unknown to GitPython.
        return None
    # Git's newer store of references has this in the file that named the branch.
    return str(repo.git.symbolic_ref("--short", "HEAD")) if name == ".invalid" else name


def _reservations(repo: Repo, project_path: Path, excluded: Sequence[str]) -> Iterator[str]:
    from git.exc import CommandError

    try:
        # The user's status.showUntrackedFiles may hide what is not committed.
        if repo.git.status(
            "--porcelain", "--untracked-files=normal", "--", str(project_path), *excluded
        ):
            yield "dirty"
    except CommandError:  # For instance a repository of another user.
        yield "unchecked"
    if _is_detached(repo):
        yield "detached"
    if Path(repo.common_dir, "shallow").exists():
        yield "shallow"


def _in(repo: Repo, folder: Path, patterns: Iterable[str]) -> Iterator[str]:
    """Yield git's patterns that exclude some files of a folder."""
    root = Path(repo.working_dir).resolve()
    if not folder.resolve().is_relative_to(root):
        return
    place = re.sub(r"([*?\[\\])", r"\\\1", folder.resolve().relative_to(root).as_posix())
    for pattern in patterns:
        yield f":(exclude,top,glob){'' if place == '.' else f'{place}/'}{pattern}"


def _is_detached(repo: Repo) -> bool:
    try:
        return repo.head.is_detached
    except ValueError:  # A hash in a format unknown to GitPython.
        return True
