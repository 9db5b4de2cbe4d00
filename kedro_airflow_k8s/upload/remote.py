"""DAG files in a remote place, through fsspec and within a bounded time."""

from __future__ import annotations

import contextlib
import logging
import re
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from importlib import import_module
from typing import Any, TypeVar

from kedro_airflow_k8s.config.wording import Nearest, did_you_mean
from kedro_airflow_k8s.errors import UploadError
from kedro_airflow_k8s.pod.redaction import shown_url
from kedro_airflow_k8s.pod.stores import AZURE, GCS, S3, STORES, open_filesystem
from kedro_airflow_k8s.upload.failures import NoAnswerError, remote_failure
from kedro_airflow_k8s.upload.stores import KNOWN, Target

T = TypeVar("T")

DEADLINE_SECONDS = 60.0
"""Longest wait for a store, including all retries and the search for credentials."""


def remote_target(protocol: str, rest: str, file_name: str) -> Target:
    """Return the place of a file.

    Raises:
        UploadError: If the address is unknown, incomplete, or holds credentials.
    """
    fsspec = import_module("fsspec")
    known = {*fsspec.available_protocols(), *fsspec.registry, *STORES}
    if protocol not in known:
        near = Nearest(known).find(protocol)
        hint = did_you_mean(f"{near}://" if near else None)
        raise UploadError(
            f"Cannot upload: the protocol {protocol}:// is unknown.{hint} `output` can be "
            f"{KNOWN}, or another protocol of fsspec."
        )
    # Show only the protocol of such an address: the rest may be a signature or a password.
    secret_free = "Remove it: credentials come from the environment."
    if re.search(r"[?#]|::", rest):  # "::" chains two filesystems in fsspec
        raise UploadError(
            f"Cannot upload: the output location {protocol}://... has a query string, a fragment "
            f"or '::'. {secret_free}"
        )
    authority, _, prefix = rest.partition("/")
    store = STORES.get(protocol)
    if store:
        if not authority:
            raise UploadError(
                f"Cannot upload: the output location {protocol}://{rest} has no {store.bucket}."
                f" Write {protocol}://{store.bucket.upper()}/folder."
            )
        # abfs://container@account.dfs.core.windows.net is Azure's own form, not a user name.
        # An S3 access point has colons in its name (arn:aws:s3:...).
        user_info = "@" in authority and store is not AZURE
        if user_info or (":" in authority and not authority.startswith("arn:")):
            raise UploadError(
                f"Cannot upload: the output location {protocol}://... has a user name or "
                f"password. {secret_free}"
            )
    parts = [authority, *(part for part in prefix.split("/") if part), file_name]
    url = f"{protocol}://{'/'.join(parts)}"
    return Target(protocol, authority, url, shown_url(url))


def write_remote(data: bytes, target: Target) -> None:
    """Store a file, replacing an older one.

    Raises:
        UploadError: If that failed.
    """

    def write() -> None:
        filesystem, path = _filesystem(target)
        if target.store is None:
            filesystem.makedirs(path.rpartition("/")[0], exist_ok=True)
        # By default, Azure's client retries three times and waits 15 s or longer before each.
        options = {"retry_total": 1} if target.store is AZURE else {}
        filesystem.pipe_file(path, data, **options)
        # Some implementations in fsspec accept a write and ignore it.
        if target.store is None and filesystem.cat_file(path) != data:
            raise OSError("the stored file differs from the uploaded one")

    try:
        with _quiet("gcsfs"):
            _within_deadline(write)
    except Exception as error:  # the clients behind fsspec share no base class
        raise remote_failure(error, target) from error


def read_remote(target: Target, limit: int) -> tuple[int, bytes | None]:
    """Return the size of a file in bytes, and its content; None instead of more than limit bytes.

    Raises:
        FileNotFoundError: If it does not exist, though a file of that name could be written.
        UploadError: If it cannot be read, or the bucket does not exist.
    """

    def read() -> tuple[int, bytes | None]:
        filesystem, path = _filesystem(target)
        try:
            # Some implementations in fsspec do not know the size before they read.
            size = filesystem.size(path)
            if size is not None and size > limit:
                return size, None
            data: bytes = filesystem.cat_file(path)
        except FileNotFoundError as error:
            if target.store and _lacks_bucket(filesystem, path):
                raise _NoBucketError from error
            raise
        return len(data), data if len(data) <= limit else None

    try:
        with _quiet("gcsfs"):
            return _within_deadline(read)
    except _NoBucketError as error:
        raise remote_failure(FileNotFoundError(), target, "read") from error
    except FileNotFoundError:
        raise
    except Exception as error:  # the clients behind fsspec share no base class
        raise remote_failure(error, target, "read") from error


def delete_remote(target: Target) -> None:
    """Delete a file.

    Raises:
        UploadError: If that failed.
    """

    def remove() -> None:
        filesystem, path = _filesystem(target)
        # One that is gone meanwhile is as good as deleted.
        with contextlib.suppress(FileNotFoundError):
            filesystem.rm_file(path)

    try:
        with _quiet("gcsfs"):
            _within_deadline(remove)
    except Exception as error:  # the clients behind fsspec share no base class
        raise remote_failure(error, target, "delete") from error


class _NoBucketError(Exception):
    """A file in a bucket that does not exist."""


def _lacks_bucket(filesystem: Any, path: str) -> bool:
    """Return whether the bucket of a path does not exist; False without permission to ask."""
    try:
        filesystem.info(path[: path.index("/", 1)])
    except FileNotFoundError:
        return True
    except Exception:  # noqa: BLE001 - permission to read a file need not include its bucket
        return False
    return False


def _filesystem(target: Target) -> tuple[Any, str]:
    """Return the filesystem, with bounded retries, and the path in it.

    The user's configuration of the client library stays. A cached instance could have credentials
    that expired or changed.
    """
    filesystem, path = open_filesystem(target.url, skip_instance_cache=True)
    if target.store is S3:
        # Tries multiply: s3fs 5 times botocore 5, each waiting up to 5 s for a connection.
        filesystem.config_kwargs.setdefault("retries", {"total_max_attempts": 2})
        filesystem.retries = 2
    if target.store is GCS:
        filesystem.requests_timeout = filesystem.requests_timeout or 20
        # gcsfs sleeps up to 36 s over six tries and offers no setting; three take at most 5 s.
        cls = type(filesystem)
        once = getattr(cls._request, "__wrapped__", None)
        if once is not None:
            retry_request = import_module("gcsfs.retry").retry_request
            filesystem._request = retry_request(once, 3).__get__(filesystem)  # noqa: SLF001
    return filesystem, path


def _within_deadline(call: Callable[[], T]) -> T:
    """Run a call for at most DEADLINE_SECONDS, even if the client library waits longer.

    It runs in a thread because the search for credentials blocks before any time-out of fsspec
    applies, and in a daemon so that a call that hangs does not keep the command from ending.
    """
    done: Future[T] = Future()

    def run() -> None:
        try:
            done.set_result(call())
        except BaseException as error:  # noqa: BLE001 - the waiting thread raises it
            done.set_exception(error)

    threading.Thread(target=run, daemon=True, name="upload").start()
    wait([done], timeout=DEADLINE_SECONDS)
    if not done.done():
        raise NoAnswerError(DEADLINE_SECONDS)
    return done.result()


@contextlib.contextmanager
def _quiet(name: str) -> Iterator[None]:
    """Silence a logger that prints the traceback of an error that is raised anyway."""
    logger = logging.getLogger(name)
    before = logger.disabled
    logger.disabled = True
    try:
        yield
    finally:
        logger.disabled = before
