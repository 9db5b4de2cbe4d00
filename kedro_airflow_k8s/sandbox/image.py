"""The container image in the sandbox: a copy of the project, like that of `docker build`."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import stat
import sys
import tempfile
from datetime import datetime
from pathlib import Path

from kedro_airflow_k8s.errors import ProjectError, SandboxError
from kedro_airflow_k8s.project.image import ProjectImage
from kedro_airflow_k8s.sandbox.cluster.files import discard
from kedro_airflow_k8s.sandbox.dockerignore import copy_included
from kedro_airflow_k8s.sandbox.locks import locked

SANDBOX_FOLDER = ".airflow-sandbox"
"""The folder that `sandbox up` makes in the project."""

LOCAL_IMAGE = "sandbox"
DEFAULTS = {"image": LOCAL_IMAGE, "keep_failed": "1d"}
"""Settings of runs in the sandbox, where volumes cost nothing."""

"""The image if the configuration names none: the sandbox's pods are copies of the project."""


def refuse_other_image(image: str | None) -> None:
    """Refuse an image that a command names, as pods of the sandbox run the project.

    Raises:
        SandboxError: There is one.
    """
    if image is not None:
        raise SandboxError(
            f"The sandbox cannot run the image {image!r}. Its pods run copies of this project, and"
            " no containers. Omit --image, or run the image on a cluster: run-once --image without"
            " --sandbox."
        )


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
        copy_included(ProjectImage.of(project), target, _NEVER)
    except (OSError, ProjectError) as error:
        raise SandboxError(f"The project cannot be copied for the sandbox: {error}") from error


def project_state(project: Path) -> str:
    """Return a text that changes when a file of the project does, but those that are never copied.

    Folders that cannot be read do not count: the copy may leave them out.
    """
    digest = hashlib.sha256()
    for folder, folders, files in os.walk(project):
        folders[:] = sorted(
            name
            for name in folders
            if name not in _NEVER and not Path(folder, name, "pyvenv.cfg").exists()
        )
        for name in (*folders, *sorted(files)):
            path = Path(folder, name)
            with contextlib.suppress(FileNotFoundError):  # Just deleted.
                found = path.lstat()
                # The files in a folder count by themselves.
                is_folder = stat.S_ISDIR(found.st_mode)
                state = "" if is_folder else f"{found.st_mtime_ns} {found.st_size}"
                digest.update(os.fsencode(f"{path}\0{found.st_mode} {state}\n"))
    return digest.hexdigest()


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

    def refresh(self, project: Path, *, only_if_changed: bool = False) -> None:
        """Copy the project as it is now; containers that are being made from an older copy go on.

        Args:
            project: The folder of the project.
            only_if_changed: Keep the current copy if no file has changed since.

        Raises:
            SandboxError: If a file cannot be read or written.
        """
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with locked(self._folder / "lock"):
                # Before the copy: a change meanwhile makes the next one.
                state = project_state(project)
                if only_if_changed and self._copied.exists() and self._copied.read_text() == state:
                    return
                self._replace(project)
                self._copied.write_text(state)
        except OSError as error:
            raise SandboxError(f"The project cannot be copied for the sandbox: {error}") from error

    def renew(self, project: Path) -> str:
        """Copy the project if it has changed, and return a line that says how old the copy is."""
        trouble = ""
        try:
            self.refresh(project, only_if_changed=True)
        except SandboxError as error:
            trouble = f" {error}"
        if not self._copied.exists():
            return f"Sandbox: there is no copy of the project.{trouble}"
        made = datetime.fromtimestamp(self._copied.stat().st_mtime).astimezone()
        return f"Sandbox: the pod runs the project as of {made:%Y-%m-%d %H:%M:%S}.{trouble}"

    @property
    def _copied(self) -> Path:
        """The file with the state of the project at its last copy."""
        return self._folder / "copied"

    def _replace(self, project: Path) -> None:
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
