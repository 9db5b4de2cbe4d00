"""What failed runs keep on object storage, and until when."""

from __future__ import annotations

import contextlib
import json
import re
from datetime import datetime, timezone
from typing import Any, BinaryIO, NamedTuple

from kedro_airflow_k8s.pod.places import place, remote_filesystem

NOTE = "kept.json"
"""The file in a run's folder that says how long it is kept. Files of datasets end in `.pickle`."""

_RUN_FOLDER = re.compile(r"[a-z0-9-]+-[0-9a-f]{12}")


class Kept(NamedTuple):
    """The data of a failed run.

    Attributes:
        root: Its folder, a URL of fsspec.
        dag_id: The DAG.
        run_id: The run.
        until: Until when it is kept.
    """

    root: str
    dag_id: str
    run_id: str
    until: datetime

    @property
    def expired(self) -> bool:
        """Whether it may be deleted."""
        return self.until < datetime.now(timezone.utc)

    def write(self) -> None:
        """Write it down in the folder."""
        note = {"dag_id": self.dag_id, "run_id": self.run_id, "until": self.until.isoformat()}
        text = json.dumps(note).encode()

        def put(file: BinaryIO) -> None:
            file.write(text)

        place(self.root, NOTE).write(put)


def kept_below(folder: str) -> list[Kept]:
    """Return the failed runs with data in a folder, `run_config.intermediate_data`.

    Args:
        folder: A URL of fsspec.
    """
    filesystem, path = remote_filesystem(folder)
    filesystem.invalidate_cache()
    try:
        names = [name.rstrip("/").rpartition("/")[2] for name in filesystem.ls(path, detail=False)]
    except FileNotFoundError:
        return []
    roots = [f"{folder}/{name}" for name in sorted(names) if _RUN_FOLDER.fullmatch(name)]
    return [kept for kept in map(_kept, roots) if kept]


def _kept(root: str) -> Kept | None:
    try:
        note: Any = place(root, NOTE).read(lambda file, _size: json.loads(file.read()))
        until = datetime.fromisoformat(note["until"])
        return Kept(root, note["dag_id"], note["run_id"], until)
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None


def forget(root: str) -> None:
    """Take back that the data in a run's folder expires: the run goes on.

    Args:
        root: A URL of fsspec.
    """
    filesystem, path = remote_filesystem(f"{root}/{NOTE}")
    with contextlib.suppress(FileNotFoundError):
        filesystem.rm_file(path)
