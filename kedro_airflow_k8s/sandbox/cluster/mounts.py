"""What is mounted into a container, and where a process finds it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath


class CannotMount(Exception):
    """A mount does not fit the image's files."""


@dataclass(frozen=True)
class Mount:
    """A folder or file, and the path at which the container finds it.

    Attributes:
        source: The folder or file on this machine.
        place: The path in the container.
        read_only: Whether the container may only read it.
    """

    source: Path
    place: PurePosixPath
    read_only: bool = False


def parents_first(mounts: Sequence[Mount]) -> list[Mount]:
    """Return mounts in an order in which none hides an earlier one."""
    return sorted(mounts, key=lambda mount: (len(mount.place.parts), mount.place))


def enclosing(mount: Mount, others: Sequence[Mount]) -> Mount | None:
    """Return the mount directly around another one, if there is one."""
    around = [other for other in others if other.place in mount.place.parents]
    return max(around, key=lambda other: len(other.place.parts), default=None)


def make_point(around: Mount, mount: Mount) -> None:
    """Make the folder or file over which a mount is put, in what is mounted around it.

    Raises:
        CannotMount: A file or link is in the way.
    """
    place = mount.place.relative_to(around.place)
    parent = open_parent(around.source, place)
    point = parent / place.name
    if point.is_symlink() or (point.exists() and point.is_dir() != mount.source.is_dir()):
        if point.is_dir() and not point.is_symlink():
            raise CannotMount(f"cannot mount a file at {mount.place}: there is a folder")
        point.unlink()
    if mount.source.is_dir():
        point.mkdir(exist_ok=True)
    else:
        point.touch()


def open_parent(root: Path, place: PurePosixPath) -> Path:
    """Make the folders above a place in a folder.

    Raises:
        CannotMount: A file or link is in the way.
    """
    parent = root
    for name in place.parent.parts:
        parent = parent / name
        if parent.is_symlink() or (parent.exists() and not parent.is_dir()):
            raise CannotMount(
                f"cannot mount at {place}: {parent.relative_to(root)} is not a folder"
            )
        parent.mkdir(exist_ok=True)
    return parent


def real_places(mounts: Sequence[Mount]) -> list[tuple[Mount, str]]:
    """Return mounts, parents first, with their places after the links of this machine."""
    found: list[tuple[Mount, str]] = []
    for mount in parents_first(mounts):
        around = enclosing(mount, [other for other, _ in found])
        if around is None:
            place = str(Path(mount.place).resolve())
        else:
            above = next(place for other, place in found if other is around)
            place = str(PurePosixPath(above, mount.place.relative_to(around.place)))
        found.append((mount, place))
    return found
