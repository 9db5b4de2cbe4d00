"""Deletes what a DAG run has kept on object storage."""

from __future__ import annotations

import os
import sys
from typing import Any

from kedro_airflow_k8s.pod.environment import INTERMEDIATE_DATA_VARIABLE
from kedro_airflow_k8s.pod.places import PlaceError, check_url, is_remote, remote_filesystem
from kedro_airflow_k8s.pod.process import TaskTerminated
from kedro_airflow_k8s.pod.redaction import shown_url, without_secrets


def delete_intermediate_data() -> None:
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
    # The first part is the bucket.
    if len([part for part in root.partition("://")[2].split("/") if part]) < 2:
        sys.exit(
            f"Nothing is deleted: {INTERMEDIATE_DATA_VARIABLE} is {shown_url(root)}, which names "
            "no folder of one DAG run."
        )
    try:
        check_url(root)
        files, size = delete(root)
    except PlaceError as error:
        sys.exit(f"Nothing is deleted: {error}.")
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
