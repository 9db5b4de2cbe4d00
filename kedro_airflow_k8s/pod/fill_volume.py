"""Copies the data folder of the image to the fresh volume.

The DAG holds this file's text and runs it with the image's Python, so it must work alone and on any
Python from 3.6 on. Usage: fill_volume.py SOURCE DESTINATION
"""

import os
import shutil
import sys


def fill_volume(source: str, destination: str) -> None:
    """Copy all files below source, hidden ones too; may be repeated."""
    files = size = 0
    if not os.path.lexists(source):
        print(f"The image has no {source}: the volume stays as it is.")
        return
    for folder, subfolders, names in os.walk(source, onerror=give_up):
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
    print(f"Copied {files} files, {size} bytes, from {source} to {destination}.")


def give_up(error: OSError) -> None:
    """Fail for a folder that cannot be listed: os.walk would leave it out."""
    raise error


if __name__ == "__main__":
    fill_volume(*sys.argv[1:])
