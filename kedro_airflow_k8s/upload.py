"""Delivers a DAG file to where Airflow reads it: a local folder, or a bucket through fsspec.

Airflow parses the folder all the time, so a file appears there whole or not at all: locally by a
rename, on Google Cloud Storage, S3 and Azure by one request that stores the object or does not.
"""

from __future__ import annotations

import contextlib
import difflib
import errno
import logging
import os
import re
import secrets
import stat
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from kedro_airflow_k8s.errors import UploadError

# Longest wait for a store, in seconds, all retries and the search for credentials included.
DEADLINE_SECONDS = 60.0
# A temporary file this much older than ours (seconds) belongs to an upload that was killed.
LEFTOVER_SECONDS = 600.0


@dataclass(frozen=True)
class _Store:
    """An object store: one put is whole or nothing, a bucket must exist, folders need not."""

    title: str
    bucket: str
    extra: str
    login: str


_GCS = _Store(
    "Google Cloud Storage",
    "bucket",
    "gcp",
    "log in with `gcloud auth application-default login` or set GOOGLE_APPLICATION_CREDENTIALS, "
    "and let that account create and overwrite objects there",
)
_S3 = _Store(
    "S3",
    "bucket",
    "aws",
    "log in with `aws configure` or `aws sso login`, or set AWS_PROFILE or AWS_ACCESS_KEY_ID and "
    "AWS_SECRET_ACCESS_KEY, and let that identity s3:PutObject there",
)
_AZURE = _Store(
    "Azure Blob Storage",
    "container",
    "azure",
    "set AZURE_STORAGE_CONNECTION_STRING, or AZURE_STORAGE_ACCOUNT_NAME and either "
    "AZURE_STORAGE_ACCOUNT_KEY or `az login`, and let that identity write blobs there",
)
_STORES = {
    "gs": _GCS,
    "s3": _S3,
    "s3a": _S3,
    "abfs": _AZURE,
    "abfss": _AZURE,
    "az": _AZURE,
}
_KNOWN = "a local folder, gs://, gcs://, s3:// and abfs://"


@dataclass(frozen=True)
class _Target:
    """Where a remote file goes: `url` is for fsspec, `shown` is the same without credentials."""

    protocol: str
    authority: str
    url: str
    shown: str

    @property
    def store(self) -> _Store | None:
        return _STORES.get(self.protocol)


def upload_dag(source: str, file_name: str, output: str) -> str:
    """Writes one DAG file into the place Airflow reads DAGs from, replacing an older one.

    Locally and on the three object stores a reader sees the old file or the new one, never a
    part. For other protocols fsspec knows (ftp, sftp, ...) that is as good as their own write.

    Args:
        source: the text of the DAG, written as UTF-8.
        file_name: name of the file, without a folder.
        output: a local folder (made when missing; `~`, relative and `file://` are fine), or
            `gs://`, `gcs://`, `s3://`, `abfs://` with a bucket and perhaps a prefix, or any
            other protocol of fsspec. Credentials and endpoints come from the environment of
            each client library (for S3 also AWS_ENDPOINT_URL).

    Returns:
        The full location of the file, free of credentials, for printing.

    Raises:
        UploadError: the file could not be delivered; the text says why and the way out.
    """
    if file_name in ("", ".", "..") or set(file_name) & {"/", "\\", "\0"}:
        raise UploadError(f"Cannot upload: {file_name!r} is not a file name.")
    protocol, rest = _split_output(output)
    data = source.encode()
    if protocol == "file":
        return str(_write_local(data, _local_folder(rest), file_name))
    target = _remote_target(protocol, rest, file_name)
    _write_remote(data, target)
    return target.shown


def _split_output(output: str) -> tuple[str, str]:
    """Gives the protocol (`file` for a plain path) and what follows it."""
    if not output.strip() or "\0" in output:
        raise UploadError(
            "Cannot upload: the output location is empty or not a path. Set `output` in "
            f"airflow-k8s.yaml or give -o; it may be {_KNOWN}."
        )
    protocol, separator, rest = output.partition("://")
    # One letter is a Windows drive; anything with other characters is a path.
    if separator and re.fullmatch(r"[A-Za-z][A-Za-z0-9+.:-]+", protocol):
        protocol = {"gcs": "gs", "local": "file"}.get(protocol.lower(), protocol.lower())
        return protocol, rest
    head, colon, rest = output.partition(":")
    if colon and head.lower() in ("file", "local"):
        return "file", rest
    if colon and head.lower() in (*_STORES, "gcs"):
        # Taken for a path, this would quietly make a local folder called "gs:".
        raise UploadError(
            f"Cannot upload: the output location starts with '{head}:' but not with "
            f"'{head}://'. Write {head}://, then the bucket."
        )
    return "file", output


# --- local folder ---------------------------------------------------------------------------


def _local_folder(path: str) -> Path:
    try:
        folder = Path(path).expanduser()
    except RuntimeError as error:
        raise UploadError(f"Cannot write to {path}: there is no such user here.") from error
    # Not resolve(): the user recognises the path that was given, symbolic links included.
    return Path.cwd() / folder


def _write_local(data: bytes, folder: Path, file_name: str) -> Path:
    target = folder / file_name
    try:
        if folder.exists() and not folder.is_dir():
            raise UploadError(
                f"Cannot write to {folder}: it is a file. Give the folder that the DAG goes to."
            )
        folder.mkdir(parents=True, exist_ok=True)
        if target.is_dir():
            raise UploadError(
                f"Cannot write to {target}: there is a folder of that name. Remove it, or "
                "choose another `output`."
            )
        _replace(data, target)
    except OSError as error:
        raise _local_failure(error, target) from error
    return target


def _replace(data: bytes, target: Path) -> None:
    """Writes next to the target and renames, which POSIX and Windows do in one step.

    The temporary name is hidden and ends neither in .py nor .zip: Airflow passes it by.
    """
    previous = target.stat() if target.exists() else None
    temporary = target.with_name(f".{target.name}.{secrets.token_hex(8)}.uploading")
    try:
        with temporary.open("xb") as file:  # mode 0o666 less the umask, like any new file
            file.write(data)
            file.flush()
            # Without it a crash of the machine may leave the new name on an empty file.
            os.fsync(file.fileno())
        if previous is not None:
            _keep_owner_and_mode(temporary, previous)
        _remove_leftovers(target, temporary)
        temporary.replace(target)
    except BaseException:  # KeyboardInterrupt too leaves nothing behind
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise


def _keep_owner_and_mode(path: Path, previous: os.stat_result) -> None:
    """Lets those who could read the old file, say Airflow under its own user, read the new one."""
    now = path.stat()
    if (now.st_uid, now.st_gid) != (previous.st_uid, previous.st_gid):
        # Only root may give a file away; others keep their own, as `mv` does.
        with contextlib.suppress(PermissionError):
            os.chown(path, previous.st_uid, previous.st_gid)
    if stat.S_IMODE(path.stat().st_mode) != stat.S_IMODE(previous.st_mode):
        path.chmod(stat.S_IMODE(previous.st_mode))


def _remove_leftovers(target: Path, temporary: Path) -> None:
    """Removes what killed uploads of the same file left, never that of one still at work.

    Ages are taken against our own new file: both times come from the clock of the file server.
    """
    ours = re.compile(re.escape(f".{target.name}.") + r"[0-9a-f]{16}\.uploading")
    # Tidying up must not fail an upload that works: the folder may not be ours to list, a file
    # not ours to remove, and someone else may tidy at the same time.
    with contextlib.suppress(OSError):
        old = temporary.stat().st_mtime - LEFTOVER_SECONDS
        for path in target.parent.iterdir():
            if ours.fullmatch(path.name) and path.lstat().st_mtime < old:
                path.unlink()


def _local_failure(error: OSError, target: Path) -> UploadError:
    reason = error.strerror or type(error).__name__
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        advice = "The folder is read-only for you. Ask for write access, or choose another `output`"
    elif error.errno in (errno.ENOSPC, errno.EDQUOT):
        advice = "The disk is full. Free some space, or choose another `output`"
    elif error.errno in (errno.EEXIST, errno.ENOTDIR):
        advice = "A part of the path is not a folder. Correct `output`"
    else:
        advice = "Correct `output`, or repair what the system complains about"
    return UploadError(
        f"Cannot write to {target}: {reason}. {advice}. What was there is untouched."
    )


# --- through fsspec -------------------------------------------------------------------------


def _remote_target(protocol: str, rest: str, file_name: str) -> _Target:
    fsspec = import_module("fsspec")
    known = {*fsspec.available_protocols(), *fsspec.registry}
    if protocol not in known:
        near = difflib.get_close_matches(protocol, sorted({*known, "gcs"}), n=1)
        hint = f" Did you mean {near[0]}://?" if near else ""
        raise UploadError(
            f"Cannot upload: the protocol {protocol}:// is not known.{hint} `output` may be "
            f"{_KNOWN}, or another protocol of fsspec."
        )
    # Never echo more of such an address than the protocol: signatures and passwords live there.
    secret_free = "Take it out: credentials come from the environment."
    if re.search(r"[?#]|::", rest):  # "::" chains two filesystems in fsspec
        raise UploadError(
            f"Cannot upload: the output location {protocol}://... has a query string, a fragment "
            f"or '::'. {secret_free}"
        )
    authority, _, prefix = rest.partition("/")
    store = _STORES.get(protocol)
    if store is not None:
        if not authority:
            raise UploadError(
                f"Cannot upload: the output location {protocol}://{rest} names no "
                f"{store.bucket}. Write {protocol}://{store.bucket.upper()}/folder."
            )
        # abfs://container@account.dfs.core.windows.net is Azure's own form, not a user name.
        # An S3 access point has colons in its name (arn:aws:s3:...).
        user_info = "@" in authority and store is not _AZURE
        if user_info or (":" in authority and not authority.startswith("arn:")):
            raise UploadError(
                f"Cannot upload: the output location {protocol}://... has a user name or "
                f"password. {secret_free}"
            )
        shown = authority
    else:
        shown = re.sub(".*@", "***@", authority)
    path = "/".join([part for part in prefix.split("/") if part] + [file_name])
    return _Target(
        protocol, authority, f"{protocol}://{authority}/{path}", f"{protocol}://{shown}/{path}"
    )


def _write_remote(data: bytes, target: _Target) -> None:
    def write() -> None:
        filesystem, path = _filesystem(target)
        if target.store is None:
            filesystem.makedirs(path.rpartition("/")[0], exist_ok=True)
        # Azure's client tries three times more and waits about 15 s or longer before each.
        options = {"retry_total": 1} if target.store is _AZURE else {}
        filesystem.pipe_file(path, data, **options)
        # Some implementations in fsspec take a write and do nothing with it.
        if target.store is None and filesystem.cat_file(path) != data:
            raise OSError("what is there now is not what was written")

    try:
        with _quiet("gcsfs"):
            _within_deadline(write)
    except Exception as error:  # the clients behind fsspec share no base class
        raise _remote_failure(error, target) from error


def _filesystem(target: _Target) -> tuple[Any, str]:
    """Gives the filesystem, with bounded retries, and the path in it.

    What the user configured for the client library stays. No cached instance: it may hold
    credentials that expired or changed.
    """
    if target.store is not _GCS:
        url_to_fs = import_module("fsspec.core").url_to_fs
        filesystem, path = url_to_fs(target.url, skip_instance_cache=True)
        if target.store is _S3:
            # Tries multiply: s3fs 5 times botocore 5, each waiting up to 5 s for a connection.
            filesystem.config_kwargs.setdefault("retries", {"total_max_attempts": 2})
            filesystem.retries = 2
        return filesystem, path
    # The class registered for gs:// asks by gRPC for the kind of bucket before it writes, which
    # emulators do not answer, and writes zonal buckets piece by piece. The core class is
    # what it hands every other bucket to.
    cls = import_module("gcsfs.core").GCSFileSystem
    filesystem = cls(skip_instance_cache=True)
    filesystem.requests_timeout = filesystem.requests_timeout or 20
    # gcsfs sleeps up to 36 s over six tries and offers no setting; three take at most 5 s.
    once = getattr(cls._request, "__wrapped__", None)
    if once is not None:
        retry_request = import_module("gcsfs.retry").retry_request
        filesystem._request = retry_request(once, 3).__get__(filesystem)
    return filesystem, target.url.removeprefix("gs://")


class _NoAnswerError(Exception):
    """The deadline passed."""


def _within_deadline(call: Callable[[], None]) -> None:
    """Runs a call for at most DEADLINE_SECONDS, whatever the client library waits for.

    A thread, because the search for credentials blocks before any time-out of fsspec applies;
    a daemon, so that a call that hangs does not keep the command from ending.
    """
    done: Future[None] = Future()

    def run() -> None:
        try:
            call()
            done.set_result(None)
        except BaseException as error:  # noqa: BLE001 - handed to the waiting thread, which raises it
            done.set_exception(error)

    threading.Thread(target=run, daemon=True, name="upload").start()
    wait([done], timeout=DEADLINE_SECONDS)
    if not done.done():
        raise _NoAnswerError
    done.result()


@contextlib.contextmanager
def _quiet(name: str) -> Iterator[None]:
    """Holds back a logger that prints the traceback of an error it raises anyway."""
    logger = logging.getLogger(name)
    before = logger.disabled
    logger.disabled = True
    try:
        yield
    finally:
        logger.disabled = before


# --- what went wrong, in words --------------------------------------------------------------

_NETWORK_ERRORS = {
    "ClientConnectionError",  # aiohttp
    "ConnectionError",  # builtin, requests, botocore
    "HTTPClientError",  # botocore
    "ServiceRequestError",  # azure
    "ServiceResponseError",  # azure
    "TimeoutError",
    "TransportError",  # google.auth
    "gaierror",
}
_LOGIN_ERRORS = re.compile(r"Credential|Token|Authentication|GoogleAuthError|ProfileNotFound|SSO")
_LOGIN_CODES = {"InvalidToken", "ExpiredToken", "TokenRefreshRequired", "InvalidClientTokenId"}


def _remote_failure(error: Exception, target: _Target) -> UploadError:
    store, where = target.store, f"Cannot write to {target.shown}"
    name = target.protocol if store is None else store.title
    # One put stores all or nothing, so these hold however the request ended.
    untouched = " What was there is untouched." if store else ""
    whole = " Airflow sees the old file or the whole new one, never a part." if store else ""
    if isinstance(error, _NoAnswerError):
        return UploadError(
            f"{where}: {name} gave no answer in {DEADLINE_SECONDS:g} s. Check the network, the "
            f"proxy and the credentials, and upload again.{whole}"
        )
    words = _words(error, target)
    if isinstance(error, ImportError):
        install = f"pip install 'kedro-airflow-k8s[{store.extra}]' " if store else ""
        return UploadError(f"{where}: a package is missing. {install}({words}).{untouched}")
    if isinstance(error, NotImplementedError) or re.search("(?i)read.only", words):
        return UploadError(f"{where}: {name} cannot be written to. `output` may be {_KNOWN}.")
    causes = list(_causes(error))
    names = {base.__name__ for cause in causes for base in type(cause).__mro__}
    status = next((code for code in map(_status, causes) if code), 0)
    if store and (status == 404 or isinstance(error, FileNotFoundError)):
        bucket = target.authority.partition("@")[0]
        return UploadError(
            f"{where}: the {store.bucket} '{bucket}' does not exist. Create it, or correct "
            f"`output`.{untouched}"
        )
    if names & _NETWORK_ERRORS:
        return UploadError(
            f"{where}: {name} cannot be reached ({words}). Check the network, the proxy and the "
            f"endpoint, and upload again.{whole}"
        )
    if _is_login(error, causes, status):
        advice = store.login if store else "check the user and the rights"
        return UploadError(
            f"{where}: {name} gives no access ({words}). To get it: {advice}.{untouched}"
        )
    if status >= 500:
        return UploadError(
            f"{where}: {name} failed with status {status} ({words}). Upload again later.{whole}"
        )
    return UploadError(f"{where}: {words}. Correct `output` or what is said there.{whole}")


def _is_login(error: Exception, causes: list[BaseException], status: int) -> bool:
    if status in (401, 403) or isinstance(error, PermissionError):
        return True
    for cause in causes:
        response = getattr(cause, "response", None)
        code = response.get("Error", {}).get("Code") if isinstance(response, dict) else None
        if code in _LOGIN_CODES or _LOGIN_ERRORS.search(type(cause).__name__):
            return True
        # gcsfs raises a plain OSError for 403, adlfs a ValueError when nothing is configured.
        if str(cause).startswith(("Forbidden:", "unable to connect to account")):
            return True
    return False


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__


def _status(error: BaseException) -> int:
    """The HTTP status an exception carries, 0 when it carries none."""
    response = getattr(error, "response", None)  # botocore's is a dict
    if isinstance(response, dict):
        value = response.get("ResponseMetadata", {}).get("HTTPStatusCode")
    else:  # azure, aiohttp and gcsfs, in this order
        attributes = (getattr(error, name, None) for name in ("status_code", "status", "code"))
        value = next((value for value in attributes if value), None)
    return int(value) if isinstance(value, int | str) and str(value).isdigit() else 0


def _words(error: Exception, target: _Target) -> str:
    """What the server or the client library said: one short line without credentials."""
    text = (isinstance(error, OSError) and error.strerror) or str(error)
    lines = [line.strip() for line in str(text).splitlines() if line.strip()]
    if len(lines) > 1 and lines[0].startswith(("Forbidden:", "Bad Request:")):
        lines = lines[1:]  # gcsfs puts the address of the request first
    line = _without_secrets(lines[0] if lines else type(error).__name__, target)
    return (line if len(line) <= 200 else line[:197] + "...").rstrip(".")


def _without_secrets(text: str, target: _Target) -> str:
    if target.store is None and "@" in target.authority:
        password = target.authority.rpartition("@")[0].rpartition(":")[2]
        for value in filter(None, (password, unquote(password))):
            text = text.replace(value, "***")
    for name, value in os.environ.items():
        if len(value) >= 8 and re.search(r"SECRET|TOKEN|KEY|PASSW|CONNECTION_STRING|SAS", name):
            text = text.replace(value, "***")
    text = re.sub(r"//[^/\s@]+@", "//***@", text)
    text = re.sub(r"\?[^\s\"'<>]+", "?***", text)
    secret = r"sig|token|password|secret|accountkey|account_key|access_key|authorization"
    return re.sub(rf"(?i)\b({secret})(\"?\s*[=:]\s*\"?|\s+bearer\s+)\S+", r"\1=***", text)
