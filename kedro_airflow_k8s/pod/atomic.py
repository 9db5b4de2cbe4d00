"""Files that appear whole or not at all: written under a temporary name, then renamed."""

from __future__ import annotations

import contextlib
import os
import re
import stat
from collections.abc import Iterator
from typing import BinaryIO

LEFTOVER_SECONDS = 600.0
"""A temporary file this much older than a new one belongs to a process that was killed."""

TEMPORARY_FILES = ".*.writing"
"""A glob pattern of all temporary files."""

# File systems allow names of 255 bytes; a temporary name is this much longer than the file's.
_LONGEST_NAME = 255 - len("..0123456789abcdef.writing")


@contextlib.contextmanager
def atomic_write(
    path: str | os.PathLike[str], mode: int | None = None, *, fsync: bool = False
) -> Iterator[BinaryIO]:
    """Open a temporary file in the folder of `path` that replaces it when the block ends.

    Readers see the old file or the new one, never a part. If the block or the replacement raises,
    KeyboardInterrupt included, the temporary file is deleted and the old file stays as it was.
    Several files become visible together, or none does, when an `ExitStack` enters one block for
    each and their data is flushed before it ends.

    Args:
        path: The file. Its folder must exist; a symbolic link is replaced, not followed.
        mode: The permissions of the new file, less the umask: 0o600 for a file with secrets. By
            default it takes the owner and the permissions of the file that it replaces, or 0o666
            less the umask if there is none.
        fsync: Write the data to the disk before the rename, so that a crash of the machine cannot
            leave an empty file under the name.

    Yields:
        The temporary file, open for writing. It is hidden and ends neither in `.py` nor in `.zip`,
        so Airflow does not parse it.

    Raises:
        OSError: If the file cannot be written or replaced.
    """
    folder, name = os.path.split(os.fspath(path))
    prefix = f".{_shortened(name)}."
    temporary = os.path.join(folder, f"{prefix}{os.urandom(8).hex()}.writing")
    permissions = 0o666 if mode is None else mode
    try:
        with open(
            temporary, "xb", opener=lambda file, flags: os.open(file, flags, permissions)
        ) as file:
            yield file
            file.flush()
            if fsync:
                os.fsync(file.fileno())
        if mode is None:
            _keep_owner_and_mode(temporary, path)
        _delete_leftovers(folder, prefix, temporary)
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise


def _shortened(name: str) -> str:
    """Return as much of a name as leaves room for the rest of a temporary name."""
    if len(os.fsencode(name)) <= _LONGEST_NAME:
        return name
    return name[: _LONGEST_NAME // 4]  # A character has at most four bytes.


def _keep_owner_and_mode(temporary: str, path: str | os.PathLike[str]) -> None:
    """Let those who could read the old file, such as Airflow's own user, read the new one."""
    try:
        old = os.stat(path)
    except FileNotFoundError:
        return
    new = os.stat(temporary)
    if (new.st_uid, new.st_gid) != (old.st_uid, old.st_gid):
        # Only root may give a file to another user; for others it stays their own, as with `mv`.
        with contextlib.suppress(PermissionError):
            os.chown(temporary, old.st_uid, old.st_gid)
    if stat.S_IMODE(os.stat(temporary).st_mode) != stat.S_IMODE(old.st_mode):
        os.chmod(temporary, stat.S_IMODE(old.st_mode))


def _delete_leftovers(folder: str, prefix: str, temporary: str) -> None:
    """Delete temporary files of the same file that killed processes left.

    Their age is measured against our own new file: both times come from the file server's clock.
    """
    leftover = re.compile(re.escape(prefix) + r"[0-9a-f]{16}\.writing")
    # Never a reason to fail: the folder may forbid listing or deleting, or another process may
    # delete the same file.
    with contextlib.suppress(OSError):
        old = os.stat(temporary).st_mtime - LEFTOVER_SECONDS
        for entry in os.scandir(folder or "."):
            if leftover.fullmatch(entry.name) and entry.stat(follow_symlinks=False).st_mtime < old:
                os.unlink(entry.path)
