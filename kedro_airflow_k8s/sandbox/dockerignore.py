"""Copies what `.dockerignore` lets into an image."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from kedro_airflow_k8s.project.dockerignore import DockerIgnore


def copy_included(
    source: Path, target: Path, rules: DockerIgnore, never: frozenset[str], prefix: str = ""
) -> None:
    """Copy a folder without what is ignored, and without virtual environments.

    Args:
        source: The folder.
        target: The folder to fill.
        rules: What the image lacks.
        never: Names of files and folders that are left out anywhere.
        prefix: The path of the source in the project, with a slash at its end.

    Raises:
        OSError: If a file cannot be read or written.
    """
    for entry in sorted(os.scandir(source), key=lambda entry: entry.name):
        path = prefix + entry.name
        if entry.name in never:
            continue
        ignored = rules.ignores(path)
        if entry.is_dir(follow_symlinks=False):
            if Path(entry.path, "pyvenv.cfg").exists() or (ignored and not rules.takes_back):
                continue
            if not ignored:
                (target / path).mkdir(parents=True, exist_ok=True)
            copy_included(Path(entry.path), target, rules, never, f"{path}/")
        elif not ignored and (entry.is_symlink() or entry.is_file()):
            (target / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(entry.path, target / path, follow_symlinks=False)
