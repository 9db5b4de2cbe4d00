"""The git state of a project: the commit, the branch, and whether there are changes.

It comes from the git program: GitPython takes longer to import than everything else here.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

NO_REPOSITORY = "none"
"""For a project that is not in a git repository, or if git is not installed."""

NO_COMMIT = "no-commit"
"""For a repository without a commit."""

UNREADABLE = "unreadable"
"""For a repository that git cannot read."""


class _GitFailed(Exception):
    """Git has answered with an error."""


@dataclass(frozen=True)
class Head:
    """The commit and branch that are checked out.

    Attributes:
        commit: The full hash; None without a repository, or before its first commit.
        branch: The name of the branch; None if no branch is checked out.
        shallow: Whether the clone has no history.
    """

    commit: str | None = None
    branch: str | None = None
    shallow: bool = False


def head_of(folder: Path) -> Head:
    """Return the commit and branch that are checked out.

    Args:
        folder: The repository, or a folder in it.
    """
    root = root_of(folder)
    if root is None:
        return Head()
    try:
        return _head(root)
    except (_GitFailed, OSError):
        return Head()


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
    root = root_of(project_path)
    if root is None:
        return NO_REPOSITORY
    try:
        head = _head(root)
        if not head.commit:
            return NO_COMMIT
        excluded = [name for folder in dag_folders for name in _in(root, folder, generated)]
        state = _state(root, project_path, excluded)
    except OSError:  # There is no git program.
        return NO_REPOSITORY
    except _GitFailed:
        return UNREADABLE
    found = {"detached": head.branch is None, "shallow": head.shallow}
    suffixes = [state, *(name for name, holds in found.items() if holds)]
    return "-".join((head.commit, *filter(None, suffixes)))


def files_since(folder: Path, commit: str) -> frozenset[Path] | None:
    """Return the files that differ from those of a commit; None if git does not say.

    Args:
        folder: The repository, or a folder in it.
        commit: The full hash.
    """
    root = root_of(folder)
    if root is None:
        return None
    untracked = ("ls-files", "--others", "--exclude-standard", "-z")
    try:
        changed = _git(root, "diff", "--name-only", "-z", commit, "--") + _git(root, *untracked)
    except (_GitFailed, OSError):
        return None
    return frozenset(root / name for name in changed.split("\0") if name)


def source_at(file: Path, commit: str) -> str | None:
    """Return the text that a file has in a commit; None if git does not say.

    Args:
        file: The file.
        commit: The full hash.
    """
    root = root_of(file.parent)
    if root is None:
        return None
    try:
        return _git(root, "show", f"{commit}:{file.resolve().relative_to(root).as_posix()}")
    except (_GitFailed, OSError):
        return None


def root_of(folder: Path) -> Path | None:
    """Return the folder with `.git` that a folder is in; None if there is none."""
    folder = folder.resolve()
    return next((path for path in (folder, *folder.parents) if (path / ".git").exists()), None)


def _head(root: Path) -> Head:
    # With its path, git reads also a repository of another user, as in many CI systems.
    where = f"--git-dir={root / '.git'}"
    asked = ("--is-shallow-repository", "--revs-only", "HEAD", "--symbolic-full-name", "HEAD")
    shallow, *found = _git(root, where, "rev-parse", *asked).splitlines()
    if found:
        commit, reference = found
    else:  # There is no commit yet; HEAD has the branch of the first one.
        commit, reference = None, _git(root, where, "symbolic-ref", "HEAD").strip()
    branch = None if reference == "HEAD" else reference.removeprefix("refs/heads/")
    return Head(commit, branch, shallow == "true")


def _state(root: Path, project_path: Path, excluded: Sequence[str]) -> str:
    """Return what there is to say about uncommitted changes; empty if there are none."""
    # The user's status.showUntrackedFiles may hide what is not committed.
    status = ("status", "--porcelain", "--untracked-files=normal", "--")
    try:
        return "dirty" if _git(root, *status, str(project_path.resolve()), *excluded) else ""
    except _GitFailed:  # For instance a repository of another user.
        return "unchecked"


def _in(root: Path, folder: Path, patterns: Iterable[str]) -> Iterator[str]:
    """Yield git's patterns that exclude some files of a folder."""
    if not folder.resolve().is_relative_to(root):
        return
    place = re.sub(r"([*?\[\\])", r"\\\1", folder.resolve().relative_to(root).as_posix())
    for pattern in patterns:
        yield f":(exclude,top,glob){'' if place == '.' else f'{place}/'}{pattern}"


def _git(folder: Path, *arguments: str) -> str:
    """Return what git prints.

    Raises:
        OSError: If there is no git program.
        _GitFailed: If git fails.
    """
    done = subprocess.run(
        ["git", *arguments],  # noqa: S607 - the git of the user's PATH
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        errors="surrogateescape",
        check=False,
    )
    if done.returncode:
        raise _GitFailed(done.stderr)
    return done.stdout
