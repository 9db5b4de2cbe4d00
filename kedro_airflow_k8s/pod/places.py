"""The places of intermediate data: files in a folder of a volume, or on object storage.

A file appears whole or not at all: it is written under another name and then renamed.
"""

from __future__ import annotations

import contextlib
import os
import re
from abc import ABC, abstractmethod
from collections.abc import Callable
from importlib import import_module
from typing import Any, BinaryIO, TypeVar

from kedro_airflow_k8s.pod.atomic import atomic_write
from kedro_airflow_k8s.pod.redaction import shown_url
from kedro_airflow_k8s.pod.stores import open_filesystem, protocol_of, store_of

T = TypeVar("T")


class PlaceError(Exception):
    """An address where nothing can be stored."""


class Place(ABC):
    """The place of one file.

    Attributes:
        shown: The address without credentials.
    """

    shown: str

    @abstractmethod
    def write(self, put: Callable[[BinaryIO], None]) -> None:
        """Create or replace the file.

        Args:
            put: Writes the content. If it raises, the old file stays as it was.
        """

    @abstractmethod
    def read(self, get: Callable[[BinaryIO, int], T]) -> T:
        """Return what `get` makes of the file, open for reading, and its size in bytes.

        Raises:
            FileNotFoundError: If it does not exist.
        """

    @abstractmethod
    def exists(self) -> bool:
        """Return whether the file exists."""


def is_remote(address: str) -> bool:
    """Return whether an address is a URL of another place than this machine's file system."""
    return local_path(address) is None


def local_path(address: str) -> str | None:
    """Return the path that an address means, or None if it is a URL of another place."""
    protocol = protocol_of(address)
    if protocol in ("file", "local"):
        return address.partition("://")[2]
    return None if protocol else address


def place(root: str, name: str) -> Place:
    """Return the place of a file.

    Args:
        root: A folder, or a URL of fsspec.
        name: The name of the file.
    """
    folder = local_path(root)
    return _Remote(root, name) if folder is None else _Local(folder, name)


def remote_filesystem(url: str) -> tuple[Any, str]:
    """Return the file system of fsspec for a URL, and the path in it.

    Raises:
        PlaceError: If `check_url` refuses the URL.
        ImportError: If the package for it is not installed.
        ValueError: If fsspec does not know the protocol.
    """
    check_url(url)
    return open_filesystem(url)


def check_url(url: str) -> None:
    """Refuse a URL that fsspec would read as a pattern, when it deletes, or as two file systems.

    Raises:
        PlaceError: If it is such a URL.
    """
    if re.search(r"[*?\[\]{}#]|::|(^|/)\.\.?(/|$)", url.partition("://")[2]):
        raise PlaceError(
            f"{shown_url(url)} has one of the characters * ? [ ] {{ }} #, or '::' or '..'"
        )


class _Local(Place):
    def __init__(self, folder: str, name: str) -> None:
        self._folder = folder
        self.shown = self._path = os.path.join(folder, name)

    def write(self, put: Callable[[BinaryIO], None]) -> None:
        _make_folder(self._folder)
        with atomic_write(self._path, fsync=True) as file:
            put(file)

    def read(self, get: Callable[[BinaryIO, int], T]) -> T:
        with open(self._path, "rb") as file:
            return get(file, os.fstat(file.fileno()).st_size)

    def exists(self) -> bool:
        try:
            os.stat(self._path)
        except FileNotFoundError:
            return False
        return True


class _Remote(Place):
    def __init__(self, root: str, name: str) -> None:
        self._url = f"{root.rstrip('/')}/{name}"
        self.shown = shown_url(self._url)

    def write(self, put: Callable[[BinaryIO], None]) -> None:
        filesystem, path = remote_filesystem(self._url)
        folder, _, name = path.rpartition("/")
        temporary = f"{folder}/.{name}.{os.urandom(8).hex()}.writing"
        # There, folders need not be made and files cannot be moved.
        is_object_store = store_of(self._url) is not None
        if not is_object_store:
            filesystem.makedirs(folder, exist_ok=True)
        try:
            file = filesystem.open(temporary, "wb")
            try:
                put(file)
            except BaseException:
                _abandon(file)
                raise
            file.close()
            if is_object_store:
                # What `mv` does there, less what it asks for and lists first.
                filesystem.cp_file(temporary, path)
                filesystem.rm_file(temporary)
            else:
                filesystem.mv(temporary, path)
        except BaseException:
            with contextlib.suppress(Exception):
                filesystem.rm_file(temporary)
            raise

    def read(self, get: Callable[[BinaryIO, int], T]) -> T:
        filesystem, path = remote_filesystem(self._url)
        filesystem.invalidate_cache()
        with filesystem.open(path, "rb") as file:
            return get(file, file.size)

    def exists(self) -> bool:
        filesystem, path = remote_filesystem(self._url)
        filesystem.invalidate_cache()
        try:
            filesystem.info(path)
        except FileNotFoundError:
            return False
        return True


def _abandon(file: Any) -> None:
    """Close a file of fsspec that was written in part, without storing that part."""
    with contextlib.suppress(Exception):
        if isinstance(file, import_module("fsspec.spec").AbstractBufferedFile):
            file.discard()
            # Otherwise the garbage collector closes it, which stores it.
            file.closed = True
        else:
            file.close()


def _make_folder(folder: str) -> None:
    """Make a folder with the permissions of the folder that it is in.

    With fsGroup, these let all pods write there, whatever users their images have.
    """
    parent = os.path.dirname(folder.rstrip("/"))
    if parent:
        os.makedirs(parent, exist_ok=True)
    try:
        os.mkdir(folder)
    except FileExistsError:
        return
    with contextlib.suppress(PermissionError):
        os.chmod(folder, os.stat(parent or ".").st_mode & 0o7777)
