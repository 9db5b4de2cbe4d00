"""What stands for the container image: a copy of the project, as `docker build` would make it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from kedro_airflow_k8s.errors import SandboxError
from kedro_airflow_k8s.sandbox.dockerignore import DockerIgnore

# Never part of a project's image, whatever its .dockerignore says, and slow to copy.
_NEVER = frozenset({".git", "__pycache__", ".ruff_cache", ".mypy_cache", ".pytest_cache"})


def copy_project(project: Path, target: Path) -> None:
    """Copy what the image would hold of a project; virtual environments and caches stay behind.

    Raises:
        SandboxError: If a file cannot be read.
    """
    rules_file = project / ".dockerignore"
    try:
        rules = DockerIgnore(rules_file.read_text().splitlines() if rules_file.exists() else ())
        _copy(project, target, "", rules)
    except OSError as error:
        raise SandboxError(f"The project cannot be copied for the sandbox: {error}") from error


def _copy(source: Path, target: Path, prefix: str, rules: DockerIgnore) -> None:
    for entry in sorted(os.scandir(source), key=lambda entry: entry.name):
        path = prefix + entry.name
        if entry.name in _NEVER:
            continue
        ignored = rules.ignores(path)
        if entry.is_dir(follow_symlinks=False):
            if Path(entry.path, "pyvenv.cfg").exists() or (ignored and not rules.takes_back):
                continue
            if not ignored:
                (target / path).mkdir(parents=True, exist_ok=True)
            _copy(Path(entry.path), target, f"{path}/", rules)
        elif not ignored and (entry.is_symlink() or entry.is_file()):
            (target / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(entry.path, target / path, follow_symlinks=False)
