"""The container image in the sandbox: a copy of the project, like that of `docker build`."""

from __future__ import annotations

import fcntl
import os
import shutil
import sys
import tempfile
from pathlib import Path

from kedro_airflow_k8s.errors import SandboxError
from kedro_airflow_k8s.project.dockerignore import DockerIgnore
from kedro_airflow_k8s.sandbox.cluster.files import discard
from kedro_airflow_k8s.sandbox.dockerignore import copy_included
from kedro_airflow_k8s.sandbox.locks import locked

SANDBOX_FOLDER = ".airflow-sandbox"
"""The folder that `sandbox up` makes in the project."""

LOCAL_IMAGE = "sandbox"
"""The image if the configuration names none: the sandbox's pods are copies of the project."""

# Never part of a project's image, whatever its .dockerignore says, and slow to copy.
_NEVER = frozenset(
    {SANDBOX_FOLDER, ".git", "__pycache__", ".ruff_cache", ".mypy_cache", ".pytest_cache"}
)


def copy_project(project: Path, target: Path) -> None:
    """Copy what the image would hold of a project, without virtual environments and caches.

    Raises:
        SandboxError: If a file cannot be read.
    """
    try:
        copy_included(project, target, DockerIgnore.of(project), _NEVER)
    except OSError as error:
        raise SandboxError(f"The project cannot be copied for the sandbox: {error}") from error


def kedro_folder() -> Path:
    """Return the folder in which pods find the `kedro` that runs now.

    Raises:
        SandboxError: There is no such command.
    """
    own = Path(sys.executable).parent
    found = shutil.which("kedro", path=own) or shutil.which("kedro")
    if found is None:
        raise SandboxError(
            f"There is no `kedro` command beside {sys.executable} or on the PATH, which the pods"
            " of the sandbox need. Use a virtual environment in which Kedro is installed."
        )
    return Path(found).absolute().parent


class ImageFolder:
    """Copies of a project, one of which is the current one.

    Args:
        folder: The folder; made if it is not there.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @property
    def current(self) -> Path:
        """A link to the current copy, as `PodImage` takes it."""
        return self._folder / "current"

    def refresh(self, project: Path) -> None:
        """Copy the project as it is now; containers that are being made from an older copy go on.

        Raises:
            SandboxError: If a file cannot be read or written.
        """
        try:
            self._replace(project)
        except OSError as error:
            raise SandboxError(f"The project cannot be copied for the sandbox: {error}") from error

    def _replace(self, project: Path) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        with locked(self._folder / "lock"):
            made = Path(tempfile.mkdtemp(dir=self._folder))
            try:
                copy_project(project, made)
            except SandboxError:
                discard(made)
                raise
            link = self._folder / "next"
            link.unlink(missing_ok=True)
            link.symlink_to(made.name)
            link.replace(self.current)
            for other in self._folder.iterdir():
                if other != made and other.is_dir() and not other.is_symlink():
                    _discard_unless_used(other)


def _discard_unless_used(folder: Path) -> None:
    """Delete a copy, unless a container is being made from it: then another refresh does it."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        discard(folder)
    except BlockingIOError:
        pass
    finally:
        os.close(descriptor)
