"""The file system of a container: its own copy of the image, and what is mounted into it.

Processes cannot have the container's paths, which are not on this machine. So paths are translated
in arguments and variables, and mounts below the home directory are symbolic links. Where the
machine allows mount namespaces, the home directory of all containers has one path.
"""

from __future__ import annotations

import fcntl
import logging
import os
import shutil
import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from kedro_airflow_k8s.sandbox.cluster.discovery import CONFIG_MAPS
from kedro_airflow_k8s.sandbox.cluster.environment import SECRETS, ConfigMissing, data_of
from kedro_airflow_k8s.sandbox.cluster.status import Object
from kedro_airflow_k8s.sandbox.cluster.store import Store

_LOG = logging.getLogger(__name__)
_COPIED = (stat.S_IFREG, stat.S_IFDIR, stat.S_IFLNK)


@dataclass(frozen=True)
class PodImage:
    """A stand-in for the container image on this machine.

    Attributes:
        root: A prepared copy of the project: the content of the image's home directory. Each
            container gets a copy of its own. May be a link whose target changes later.
        home: The image's working directory, such as /home/kedro_docker, which `root` replaces.
        bin_dirs: Where `kedro` and `python` are; first on the PATH of each process.
        variables: Environment variables of the image.
        renew: Called before a container gets its copy of `root`; returns a line for its log.
    """

    root: Path
    home: PurePosixPath
    bin_dirs: tuple[Path, ...]
    variables: Mapping[str, str] = field(default_factory=dict)
    renew: Callable[[], str] | None = None


class CannotMount(Exception):
    """A mount does not fit the image's files."""


class PathMap:
    """Translates the container's paths to this machine's, the longest known prefix first.

    Attributes:
        root: The folder to show at the home directory; empty if that is the folder.
    """

    def __init__(self) -> None:
        self.root = ""
        self._known: dict[str, str] = {}
        self._shown: dict[bytes, bytes] = {}

    def add(self, inside: PurePosixPath, outside: Path) -> None:
        """Map a path of the container to one of this machine."""
        self._known[str(inside)] = str(outside)

    def show(self, outside: Path, path: PurePosixPath) -> None:
        """Let a folder of the sandbox have another path in the pod's log."""
        self._shown[os.fsencode(outside)] = str(path).encode()

    def log_line(self, line: bytes) -> bytes:
        """Return a line of the pod's log in which no path leads to the sandbox's own folders."""
        for outside in sorted(self._shown, key=len, reverse=True):
            if outside in line:
                path = self._shown[outside]
                below = b"" if path == b"." else path + b"/"
                line = line.replace(outside + b"/", below).replace(outside, path)
        return line

    def path(self, text: str) -> str:
        """Translate a text if it is a known path or one below it."""
        for inside in sorted(self._known, key=len, reverse=True):
            if text == inside or text.startswith(inside.rstrip("/") + "/"):
                return self._known[inside] + text[len(inside.rstrip("/")) :]
        return text

    def argument(self, text: str) -> str:
        """Translate an argument: the whole, or what comes after an `=`."""
        return "=".join(self.path(part) for part in text.split("="))

    def variable(self, text: str) -> str:
        """Translate a variable: the whole, or the parts of a list separated by `:`, as of PATH."""
        return ":".join(self.path(part) for part in text.split(":"))


def copy_current(source: Path, target: Path) -> None:
    """Copy a folder, or the present target of a link; sockets, pipes and devices are left out.

    A process that changes the link deletes the old folder only when it can lock it. So a folder
    is not deleted while it is copied, and not when it is still the target after it was locked.
    """
    while True:
        folder = source.resolve()
        try:
            descriptor = os.open(folder, os.O_RDONLY)
        except FileNotFoundError:
            if source.resolve() == folder:
                raise
            continue
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH)
            if source.resolve() == folder:
                shutil.copytree(folder, target, symlinks=True, ignore=_special_files)
                return
        finally:
            os.close(descriptor)


def _special_files(folder: str, names: list[str]) -> list[str]:
    modes = {name: (Path(folder) / name).lstat().st_mode for name in names}
    return [name for name, mode in modes.items() if stat.S_IFMT(mode) not in _COPIED]


def remove_tree(folder: Path) -> None:
    """Delete a folder with its content, if it exists; also one without write permission.

    Raises:
        OSError: A part of it cannot be deleted, because it belongs to another user.
    """
    if not folder.exists():
        return
    try:
        shutil.rmtree(folder)
    except PermissionError:
        _open_up(folder)
        shutil.rmtree(folder)


def discard(folder: Path) -> None:
    """Delete a folder, or log that a part of it cannot be deleted."""
    try:
        remove_tree(folder)
    except OSError as error:
        _LOG.warning("Files in %s could not be deleted: %s", folder, error)


def _open_up(folder: Path) -> None:
    folder.chmod(stat.S_IRWXU)
    for child in folder.iterdir():
        if child.is_dir() and not child.is_symlink():
            _open_up(child)


class PodFiles:
    """The folders of one pod: a copy of the image for each container, and the pod's volumes."""

    def __init__(
        self,
        pod: Object,
        image: PodImage,
        folder: Path,
        claim_folder: Callable[[str], Path],
        home: Path | None = None,
    ) -> None:
        """Take what the pod's folders are made of.

        Args:
            pod: The pod.
            image: What each container gets a copy of.
            folder: The folder to fill.
            claim_folder: Returns the folder of a claim.
            home: Where every container finds its home directory; None for a place of its own.
        """
        self._pod = pod
        self._image = image
        self._folder = folder
        self._claim_folder = claim_folder
        self._home = home
        self._volumes: dict[str, Path] = {}

    def prepare_volumes(self, store: Store) -> None:
        """Make the folders behind the pod's volumes.

        Raises:
            ConfigMissing: A Secret or ConfigMap, or a key in one, is missing.
        """
        for volume in self._pod["spec"].get("volumes", []):
            name = volume["name"]
            if claim := volume.get("persistentVolumeClaim"):
                self._volumes[name] = self._claim_folder(claim["claimName"])
                continue
            folder = self._volumes[name] = self._folder / "volumes" / name
            folder.mkdir(parents=True)
            if source := volume.get("secret"):
                self._write(folder, store, SECRETS, source["secretName"], source)
            if source := volume.get("configMap"):
                self._write(folder, store, CONFIG_MAPS, source["name"], source)

    def _write(self, folder: Path, store: Store, kind: str, name: str, source: Object) -> None:
        data = data_of(store, self._pod["metadata"]["namespace"], kind, name)
        for item in source.get("items") or [{"key": key, "path": key} for key in data]:
            if item["key"] not in data:
                raise ConfigMissing(f"{kind[:-1]} {name} has no key {item['key']}")
            path = folder / item["path"]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch(mode=0o600, exist_ok=False)
            path.write_bytes(data[item["key"]])
            path.chmod(0o400)

    def prepare_container(self, container: Object) -> PathMap:
        """Make the container's copy of the image with its mounts, and return where they are.

        Raises:
            CannotMount: A mount would lie behind a file or link of the image.
        """
        paths = PathMap()
        root = self._folder / container["name"] / "root"
        home = self._image.home
        mounts = {
            PurePosixPath(mount["mountPath"]): self._volumes[mount["name"]]
            / mount.get("subPath", "")
            for mount in container.get("volumeMounts", [])
        }
        for outside in mounts.values():
            if not outside.exists():
                outside.mkdir(parents=True)
        if home in mounts:
            root = mounts.pop(home)
        else:
            copy_current(self._image.root, root)
        place = self._home or root
        paths.root = "" if self._home is None else str(root)
        paths.add(home, place)
        paths.show(place, PurePosixPath())
        # As the project has them: pods work in the folder that replaces the project's.
        paths.show(root, PurePosixPath())
        for inside, outside in mounts.items():
            if home in inside.parents:
                _link(root, inside.relative_to(home), outside)
                paths.show(outside, inside.relative_to(home))
            else:
                paths.add(inside, outside)
                paths.show(outside, inside)
        return paths


def _link(root: Path, place: PurePosixPath, target: Path) -> None:
    """Put a link into the copy of the image; what the image has there is hidden, as by a mount."""
    parent = root
    for name in place.parent.parts:
        parent = parent / name
        if parent.is_symlink() or (parent.exists() and not parent.is_dir()):
            raise CannotMount(
                f"cannot mount at {place}: {parent.relative_to(root)} is not a folder"
            )
        parent.mkdir(exist_ok=True)
    link = root / place
    if link.is_symlink() or link.is_file():
        link.unlink()
    else:
        remove_tree(link)
    link.symlink_to(target)
