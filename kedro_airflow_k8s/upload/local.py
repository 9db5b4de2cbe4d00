"""Writes a file into a folder of this machine, whole, by a rename, or not at all; and reads it."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import secrets
import stat
from pathlib import Path

from kedro_airflow_k8s.errors import UploadError

# A temporary file this much older than ours (seconds) belongs to an upload that was killed.
LEFTOVER_SECONDS = 600.0


def local_folder(path: str) -> Path:
    """The folder that a path names.

    Raises:
        UploadError: If it begins with the name of an unknown user.
    """
    try:
        folder = Path(path).expanduser()
    except RuntimeError as error:
        raise UploadError(f"Cannot write to {path}: there is no such user here.") from error
    # Not resolve(): the user recognises the path that was given, symbolic links included.
    return Path.cwd() / folder


def write_local(data: bytes, folder: Path, file_name: str) -> Path:
    """Write a file into a folder, which is made if it is not there; return its path.

    Raises:
        UploadError: If that did not work.
    """
    target = folder / file_name
    try:
        _check_place(folder, target)
        folder.mkdir(parents=True, exist_ok=True)
        _replace(data, target)
    except OSError as error:
        raise _local_failure(error, target) from error
    return target


def read_local(folder: Path, file_name: str, limit: int) -> tuple[int, bytes | None]:
    """The size of a file in bytes, and what it holds; None in place of more than limit bytes.

    Raises:
        FileNotFoundError: If it is not there.
        UploadError: If it cannot be read, or no file can be written there.
    """
    target = folder / file_name
    try:
        _check_place(folder, target)
        if target.exists() and not target.is_file():
            raise UploadError(f"Cannot read {target}: it is no file. Remove it.")
        with target.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            data = file.read(limit + 1)
    except FileNotFoundError:
        raise
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise UploadError(
            f"Cannot read {target}: {reason}. Ask for the right to read it, or correct `output`."
        ) from error
    return max(size, len(data)), data if len(data) <= limit else None


def _check_place(folder: Path, target: Path) -> None:
    """Refuse a folder that is a file, and a file that is a folder."""
    if folder.exists() and not folder.is_dir():
        raise UploadError(
            f"Cannot write to {folder}: it is a file. Give the folder that the DAG goes to."
        )
    if target.is_dir():
        raise UploadError(
            f"Cannot write to {target}: there is a folder of that name. Remove it, or "
            "choose another `output`."
        )


def _replace(data: bytes, target: Path) -> None:
    """Writes next to the target and renames, which POSIX and Windows do in one step.

    The temporary name is hidden and ends neither in .py nor .zip: Airflow passes it by.
    """
    previous = target.stat() if target.exists() else None
    temporary = target.with_name(f".{target.name}.{secrets.token_hex(8)}.uploading")
    try:
        with temporary.open("xb") as file:  # mode 0o666 less the umask, like any new file
            file.write(data)
            file.flush()
            # Without it a crash of the machine may leave the new name on an empty file.
            os.fsync(file.fileno())
        if previous is not None:
            _date_after(temporary, previous)
            _keep_owner_and_mode(temporary, previous)
        _remove_leftovers(target, temporary)
        temporary.replace(target)
    except BaseException:  # KeyboardInterrupt too leaves nothing behind
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise


def _date_after(path: Path, previous: os.stat_result) -> None:
    """Gives the new file a later second than the old one had.

    Airflow loads a DAG by way of Python's byte-code cache, which knows a source by its size and the
    whole second of its date: of two versions of one second it would go on with the first for ever.
    Source: https://docs.python.org/3/reference/import.html#pyc-invalidation
    """
    now = path.stat()
    later = int(previous.st_mtime) + 1
    if now.st_mtime < later:
        os.utime(path, (now.st_atime, later))


def _keep_owner_and_mode(path: Path, previous: os.stat_result) -> None:
    """Lets those who could read the old file, say Airflow under its own user, read the new one."""
    now = path.stat()
    if (now.st_uid, now.st_gid) != (previous.st_uid, previous.st_gid):
        # Only root may give a file away; others keep their own, as `mv` does.
        with contextlib.suppress(PermissionError):
            os.chown(path, previous.st_uid, previous.st_gid)
    if stat.S_IMODE(path.stat().st_mode) != stat.S_IMODE(previous.st_mode):
        path.chmod(stat.S_IMODE(previous.st_mode))


def _remove_leftovers(target: Path, temporary: Path) -> None:
    """Removes what killed uploads of the same file left, never that of one still at work.

    Ages are taken against our own new file: both times come from the clock of the file server.
    """
    ours = re.compile(re.escape(f".{target.name}.") + r"[0-9a-f]{16}\.uploading")
    # Tidying up must not fail an upload that works: the folder may not be ours to list, a file
    # not ours to remove, and someone else may tidy at the same time.
    with contextlib.suppress(OSError):
        old = temporary.stat().st_mtime - LEFTOVER_SECONDS
        for path in target.parent.iterdir():
            if ours.fullmatch(path.name) and path.lstat().st_mtime < old:
                path.unlink()


def _local_failure(error: OSError, target: Path) -> UploadError:
    reason = error.strerror or type(error).__name__
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        advice = "The folder is read-only for you. Ask for write access, or choose another `output`"
    elif error.errno in (errno.ENOSPC, errno.EDQUOT):
        advice = "The disk is full. Free some space, or choose another `output`"
    elif error.errno in (errno.EEXIST, errno.ENOTDIR):
        advice = "A part of the path is not a folder. Correct `output`"
    else:
        advice = "Correct `output`, or repair what the system complains about"
    return UploadError(
        f"Cannot write to {target}: {reason}. {advice}. What was there is untouched."
    )
