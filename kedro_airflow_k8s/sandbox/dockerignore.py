"""Copies the files that the image would hold: what `.dockerignore` and the Dockerfile let in."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from kedro_airflow_k8s.project.dockerignore import DockerIgnore
from kedro_airflow_k8s.project.image import ProjectImage


def copy_included(image: ProjectImage, target: Path, never: frozenset[str]) -> None:
    """Copy a project without what the image lacks, and without virtual environments.

    Folders that commands of the Dockerfile make are made.

    Args:
        image: What the image holds of the project.
        target: The folder to fill.
        never: Names of files and folders that are left out anywhere.

    Raises:
        OSError: If a file cannot be read or written.
    """
    _copy(image.root, target, image, never, "")
    for folder in image.dockerfile.made_folders if image.dockerfile is not None else ():
        (target / folder).mkdir(parents=True, exist_ok=True)


def _copy(
    source: Path, target: Path, image: ProjectImage, never: frozenset[str], prefix: str
) -> None:
    rules: DockerIgnore = image.ignore
    for entry in sorted(os.scandir(source), key=lambda entry: entry.name):
        path = prefix + entry.name
        if entry.name in never:
            continue
        missing = image.lacks(path) is not None
        if entry.is_dir(follow_symlinks=False):
            ignored = rules.ignores(path) and not rules.takes_back
            if ignored or Path(entry.path, "pyvenv.cfg").exists():
                continue
            if not missing:
                (target / path).mkdir(parents=True, exist_ok=True)
            _copy(Path(entry.path), target, image, never, f"{path}/")
        elif not missing and (entry.is_symlink() or entry.is_file()):
            (target / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(entry.path, target / path, follow_symlinks=False)
