"""Copies the data folder of the image to the fresh volume of a DAG run."""

from __future__ import annotations

import os
import shutil

FILLED = ".kedro-airflow-k8s-filled"
"""An empty file on a volume that has been filled."""


def fill_volume(source: str, destination: str) -> None:
    """Copy all files below a folder, hidden ones too. It may run again.

    Args:
        source: The folder in the image; where there is none, nothing happens.
        destination: Where the volume is mounted. If it has been filled before, it has what a run
            made, and nothing happens.

    Raises:
        OSError: If something cannot be read or written.
    """
    files = size = 0
    filled = os.path.join(destination, FILLED)
    if os.path.exists(filled):
        print("The volume has been filled before: it keeps the data of the run.")
        return
    if not os.path.lexists(source):
        print(f"The image has no {source}: nothing is copied.")
        return
    for folder, subfolders, names in os.walk(source, onerror=_raise):
        target = os.path.normpath(os.path.join(destination, os.path.relpath(folder, source)))
        os.makedirs(target, exist_ok=True)
        for name in [n for n in subfolders if os.path.islink(os.path.join(folder, n))] + names:
            path, copy = os.path.join(folder, name), os.path.join(target, name)
            if os.path.islink(path):
                if os.path.lexists(copy):
                    os.remove(copy)
                os.symlink(os.readlink(path), copy)
            else:
                # Content only: the user may not own the volume's files, so may not set times.
                shutil.copyfile(path, copy)
                size += os.path.getsize(copy)
            files += 1
    with open(filled, "wb"):
        pass
    print(f"Copied {files} files, {size} bytes, from {source} to {destination}.")


def _raise(error: OSError) -> None:
    """Fail for a folder that cannot be listed: os.walk would leave it out."""
    raise error
