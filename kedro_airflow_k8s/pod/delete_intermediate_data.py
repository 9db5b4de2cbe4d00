"""Deletes what a DAG run has left on object storage: `python -m` this, as the run's last task."""

from __future__ import annotations

import os
import sys
from typing import Any

from kedro_airflow_k8s.pod.environment import INTERMEDIATE_DATA_VARIABLE
from kedro_airflow_k8s.pod.places import (
    PlaceError,
    is_remote,
    remote_filesystem,
    shown_url,
    without_secrets,
)
from kedro_airflow_k8s.pod.process import TaskTerminated, run_until_stopped


def main() -> None:
    """Delete all below the folder that the environment names.

    Raises:
        SystemExit: With a message, if the address is not that of a remote folder, or something
            could not be deleted.
    """
    root = os.environ.get(INTERMEDIATE_DATA_VARIABLE, "")
    if not root:
        sys.exit(f"Nothing is deleted: {INTERMEDIATE_DATA_VARIABLE} is not set.")
    if not is_remote(root):
        sys.exit(
            f"Nothing is deleted: {INTERMEDIATE_DATA_VARIABLE} is {root}, which is not on object "
            "storage. What is on a volume goes with the volume."
        )
    if not _folders(root):
        sys.exit(
            f"Nothing is deleted: {INTERMEDIATE_DATA_VARIABLE} is {shown_url(root)}, which names "
            "no folder of one DAG run."
        )
    try:
        files, size = delete(root)
    except TaskTerminated:
        raise
    except Exception as error:  # noqa: BLE001 - clients of object stores share no base class
        words = without_secrets(" ".join(str(error).split())) or "no reason given"
        sys.exit(
            f"Cannot delete what is in {shown_url(root)}: {type(error).__name__}: {words}. It may "
            "be deleted by hand; nothing reads it after the run."
        )
    print(f"Deleted {files} files, {size} bytes, in {shown_url(root)}.")


def delete(root: str) -> tuple[int, int]:
    """Delete the files below a folder of object storage, and the folder.

    Args:
        root: A URL of fsspec.

    Returns:
        How many files there were, and how many bytes in them; (0, 0) if it is gone already.
    """
    filesystem, path = remote_filesystem(root)
    filesystem.invalidate_cache()
    try:
        found: dict[str, Any] = filesystem.find(path, detail=True)
        if found:
            filesystem.rm(path, recursive=True)
    except FileNotFoundError:
        return 0, 0
    return len(found), sum(details.get("size") or 0 for details in found.values())


def _folders(root: str) -> list[str]:
    """The folders that an address names below its bucket.

    Raises:
        SystemExit: If it is no address of a folder.
    """
    try:
        _, path = remote_filesystem(root)
    except (ImportError, PlaceError, ValueError) as error:
        sys.exit(f"Nothing is deleted: {shown_url(root)}: {without_secrets(str(error))}.")
    return [part for part in path.split("/") if part][1:]


if __name__ == "__main__":
    run_until_stopped(main)
