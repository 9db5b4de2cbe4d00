"""Writes several files into a project: all of them, or none."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import re
import secrets
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import EllipsisType

from kedro_airflow_k8s.errors import ScaffoldError

UNTOUCHED = "Nothing was written."

# Files on their way have names that nobody else gives: the next call removes those of a killed one.
_MARK = "kedro-airflow-k8s"
_TEMPORARY = re.compile(rf"\..+\.[0-9a-f]{{16}}\.{_MARK}", re.DOTALL)


@dataclass(frozen=True)
class NewFile:
    """A file to write.

    Attributes:
        path: Where, absolute.
        root: The folder that it has to be in, symbolic links followed.
        text: What it is to hold; the ends of its lines are written as they are.
        before: What it held when that was decided, None if it was not there; `...` if that does
            not matter.
    """

    path: Path
    root: Path
    text: str = field(repr=False)
    before: bytes | EllipsisType | None = field(default=..., repr=False)


def write_all(files: Sequence[NewFile]) -> None:
    """Write files, and make the folders they are in; when one cannot be written, write none.

    Args:
        files: What to write, in the order in which they appear. What was there is replaced, and
            keeps its permissions.

    Raises:
        ScaffoldError: Not all could be written. What was there is there again. Or another call
            writes there, or has written in the meantime.
        KeyboardInterrupt: The same, by the user.
    """
    for file in files:
        check_place(file.path, file.root)
    with _alone({file.root for file in files}) as alone:
        for file in files:
            _check_unchanged(file)
        if alone:
            _sweep({file.root for file in files} | {file.path.resolve().parent for file in files})
        _write(files)


def content_of(path: Path) -> bytes | None:
    """What a file holds; None if there is none that can be read."""
    with contextlib.suppress(OSError):
        return path.read_bytes() if path.is_file() else None
    return None


def _write(files: Sequence[NewFile]) -> None:
    writing = _Writing()
    current = Path()
    try:
        for file in files:
            current = file.path
            writing.stage(file)
        for target in list(writing.staged):
            current = target
            writing.put(target)
    except OSError as error:
        writing.undo()
        raise _failure(error, current) from error
    except BaseException:  # KeyboardInterrupt too leaves nothing behind
        writing.undo()
        raise


@contextlib.contextmanager
def _alone(roots: set[Path]) -> Iterator[bool]:
    """Keep other calls from writing, until the end of this one, however it comes.

    Yields:
        Whether that is sure: some file systems have no locks.

    Raises:
        ScaffoldError: Another call is writing.
    """
    sure = True
    with contextlib.ExitStack() as held:
        for root in sorted({root.resolve() for root in roots}):
            try:
                descriptor = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
            except OSError:  # Not there yet, or a folder that writing will complain about.
                sure = False
                continue
            held.callback(os.close, descriptor)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise ScaffoldError(
                    f"Another init is writing in {root} at this moment. Call it again when that"
                    f" one is done. {UNTOUCHED}"
                ) from None
            except OSError:
                sure = False
        yield sure


def _check_unchanged(file: NewFile) -> None:
    """See that a file is still as it was when somebody decided to replace it.

    Raises:
        ScaffoldError: It is not.
    """
    now = content_of(file.path)
    if not isinstance(file.before, EllipsisType) and now not in (file.before, file.text.encode()):
        raise ScaffoldError(
            f"{file.path} has been written by something else at this moment, perhaps by another"
            f" init. Look at it, then call init again. {UNTOUCHED}"
        )


def _sweep(folders: set[Path]) -> None:
    """Remove what an earlier call has left that was killed; nobody else is writing now."""
    for folder in folders:
        with contextlib.suppress(OSError):
            for path in list(folder.iterdir()):
                if _TEMPORARY.fullmatch(path.name) and path.is_file() and not path.is_symlink():
                    path.unlink()


def check_place(path: Path, root: Path) -> None:
    """See whether a file can be at a path at all.

    Raises:
        ScaffoldError: A folder is in its place, a file in that of a folder, or a symbolic link
            leads out of the project.
    """
    try:
        real = path.resolve(strict=False)
        top = root.resolve()
        if not real.is_relative_to(top):
            raise ScaffoldError(
                f"{path} cannot be written: a symbolic link leads out of {root}, to {real}."
                f" Replace the link by a file or folder of the project. {UNTOUCHED}"
            )
        if real.is_dir():
            raise ScaffoldError(
                f"{path} cannot be written: there is a folder of that name. Rename the folder."
                f" {UNTOUCHED}"
            )
        if real.exists() and not real.is_file():
            raise ScaffoldError(
                f"{path} cannot be written: what is there is no ordinary file. Remove it."
                f" {UNTOUCHED}"
            )
        for parent in real.parents:
            if parent.exists() and not parent.is_dir():
                raise ScaffoldError(
                    f"{path} cannot be written: {parent} is a file, and would have to be a"
                    f" folder. Rename it. {UNTOUCHED}"
                )
    except (OSError, RuntimeError) as error:  # A loop of links, or a folder that is not ours.
        raise _failure(error, path) from error


class _Writing:
    """Files on their way: beside their places under other names, then in them."""

    def __init__(self) -> None:
        self.staged: dict[Path, Path] = {}
        self._before: dict[Path, bytes | None] = {}
        self._folders: list[Path] = []

    def stage(self, file: NewFile) -> None:
        """Write a file under a name that nobody looks for, beside its place."""
        # The file behind a link of the project is the one to change, not the link.
        target = file.path.resolve()
        missing = [folder for folder in target.parents if not folder.exists()]
        for folder in reversed(missing):
            folder.mkdir()
            self._folders.append(folder)
        temporary = target.with_name(f".{target.name[:100]}.{secrets.token_hex(8)}.{_MARK}")
        self.staged[target] = temporary
        with temporary.open("xb") as handle:
            handle.write(file.text.encode("utf-8"))
            handle.flush()
            # A full disk may tell only here.
            os.fsync(handle.fileno())
        if target.exists():
            temporary.chmod(stat.S_IMODE(target.stat().st_mode))

    def put(self, target: Path) -> None:
        """Give a staged file its name."""
        self._before[target] = target.read_bytes() if target.exists() else None
        self.staged[target].replace(target)

    def undo(self) -> None:
        """Leave everything as it was, as far as the system lets us."""
        for target, before in self._before.items():
            with contextlib.suppress(OSError):
                if before is None:
                    target.unlink(missing_ok=True)
                elif target.read_bytes() != before:
                    target.write_bytes(before)
        for temporary in self.staged.values():
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)
        for folder in reversed(self._folders):
            with contextlib.suppress(OSError):
                folder.rmdir()


def _failure(error: OSError | RuntimeError, path: Path) -> ScaffoldError:
    number = error.errno if isinstance(error, OSError) else None
    reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
    if number in (errno.EACCES, errno.EPERM, errno.EROFS):
        advice = "Ask for the right to write there, or work in a copy of the project."
    elif number in (errno.ENOSPC, errno.EDQUOT):
        advice = "The disk is full: free some space."
    else:
        advice = "Repair what the system complains about."
    return ScaffoldError(f"{path} cannot be written: {reason}. {advice} {UNTOUCHED}")
