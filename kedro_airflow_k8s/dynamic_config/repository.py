"""What is checked out in the project's git repository."""

from __future__ import annotations

from configparser import Error as ConfigParserError
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from git import Repo


@dataclass(frozen=True)
class Head:
    """What is checked out.

    Attributes:
        commit: The full hash; None without a repository, or before its first commit.
        branch: The name of the branch; None where none is checked out.
    """

    commit: str | None = None
    branch: str | None = None


def head_of(folder: Path) -> Head:
    """What is checked out in the repository that a folder is in.

    Args:
        folder: A folder; a repository of which it is a part counts.
    """
    try:
        from git import Repo
        from git.exc import GitError
    except ImportError:  # GitPython wants the git program at import.
        return Head()
    try:
        with Repo(folder, search_parent_directories=True, expand_vars=False) as repo:
            return Head(commit=head_commit(repo) or None, branch=_branch(repo))
    except (GitError, ConfigParserError, OSError, ValueError):
        return Head()


def head_commit(repo: Repo) -> str:
    """The hash of the commit that is checked out, empty if there is none yet.

    Raises:
        GitError: If git does not tell.
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
    """The branch that is checked out, which may have no commit yet."""
    try:
        name = repo.active_branch.name
    except (TypeError, ValueError):  # None is, or a hash that GitPython does not know as one.
        return None
    # Git's newer store of references has this in the file that named the branch.
    return str(repo.git.symbolic_ref("--short", "HEAD")) if name == ".invalid" else name


def project_around() -> Path:
    """The Kedro project that the process was started in, or of which it runs the package."""
    from importlib.util import find_spec

    from kedro.framework import project
    from kedro.utils import find_kedro_project

    here = Path.cwd()
    around: Path | None = find_kedro_project(here)
    name: str | None = project.PACKAGE_NAME
    if around is None and name:
        package = find_spec(name)
        if package is not None and package.origin:
            return Path(package.origin).parent
    return around or here
