"""Upload of a DAG file to where Airflow reads it: a local folder, or a bucket through fsspec.

Airflow parses the folder all the time, so a file appears there whole or not at all: locally by a
rename, on Google Cloud Storage, S3 and Azure by one request that stores the object or does not.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from kedro_airflow_k8s.errors import UploadError
from kedro_airflow_k8s.pod.stores import STORES
from kedro_airflow_k8s.upload.local import (
    OUTPUT,
    delete_local,
    local_folder,
    read_local,
    write_local,
)
from kedro_airflow_k8s.upload.remote import delete_remote, read_remote, remote_target, write_remote
from kedro_airflow_k8s.upload.stores import KNOWN, Target

MAX_SIZE = 20_000_000
"""The largest file that is read, in bytes: a DAG of 5000 nodes has about one million."""


@dataclass(frozen=True)
class StoredFile:
    """The content of the place of a DAG file.

    Attributes:
        address: The full location of the file without credentials, for printing.
        size: Its size in bytes; None if it does not exist.
        data: Its content; None if it does not exist or has more than MAX_SIZE bytes.
    """

    address: str
    size: int | None = None
    data: bytes | None = None


def upload_dag(source: str, file_name: str, output: str, setting: str = OUTPUT) -> str:
    """Write one DAG file to the place that Airflow reads DAGs from, replacing an older one.

    In local folders and the three object stores a reader sees the old file or the new one, never a
    part. For other protocols of fsspec (ftp, sftp, ...) that depends on their own write.

    Args:
        source: The text of the DAG, written as UTF-8.
        file_name: The name of the file, without a folder.
        output: A local folder (made if it does not exist; `~`, relative and `file://` are fine),
            or `gs://`, `gcs://`, `s3://`, `abfs://` with a bucket and perhaps a prefix, or any
            other protocol of fsspec. Credentials and endpoints come from the environment of
            each client library (for S3 also AWS_ENDPOINT_URL).
        setting: What names the output in messages: the key, or an option that only takes a folder.

    Returns:
        The full location of the file without credentials, for printing.

    Raises:
        UploadError: If the file could not be written, with the cause and the fix.
    """
    place = _place(file_name, output, setting)
    data = source.encode()
    if isinstance(place, Target):
        write_remote(data, place)
        return place.shown
    return str(write_local(data, place, file_name, setting))


def read_dag(file_name: str, output: str) -> StoredFile:
    """Read one DAG file from the place that `upload_dag` would write it to; write nothing.

    Args:
        file_name: As for `upload_dag`.
        output: As for `upload_dag`.

    Raises:
        UploadError: If the place cannot be read or cannot be uploaded to, with the cause and the
            fix.
    """
    place = _place(file_name, output)
    address = place.shown if isinstance(place, Target) else str(place / file_name)
    try:
        if isinstance(place, Target):
            size, data = read_remote(place, MAX_SIZE)
        else:
            size, data = read_local(place, file_name, MAX_SIZE)
    except FileNotFoundError:
        return StoredFile(address)
    return StoredFile(address, size, data)


def delete_dag(file_name: str, output: str) -> None:
    """Delete one DAG file from the place that `upload_dag` would write it to.

    Args:
        file_name: As for `upload_dag`.
        output: As for `upload_dag`.

    Raises:
        UploadError: If the file could not be deleted, with the cause and the fix.
    """
    place = _place(file_name, output)
    if isinstance(place, Target):
        delete_remote(place)
    else:
        delete_local(place, file_name)


def check_output(output: str) -> None:
    """Check the address of an output, without access to the place itself.

    Args:
        output: As for `upload_dag`.

    Raises:
        UploadError: If no DAG can be written there, with the cause and the fix.
    """
    _place("dag.py", output)


def was_replaced(source: str, file_name: str, output: str) -> bool:
    """Return whether an uploaded file was deleted or replaced; False if it cannot be read."""
    try:
        stored = read_dag(file_name, output)
    except UploadError:  # Permission to write need not include permission to read.
        return False
    data = source.encode()
    return stored.data != data if stored.data is not None else stored.size != len(data)


def _place(file_name: str, output: str, setting: str = OUTPUT) -> Target | Path:
    """Return where a file goes: a remote place, or a local folder."""
    if file_name in ("", ".", "..") or set(file_name) & {"/", "\\", "\0"}:
        raise UploadError(f"Cannot upload: {file_name!r} is not a file name.")
    protocol, rest = _split_output(output, setting)
    if protocol == "file":
        return local_folder(rest, setting)
    return remote_target(protocol, rest, file_name)


def _split_output(output: str, setting: str) -> tuple[str, str]:
    """Return the protocol, `file` for a path, and what follows it."""
    is_key = setting == OUTPUT
    what = "Cannot upload: the output location" if is_key else f"Cannot write: {setting}"
    if not output.strip() or "\0" in output:
        raise UploadError(
            f"{what} is empty or not a path. "
            + (
                f"Set `output` in airflow-k8s.yaml or pass --output. It can be {KNOWN}."
                if is_key
                else "Pass a folder."
            )
        )
    variable = re.search(r"\$\{?[A-Za-z_][\w.:]*\}?", output)
    if variable:
        raise UploadError(
            f"{what} contains {variable[0]}, which is not replaced by a value. "
            + (
                "Write the path itself in `output`, or pass it with --output, where the shell"
                " replaces it."
                if is_key
                else "Write it without single quotes, so that the shell replaces it."
            )
        )
    if re.match(r"[A-Za-z]:[\\/]", output) and os.name != "nt":
        raise UploadError(
            f"{what} {output} is a Windows path. This machine does not run Windows, so it"
            " would become a folder of that name in the project."
        )
    if output.endswith(".py") and not Path(output).exists():
        raise UploadError(
            f"{what} {output} looks like a file, and {setting} is a folder. Remove the last"
            " part: the file is named after the DAG."
        )
    protocol, separator, rest = output.partition("://")
    # One letter is a Windows drive. A colon chains protocols, which is refused later.
    if separator and re.fullmatch(r"[A-Za-z][A-Za-z0-9+.:-]+", protocol):
        protocol = {"gcs": "gs", "local": "file"}.get(protocol.lower(), protocol.lower())
        return protocol, rest
    head, colon, rest = output.partition(":")
    if colon and head.lower() in ("file", "local"):
        return "file", rest
    if colon and head.lower() in STORES:
        # As a path, this would silently make a local folder named "gs:".
        raise UploadError(
            f"{what} starts with '{head}:' but not with '{head}://'. Write {head}://, then the"
            " bucket."
        )
    return "file", output
