"""The file system of a container: its own copy of the image, and what is mounted into it.

Where the machine allows mount namespaces, the home directory of all containers has one path, and
mounts have the container's paths. Elsewhere paths are translated in arguments and variables, and
mounts below the home directory are symbolic links.
"""

from __future__ import annotations

import fcntl
import logging
import os
import shutil
import stat
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from kedro_airflow_k8s.sandbox.cluster.environment import expand
from kedro_airflow_k8s.sandbox.cluster.mounts import (
    CannotMount,
    Mount,
    enclosing,
    make_point,
    open_parent,
    parents_first,
    real_places,
)
from kedro_airflow_k8s.sandbox.cluster.pod_volumes import PodVolumes
from kedro_airflow_k8s.sandbox.cluster.status import Object

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


class PathMap:
    """Translates the container's paths to this machine's, the longest known prefix first.

    Attributes:
        home: The home directory on this machine.
        shown: What a process is shown, with its places; empty where that is not allowed.
        hidden: The mounts outside the home directory that are not at their places.
        writable: The places of mounts that can be written to, against what the pod says.
    """

    def __init__(self, home: Path) -> None:
        self.home = home
        self.shown: Sequence[tuple[Mount, str]] = ()
        self.hidden: Sequence[PurePosixPath] = ()
        self.writable: Sequence[PurePosixPath] = ()
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
    """The folders of one pod: a copy of the image for each container, and the pod's volumes.

    Args:
        image: What each container gets a copy of.
        volumes: The pod's volumes.
        folder: The folder to fill.
        home: Where every container finds its home directory; None for a place of its own.
    """

    def __init__(
        self, image: PodImage, volumes: PodVolumes, folder: Path, home: Path | None = None
    ) -> None:
        self._image = image
        self._volumes = volumes
        self._folder = folder
        self._home = home
        programs = [sys.prefix, sys.base_prefix, sys.executable, *map(str, image.bin_dirs)]
        self._needed = {p for text in programs for p in (Path(text), Path(text).resolve())}

    def prepare_container(
        self, container: Object, variables: Mapping[str, str], temporary: Path
    ) -> PathMap:
        """Make the container's copy of the image with its mounts, and return where they are.

        Args:
            container: The container.
            variables: Its environment, for `subPathExpr`.
            temporary: The folder for its temporary files.

        Raises:
            CannotMount: A mount would lie behind a file or link of the image.
        """
        root = self._folder / container["name"] / "root"
        home = self._image.home
        mounts = [self._mount(m, variables) for m in container.get("volumeMounts", [])]
        whole = next((mount for mount in mounts if mount.place == home), None)
        if whole is None:
            remove_tree(root)  # of the last run of a container that is restarted
            copy_current(self._image.root, root)
        else:
            mounts.remove(whole)
            root = whole.source
        place = self._home or root
        paths = PathMap(place)
        paths.add(home, place)
        paths.show(place, PurePosixPath())
        # As the project has them: pods work in the folder that replaces the project's.
        paths.show(root, PurePosixPath())
        for mount in mounts:
            inside = home in mount.place.parents
            paths.show(mount.source, mount.place.relative_to(home) if inside else mount.place)
        top = Mount(root, home, whole is not None and whole.read_only)
        if self._home is None:
            self._translate(paths, top, mounts)
        else:
            self._show(paths, top, mounts, temporary)
        return paths

    def _mount(self, mount: Object, variables: Mapping[str, str]) -> Mount:
        part = mount.get("subPath") or expand(mount.get("subPathExpr", ""), variables)
        place = PurePosixPath(mount["mountPath"])
        if part.startswith("/") or ".." in part.split("/"):
            raise CannotMount(f"cannot mount at {place}: the sub path {part} leaves the volume")
        source = self._volumes.folder_of(mount["name"]) / part
        if not source.exists():
            source.mkdir(parents=True)
        read_only = mount.get("readOnly", False) or self._volumes.is_read_only(mount["name"])
        return Mount(source, place, read_only)

    def _show(self, paths: PathMap, top: Mount, mounts: Sequence[Mount], temporary: Path) -> None:
        """Let the process find mounts at the container's paths."""
        needed = {*self._needed, paths.home, temporary, Path("/usr/bin"), Path("/proc/self")}
        hidden = [m for m in mounts if any(Path(m.place) in (n, *n.parents) for n in needed)]
        for mount in hidden:
            paths.add(mount.place, mount.source)
        paths.hidden = [mount.place for mount in hidden]
        seen = [mount for mount in mounts if mount not in hidden]
        for mount in parents_first(seen):
            if around := enclosing(mount, [top, *seen]):
                make_point(around, mount)
        inside = [m for m in seen if top.place in m.place.parents]
        outside = [m for m in seen if m not in inside]
        paths.shown = [
            (top, str(paths.home)),
            *(
                (mount, str(paths.home / mount.place.relative_to(top.place)))
                for mount in parents_first(inside)
            ),
            *real_places(outside),
        ]

    def _translate(self, paths: PathMap, top: Mount, mounts: Sequence[Mount]) -> None:
        """Let the process find mounts by links and by translated paths."""
        for mount in mounts:
            if around := enclosing(mount, mounts):
                raise CannotMount(
                    f"cannot mount at {mount.place}, inside the mount at {around.place}: this"
                    " machine does not allow mount namespaces"
                )
            if top.place in mount.place.parents:
                _link(top.source, mount.place.relative_to(top.place), mount.source)
            else:
                paths.add(mount.place, mount.source)
        outside = [m.place for m in mounts if top.place not in m.place.parents]
        paths.hidden = outside
        paths.writable = [m.place for m in (top, *mounts) if m.read_only]


def _link(root: Path, place: PurePosixPath, target: Path) -> None:
    """Put a link into the copy of the image; what the image has there is hidden, as by a mount."""
    link = open_parent(root, place) / place.name
    if link.is_symlink() or link.is_file():
        link.unlink()
    else:
        remove_tree(link)
    link.symlink_to(target)
