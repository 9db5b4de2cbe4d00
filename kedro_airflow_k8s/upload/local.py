"""DAG files in a folder of this machine."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from kedro_airflow_k8s.errors import UploadError
from kedro_airflow_k8s.pod.atomic import atomic_write

OUTPUT = "`output`"
"""What names the place in messages, unless an option of another name does."""


def local_folder(path: str, setting: str = OUTPUT) -> Path:
    """Return the folder that a path names.

    Args:
        path: As the user wrote it.
        setting: What names it in messages.

    Raises:
        UploadError: If it begins with the name of an unknown user.
    """
    try:
        folder = Path(path).expanduser()
    except RuntimeError as error:
        raise UploadError(
            f"Cannot write to {path}: this machine has no such user. Correct {setting}."
        ) from error
    # Not resolve(): the user recognises the path that was given, symbolic links included.
    return Path.cwd() / folder


def write_local(data: bytes, folder: Path, file_name: str, setting: str = OUTPUT) -> Path:
    """Write a file into a folder, which is made if it does not exist, and return its path.

    Args:
        data: The content of the file.
        folder: The folder.
        file_name: The name of the file.
        setting: What names the folder in messages.

    Raises:
        UploadError: If that failed.
    """
    target = folder / file_name
    try:
        _check_place(folder, target, setting)
        folder.mkdir(parents=True, exist_ok=True)
        previous = target.stat() if target.exists() else None
        with atomic_write(target, fsync=True) as file:
            file.write(data)
            file.flush()
            if previous:
                _date_after(file.fileno(), previous)
    except OSError as error:
        raise _local_failure(error, target, setting) from error
    return target


def read_local(folder: Path, file_name: str, limit: int) -> tuple[int, bytes | None]:
    """Return the size of a file in bytes, and its content; None instead of more than limit bytes.

    Raises:
        FileNotFoundError: If it does not exist.
        UploadError: If it cannot be read, or no file can be written there.
    """
    target = folder / file_name
    try:
        _check_place(folder, target)
        if target.exists() and not target.is_file():
            raise UploadError(f"Cannot read {target}: it is not a regular file; remove it.")
        with target.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            data = file.read(limit + 1)
    except FileNotFoundError:
        raise
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise UploadError(
            f"Cannot read {target}: {reason}. Ask for permission to read it, or correct `output`."
        ) from error
    return max(size, len(data)), data if len(data) <= limit else None


def delete_local(folder: Path, file_name: str) -> None:
    """Delete a file.

    Raises:
        UploadError: If that failed.
    """
    target = folder / file_name
    try:
        target.unlink(missing_ok=True)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise UploadError(
            f"Cannot delete {target}: {reason}. Ask for write access to the folder."
        ) from error


def _check_place(folder: Path, target: Path, setting: str = OUTPUT) -> None:
    """Raise an error for a folder that is a file, and for a file that is a folder."""
    if folder.exists() and not folder.is_dir():
        raise UploadError(f"Cannot write to {folder}: it is a file. Set {setting} to a folder.")
    if target.is_dir():
        raise UploadError(
            f"Cannot write to {target}: a folder has this name. Remove it, or choose another"
            f" {setting}."
        )


def _date_after(file: int, previous: os.stat_result) -> None:
    """Give an open file a later second than the file that it replaces.

    Airflow loads a DAG through Python's byte-code cache, which identifies a source by its size and
    the whole second of its date: of two versions of one second it would keep using the first.
    Source: https://docs.python.org/3/reference/import.html#pyc-invalidation
    """
    now = os.fstat(file)
    later = int(previous.st_mtime) + 1
    if now.st_mtime < later:
        os.utime(file, (now.st_atime, later))


def _local_failure(error: OSError, target: Path, setting: str) -> UploadError:
    reason = error.strerror or type(error).__name__
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        advice = (
            f"The folder is read-only for you. Ask for write access, or choose another {setting}"
        )
    elif error.errno in (errno.ENOSPC, errno.EDQUOT):
        advice = f"The disk is full. Free some space, or choose another {setting}"
    elif error.errno in (errno.EEXIST, errno.ENOTDIR):
        advice = f"A part of the path is not a folder. Correct {setting}"
    else:
        advice = f"Correct {setting}, or fix the cause"
    return UploadError(
        f"Cannot write to {target}: {reason}. {advice}. An existing file was not changed."
    )
