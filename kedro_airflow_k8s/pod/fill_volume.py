"""Copies the data folder of the image to the fresh volume of a DAG run."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable

FILLED = ".kedro-airflow-k8s-filled"
"""An empty file on a volume that has been filled."""


def fill_volume(source: str, destination: str, other: str = "") -> None:
    """Copy all files below a folder, hidden ones too. It may run again.

    Args:
        source: The folder in the image; where there is none, nothing happens.
        destination: Where the volume is mounted. If it has been filled before, it has what a run
            made, and nothing happens.
        other: Where the volume of another run is mounted, if this run takes data from there. What
            that run has made is copied, too. Files of its image are not, if this image has them.

    Raises:
        OSError: If something cannot be read or written.
    """
    filled = os.path.join(destination, FILLED)
    if os.path.exists(filled):
        print("The volume has been filled before: it keeps the data of the run.")
        return
    if os.path.lexists(source):
        _copy(source, destination, lambda _: True)
    else:
        print(f"The image has no {source}: nothing is copied.")
    if other:
        _copy(other, destination, _made_by_run(other, source))
    if other or os.path.lexists(source):
        with open(filled, "wb"):
            pass


def _made_by_run(volume: str, source: str) -> Callable[[str], bool]:
    """Return whether a path on the volume of a run is something that the run has made.

    Args:
        volume: Where the volume is mounted.
        source: The folder in this image.
    """
    mark = os.path.join(volume, FILLED)
    since = os.lstat(mark).st_mtime if os.path.exists(mark) else 0.0

    def is_made(path: str) -> bool:
        name = os.path.relpath(path, volume)
        # A task may have set an older time, which programs that unpack files do.
        is_new = os.lstat(path).st_mtime > since
        in_image = os.path.lexists(os.path.join(source, name))
        return name != FILLED and (is_new or not in_image)

    return is_made


def _copy(source: str, destination: str, is_wanted: Callable[[str], bool]) -> None:
    files = size = 0
    for folder, subfolders, names in os.walk(source, onerror=_raise):
        # Only the superuser can list that folder of a new file system.
        subfolders[:] = [n for n in subfolders if n != "lost+found" or folder != source]
        target = os.path.normpath(os.path.join(destination, os.path.relpath(folder, source)))
        os.makedirs(target, exist_ok=True)
        for name in [n for n in subfolders if os.path.islink(os.path.join(folder, n))] + names:
            path, copy = os.path.join(folder, name), os.path.join(target, name)
            if not is_wanted(path):
                continue
            if os.path.islink(path):
                if os.path.lexists(copy):
                    os.remove(copy)
                os.symlink(os.readlink(path), copy)
            else:
                # Content only: the user may not own the volume's files, so may not set times.
                shutil.copyfile(path, copy)
                size += os.path.getsize(copy)
            files += 1
    print(f"Copied {files} files, {size} bytes, from {source} to {destination}.")


def _raise(error: OSError) -> None:
    """Fail for a folder that cannot be listed: os.walk would leave it out."""
    raise error
