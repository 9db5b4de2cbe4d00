"""What the image will hold of a project, seen before it is built.

`.dockerignore`, the Dockerfile and the Secrets that the configuration mounts say it together.
`validate`, `init` and the sandbox ask this one object.
"""

from __future__ import annotations

import os
import posixpath
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from kedro_airflow_k8s.config.model import RunConfig
from kedro_airflow_k8s.errors import ProjectError
from kedro_airflow_k8s.project.dockerfile import Dockerfile, read_dockerfile
from kedro_airflow_k8s.project.dockerignore import DockerIgnore

DOCKERFILE = "Dockerfile"

# To look into a folder of a million files would take seconds.
_MOST_FILES = 10_000


@dataclass(frozen=True)
class Mounted:
    """A Secret that is mounted in the project's folder of the image.

    Attributes:
        secret: Its name.
        folder: Where, relative to the project.
        key: The only file that it brings; None if it may bring any.
    """

    secret: str
    folder: str
    key: str | None


class ProjectImage:
    """What the image will hold of a project.

    Args:
        root: The project's folder.
        ignore: What stays out of the build context.
        dockerfile: What the Dockerfile says; None if there is none, or nothing certain.
        run: The configuration, whose Secrets are mounted; None if there is none yet.
        code: The folder of the package, relative to the project. Where the Dockerfile does not copy
            it, the image is made in another way, and what else it copies says nothing.
    """

    def __init__(
        self,
        root: Path,
        ignore: DockerIgnore,
        dockerfile: Dockerfile | None = None,
        run: RunConfig | None = None,
        code: str = "src",
    ) -> None:
        self.root = root
        self.ignore = ignore
        self.dockerfile = dockerfile
        self.mounted = tuple(_mounted(run, self.home(run))) if run is not None else ()
        self._is_copied = dockerfile is not None and (
            not dockerfile.opaque
            and dockerfile.workdir is not None
            and dockerfile.holds(code, is_folder=True)
        )

    @classmethod
    def of(cls, root: Path, run: RunConfig | None = None, code: str = "src") -> ProjectImage:
        """Return what the image will hold of the project in a folder.

        Args:
            root: The folder.
            run: The configuration.
            code: The folder of the package, relative to the project.

        Raises:
            ProjectError: If `.dockerignore` or the Dockerfile cannot be read.
        """
        try:
            return cls(root, DockerIgnore.of(root), read_dockerfile(root / DOCKERFILE), run, code)
        except OSError as error:
            raise ProjectError(
                f"{error.filename or root} cannot be read: {error.strerror or error}. It says what"
                " the image holds; make it readable, or remove it."
            ) from error

    @property
    def is_known(self) -> bool:
        """Whether anything is known of it: a `.dockerignore` or a Dockerfile is there."""
        return bool(self.ignore.name) or self.dockerfile is not None

    def home(self, run: RunConfig) -> str:
        """Return the project's folder in the image, as far as that is known."""
        if self.dockerfile is not None and self.dockerfile.workdir is not None:
            return self.dockerfile.workdir
        return posixpath.dirname(run.volume.mount_path)

    def lacks(self, path: str) -> str | None:
        """Return why the image has no such file; None if it has it, or that is unknown.

        Args:
            path: Relative to the project, with slashes.
        """
        mounted = [each for each in self.mounted if _is_below(path, each.folder)]
        if mounted:
            names = [posixpath.join(each.folder, each.key) for each in mounted if each.key]
            if len(names) < len(mounted) or path in names:
                return None
            return f"the Secret {mounted[0].secret!r}, mounted at {mounted[0].folder}, hides it"
        line = self.ignore.reason(path)
        if line is not None:
            return f"the line {line!r} of {self.ignore.name} leaves it out"
        return self._not_copied(path)

    def holds_folder(self, path: str) -> bool:
        """Return whether a folder is in the image, as far as that is known.

        Args:
            path: Relative to the project, with slashes.
        """
        if self.dockerfile is not None and (
            path in self.dockerfile.made_folders
            or any(_is_below(made, path) for made in self.dockerfile.made_folders)
            or self.dockerfile.mentions(path)
        ):
            return True
        if any(_is_below(each.folder, path) for each in self.mounted):
            return True
        return self.lacks(path) is None or self.holds_some(path)

    def holds_some(self, path: str) -> bool:
        """Return whether the image has something of a file or a folder of this machine."""
        place = self.root / path
        if not place.is_dir():
            return self.lacks(path) is None
        if self.lacks(path) is None and not self.ignore.takes_back:
            return True
        files = islice(files_below(place, self.root), _MOST_FILES)
        return any(self.lacks(file) is None for file in files)

    def is_mounted(self, path: str) -> bool:
        """Return whether a Secret is mounted above a path, and may bring the file."""
        return self.lacks(path) is None and any(_is_below(path, m.folder) for m in self.mounted)

    def may_bring(self, path: str) -> bool:
        """Return whether a command of the Dockerfile may put a file there."""
        return self.dockerfile is not None and self.dockerfile.mentions(path)

    def _not_copied(self, path: str) -> str | None:
        dockerfile = self.dockerfile
        if dockerfile is None or not self._is_copied or dockerfile.mentions(path):
            return None
        if dockerfile.holds(path, is_folder=(self.root / path).is_dir()):
            return None
        return f"no COPY of the {DOCKERFILE} brings it to {dockerfile.workdir}"


def files_below(folder: Path, root: Path) -> Iterator[str]:
    """Yield the files in a folder and below, relative to a root, with slashes."""
    for parent, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            yield Path(parent, name).relative_to(root).as_posix()


def first_reason(image: ProjectImage, paths: Iterable[str]) -> str:
    """Return why the image lacks the first of some files."""
    return next((reason for path in paths if (reason := image.lacks(path))), "it is not there")


def _mounted(run: RunConfig, home: str) -> Iterator[Mounted]:
    for secret in run.secret_files:
        target = secret.deploy_target or ""
        if _is_below(target, home) and target != home:
            yield Mounted(secret.secret, posixpath.relpath(target, home), secret.key)


def _is_below(path: str, folder: str) -> bool:
    """Return whether a path is a folder, or in it or below."""
    return f"{path}/".startswith(f"{folder.rstrip('/')}/")
