"""Where files of intermediate data are: in a folder of a volume, or on object storage.

A file is there whole or not at all: it is written under another name and then renamed.
"""

from __future__ import annotations

import contextlib
import os
import re
from abc import ABC, abstractmethod
from collections.abc import Callable
from importlib import import_module
from typing import Any, BinaryIO, TypeVar
from urllib.parse import unquote

T = TypeVar("T")

# A temporary file this much older than ours (seconds) belongs to a pod that was killed.
LEFTOVER_SECONDS = 600.0

_PROTOCOL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://")
_AZURE = ("abfs", "abfss", "az")


class PlaceError(Exception):
    """An address at which nothing can be kept."""


class Place(ABC):
    """Where one file is.

    Attributes:
        shown: Its address, without credentials.
    """

    shown: str

    @abstractmethod
    def write(self, put: Callable[[BinaryIO], None]) -> None:
        """Make the file, or replace it.

        Args:
            put: Writes what it shall hold. When it raises, what was there stays as it was.
        """

    @abstractmethod
    def read(self, get: Callable[[BinaryIO, int], T]) -> T:
        """What `get` makes of the file, open for reading, and its size in bytes.

        Raises:
            FileNotFoundError: If it is not there.
        """

    @abstractmethod
    def exists(self) -> bool:
        """Whether the file is there."""


def is_remote(address: str) -> bool:
    """Whether an address is a URL of another place than this machine's file system."""
    return local_path(address) is None


def local_path(address: str) -> str | None:
    """The path that an address means, None if it is a URL of another place."""
    found = _PROTOCOL.match(address)
    if found is None:
        return address
    return address[found.end() :] if found[1].lower() in ("file", "local") else None


def place(root: str, name: str) -> Place:
    """The place of a file.

    Args:
        root: A folder, or a URL of fsspec.
        name: The name of the file.

    Raises:
        PlaceError: If nothing can be kept there.
    """
    folder = local_path(root)
    return _Remote(root, name) if folder is None else _Local(folder, name)


def without_secrets(text: str) -> str:
    """A text in which credentials have become ***, as far as they can be told."""
    for name, value in os.environ.items():
        if len(value) >= 8 and re.search(r"SECRET|TOKEN|KEY|PASSW|CONNECTION_STRING|SAS", name):
            text = text.replace(value, "***").replace(unquote(value), "***")
    text = re.sub(r"//[^/\s@]+:[^/\s]+@", "//***@", text)
    text = re.sub(r"\?[^\s\"'<>]+", "?***", text)
    secret = r"sig|token|password|secret|accountkey|account_key|access_key|authorization"
    return re.sub(rf"(?i)\b({secret})(\"?\s*[=:]\s*\"?|\s+bearer\s+)\S+", r"\1=***", text)


def remote_filesystem(url: str) -> tuple[Any, str]:
    """The file system of fsspec that a URL names, and the path in it.

    Raises:
        PlaceError: If the URL is of no use for what is written and deleted.
        ImportError: If the package for it is not installed.
        ValueError: If fsspec does not know the protocol.
    """
    check_url(url)
    protocol, _, path = url.partition("://")
    if protocol.lower() not in ("gs", "gcs"):
        filesystem, path = import_module("fsspec.core").url_to_fs(url)
        return filesystem, path
    # The class registered for gs:// asks by gRPC for the kind of bucket before it writes, which
    # emulators do not answer. The core class is what it hands every usual bucket to.
    return import_module("gcsfs.core").GCSFileSystem(), path


def check_url(url: str) -> None:
    """Refuse a URL in which fsspec would find patterns, when it deletes, or two file systems.

    Raises:
        PlaceError: If it is such a URL.
    """
    if re.search(r"[*?\[\]{}#]|::|(^|/)\.\.?(/|$)", url.partition("://")[2]):
        raise PlaceError(
            f"{shown_url(url)} has one of the characters * ? [ ] {{ }} #, or '::' or '..'"
        )


def shown_url(url: str) -> str:
    """A URL without user name, password and query string."""
    protocol, separator, rest = url.partition("://")
    authority, slash, path = rest.partition("/")
    # abfs://container@account.dfs.core.windows.net is Azure's own form, not a user name.
    if protocol.lower() not in _AZURE or ":" in authority:
        authority = re.sub(r".*@", "***@", authority)
    return protocol + separator + authority + slash + re.sub(r"\?.*", "?***", path)


class _Local(Place):
    def __init__(self, folder: str, name: str) -> None:
        self._folder, self._name = folder, name
        self.shown = self._path = os.path.join(folder, name)

    def write(self, put: Callable[[BinaryIO], None]) -> None:
        _make_folder(self._folder)
        temporary = os.path.join(self._folder, _temporary_name(self._name))
        try:
            with open(temporary, "xb") as file:
                put(file)
                file.flush()
                # Without it a crash of the machine may leave the new name on an empty file.
                os.fsync(file.fileno())
            self._remove_leftovers(temporary)
            os.replace(temporary, self._path)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
            raise

    def read(self, get: Callable[[BinaryIO, int], T]) -> T:
        with open(self._path, "rb") as file:
            return get(file, os.fstat(file.fileno()).st_size)

    def exists(self) -> bool:
        try:
            os.stat(self._path)
        except FileNotFoundError:
            return False
        return True

    def _remove_leftovers(self, temporary: str) -> None:
        """Remove what pods left that were killed while they wrote this file."""
        # Tidying up must not fail what works: somebody else may tidy at the same time.
        with contextlib.suppress(OSError):
            # Both times come from the clock of the file server.
            old = os.stat(temporary).st_mtime - LEFTOVER_SECONDS
            for entry in os.scandir(self._folder):
                if _is_temporary(entry.name, self._name) and entry.stat().st_mtime < old:
                    os.unlink(entry.path)


class _Remote(Place):
    def __init__(self, root: str, name: str) -> None:
        self._url = f"{root.rstrip('/')}/{name}"
        self.shown = shown_url(self._url)

    def write(self, put: Callable[[BinaryIO], None]) -> None:
        filesystem, path = remote_filesystem(self._url)
        folder, _, name = path.rpartition("/")
        temporary = f"{folder}/{_temporary_name(name)}"
        is_object_store = _is_object_store(filesystem)
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


def _is_object_store(filesystem: Any) -> bool:
    """Whether it is one of s3fs, gcsfs and adlfs: folders need not be made, and files not moved."""
    return isinstance(filesystem, import_module("fsspec.asyn").AsyncFileSystem)


def _abandon(file: Any) -> None:
    """Give a file of fsspec up that was written in part: closing it would store that part."""
    with contextlib.suppress(Exception):
        if isinstance(file, import_module("fsspec.spec").AbstractBufferedFile):
            file.discard()
            # It would close itself when it is collected.
            file.closed = True
        else:
            file.close()


def _temporary_name(name: str) -> str:
    return f".{name}.{os.urandom(8).hex()}.writing"


def _is_temporary(found: str, name: str) -> bool:
    return re.fullmatch(re.escape(f".{name}.") + r"[0-9a-f]{16}\.writing", found) is not None


def _make_folder(folder: str) -> None:
    """Make a folder in which those may write who may write beside it.

    With fsGroup that is the group of all pods, whatever users their images name.
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
