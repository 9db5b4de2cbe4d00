"""Deletes what a DAG run has stored on object storage, or keeps it if the run has failed."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from kedro_airflow_k8s.pod.environment import INTERMEDIATE_DATA_VARIABLE
from kedro_airflow_k8s.pod.kept_data import Kept, kept_below
from kedro_airflow_k8s.pod.places import PlaceError, check_url, is_remote, remote_filesystem
from kedro_airflow_k8s.pod.process import TaskTerminated
from kedro_airflow_k8s.pod.redaction import shown_url, without_secrets


def delete_intermediate_data(arguments: Sequence[str] = ()) -> None:
    """Delete all below the folder that the environment names, unless it is kept.

    Args:
        arguments: `--dag-id=`, `--run-id=` and `--keep-until=` of a run that keeps its data if it
            fails: a time in ISO format, or nothing if it has succeeded. With them, data of the
            DAG that has expired is deleted as well.

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
    given = dict(argument.lstrip("-").split("=", 1) for argument in arguments)
    try:
        check_url(root)
        if given.get("keep-until"):
            _keep(root, given)
        else:
            _delete(root)
        if given:
            _delete_expired(root.rpartition("/")[0], given["dag-id"])
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


def _keep(root: str, given: Mapping[str, str]) -> None:
    until = datetime.fromisoformat(given["keep-until"])
    Kept(root, given["dag-id"], given["run-id"], until).write()
    print(f"The run has failed: what is in {shown_url(root)} is kept until {until.isoformat()}.")


def _delete_expired(folder: str, dag_id: str) -> None:
    for kept in kept_below(folder):
        if kept.dag_id == dag_id and kept.expired:
            _delete(kept.root)


def _delete(root: str) -> None:
    files, size = delete(root)
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
