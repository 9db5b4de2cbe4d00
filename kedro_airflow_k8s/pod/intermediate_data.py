"""The dataset that hands an object from task to task."""

from __future__ import annotations

import errno
import hashlib
import os
import pickle
import re
from collections.abc import Callable, Iterable
from importlib import import_module
from typing import Any, NoReturn
from urllib.parse import quote

from kedro.io import AbstractDataset, DatasetError

from kedro_airflow_k8s.pod import pickled_file
from kedro_airflow_k8s.pod.places import (
    Place,
    PlaceError,
    local_path,
    place,
    shown_url,
    without_secrets,
)
from kedro_airflow_k8s.pod.process import TaskTerminated

# Most file systems allow 255 bytes, of which the name of a temporary file takes 26.
_LONGEST_NAME = 200

_EXTRAS = {
    **dict.fromkeys(("s3", "s3a"), "aws"),
    **dict.fromkeys(("gs", "gcs"), "gcp"),
    **dict.fromkeys(("abfs", "abfss", "az"), "azure"),
}


class IntermediateDataset(AbstractDataset[Any, Any]):
    """Stores any object that pickle or cloudpickle takes, in a file of its own.

    Args:
        name: The name of the dataset, without `@...`.
        root: Where the DAG run keeps its intermediate data: a folder, or a URL of fsspec.
        node: The node that makes it, as far as this process knows; for messages.
        readers: The nodes that read it, as far as this process knows; for messages.
    """

    def __init__(self, name: str, root: str, node: str = "", readers: Iterable[str] = ()) -> None:
        self._name, self._root, self._node, self._readers = name, root, node, tuple(readers)

    @property
    def folder(self) -> str:
        """Where the file is, without credentials."""
        return self._root if local_path(self._root) is not None else shown_url(self._root)

    def load(self) -> Any:
        """A fresh object, equal to the one that was saved.

        Raises:
            DatasetError: If it is not there, or cannot be read.
        """
        try:
            return self._place().read(pickled_file.read)
        except (MemoryError, TaskTerminated):
            raise
        except FileNotFoundError as error:
            raise DatasetError(
                f"Dataset '{self._name}' is not in {self.folder}. The task that makes it has not "
                "run in this DAG run, or what it stored is gone, for instance with the volume. Run "
                "that task again too: clear it in Airflow with the tasks that follow it."
            ) from error
        except pickled_file.NotReadableError as error:
            raise DatasetError(
                f"Dataset '{self._name}' cannot be read: the file {self._place().shown} {error}. "
                "Clear the task that makes it in Airflow, which writes it anew."
            ) from error
        except pickled_file.NotUnpickledError as error:
            raise DatasetError(
                f"Dataset '{self._name}' cannot be read: {_words(error.__cause__)}. The image of "
                "this task must have what the image of the task that made it had, in the same "
                "versions."
            ) from error.__cause__
        except Exception as error:  # noqa: BLE001 - clients of object stores share no base class
            self._fail("read", error)

    def save(self, data: Any) -> None:
        """Store an object.

        Raises:
            DatasetError: If it cannot be pickled, or the file not be written.
        """
        problem = None
        for pickler in (_pickle, _cloudpickle):
            problem = self._write(data, pickler)
            if problem is None:
                return
        made_by = f", made by node '{self._node}'," if self._node else ""
        known = "".join(f", '{name}'" for name in self._readers)
        readers = f" (here{known[1:]})" if known else ""
        # In one task alone it would fail again: a MemoryDataset copies what it is given.
        raise DatasetError(
            f"Dataset '{self._name}'{made_by} cannot be handed to another task: {_words(problem)}."
            f" Let the node that makes it and all that read it{readers} run in one task: give them "
            "the tag `airflow-k8s.group.<name>`, or set `grouping: memory` in the run_config of "
            "airflow-k8s.yaml; and declare it in the catalog as `{type: MemoryDataset, copy_mode: "
            "assign}`, so that Kedro does not copy it. Or declare it with a type that can store it."
        ) from problem

    def _write(self, data: Any, pickler: Callable[[], Any]) -> BaseException | None:
        """Write the file; what kept pickle from it, if that did."""
        try:
            self._place().write(lambda file: pickled_file.write(data, file, pickler()))
        except (MemoryError, TaskTerminated):
            raise
        except pickled_file.NotPicklableError as error:
            return error.__cause__
        except pickled_file.NotWrittenError as error:
            self._fail("written", error.__cause__ or error)
        except Exception as error:  # noqa: BLE001 - clients of object stores share no base class
            self._fail("written", error)
        return None

    def _exists(self) -> bool:
        return self._place().exists()

    def _describe(self) -> dict[str, Any]:
        return {"filepath": f"{self.folder.rstrip('/')}/{file_name(self._name)}"}

    def _place(self) -> Place:
        return place(self._root, file_name(self._name))

    def _fail(self, done: str, error: BaseException) -> NoReturn:
        """Raise the error that says what is in the way, and the way out."""
        where = self._describe()["filepath"]
        if local_path(self._root) is not None:
            advice = _local_advice(error)
        else:
            advice = _remote_advice(error, self._root.partition("://")[0].lower())
        raise DatasetError(
            f"Dataset '{self._name}' cannot be {done}: {where}: {_words(error)}.{advice}"
        ) from error


def file_name(dataset: str) -> str:
    """The name of a dataset's file: valid everywhere, and no other dataset's.

    Where the name alone would be too long, or differ from another by capital letters only, which
    some network volumes do not tell apart, a part of its hash follows.
    """
    name = quote(dataset, safe="", errors="surrogatepass")
    if len(name) > _LONGEST_NAME or re.search("[A-Z]", dataset):
        # quote() leaves no "=" in a name.
        digest = hashlib.sha256(dataset.encode("utf-8", "surrogatepass")).hexdigest()
        name = f"{name[: _LONGEST_NAME - 40]}={digest[:32]}"
    return f"{name}.pickle"


def _pickle() -> Any:
    return pickle.Pickler


def _cloudpickle() -> Any:
    return import_module("cloudpickle").Pickler


def _local_advice(error: BaseException) -> str:
    number = getattr(error, "errno", None)
    if number in (errno.EACCES, errno.EPERM):
        ids = f"user {os.getuid()}, group {os.getgid()}"
        return (
            f" The pod runs as {ids}: give the volume to a group of that user with "
            "`run_config.volume.owner` in airflow-k8s.yaml."
        )
    if number in (errno.ENOSPC, errno.EDQUOT):
        return " The volume is full: raise `run_config.volume.size` in airflow-k8s.yaml."
    if number == errno.EROFS:
        return " The volume is mounted read-only: check `run_config.volume` in airflow-k8s.yaml."
    return " Check the volume and where it is mounted: `run_config.volume` in airflow-k8s.yaml."


def _remote_advice(error: BaseException, protocol: str) -> str:
    extra = _EXTRAS.get(protocol)
    if isinstance(error, ImportError) and extra:
        return (
            f" Add kedro-airflow-k8s[{extra}] to the requirements that the image is built from, "
            "and build it anew."
        )
    if isinstance(error, PlaceError | ValueError):
        return " Correct `run_config.intermediate_data` in airflow-k8s.yaml."
    return (
        " Check `run_config.intermediate_data` in airflow-k8s.yaml, and that the pod's service "
        "account or the credentials in its environment may read, write and delete there."
    )


def _words(error: BaseException | None) -> str:
    """What was said: one short line without credentials."""
    text = str((isinstance(error, OSError) and error.strerror) or error)
    line = next((line.strip() for line in text.splitlines() if line.strip()), "")
    line = without_secrets(line)
    line = line if len(line) <= 300 else line[:297] + "..."
    return f"{type(error).__name__}: {line}".rstrip(":. ")
