"""The dataset that passes an object from task to task."""

from __future__ import annotations

import errno
import hashlib
import logging
import os
import pickle
import re
from collections.abc import Callable, Iterable
from importlib import import_module
from typing import Any, NoReturn
from urllib.parse import quote

from kedro.io import AbstractDataset, DatasetError

from kedro_airflow_k8s.pod import pickled_file
from kedro_airflow_k8s.pod.places import Place, PlaceError, local_path, place
from kedro_airflow_k8s.pod.process import TaskTerminated
from kedro_airflow_k8s.pod.redaction import shown_url, without_secrets
from kedro_airflow_k8s.pod.stores import store_of

# Most file systems allow 255 bytes; the name of a temporary file adds 26.
_LONGEST_NAME = 200


class IntermediateDataset(AbstractDataset[Any, Any]):
    """A dataset for any object that pickle or cloudpickle can store, in a file of its own.

    Args:
        name: The name of the dataset, without `@...`.
        root: Where the DAG run keeps its intermediate data: a folder, or a URL of fsspec.
        node: The node that makes it, if this process knows; for messages.
        readers: The nodes that read it, if this process knows them; for messages.
    """

    def __init__(self, name: str, root: str, node: str = "", readers: Iterable[str] = ()) -> None:
        self._name, self._root, self._node, self._readers = name, root, node, tuple(readers)

    @property
    def folder(self) -> str:
        """The place of the file, without credentials."""
        return self._root if local_path(self._root) is not None else shown_url(self._root)

    def load(self) -> Any:
        """Return a new object, equal to the one that was saved.

        Raises:
            DatasetError: If the file does not exist or cannot be read.
        """
        try:
            return self._place().read(pickled_file.read)
        except (MemoryError, TaskTerminated):
            raise
        except FileNotFoundError as error:
            raise DatasetError(
                f"Dataset '{self._name}' is not in {self.folder}. The task that makes it has not "
                "run in this DAG run, or what it stored was deleted, for example with the volume. "
                "Run that task again, too: `kedro airflow-k8s resume --from NODE`, or clear it in "
                "Airflow with the tasks that follow it. `run_config.keep_failed` keeps the data of "
                "failed runs."
            ) from error
        except pickled_file.NotReadableError as error:
            raise DatasetError(
                f"Dataset '{self._name}' cannot be read: the file {self._place().shown} {error}. "
                "Clear the task that makes it in Airflow, which then writes it again."
            ) from error
        except pickled_file.NotUnpickledError as error:
            raise DatasetError(
                f"Dataset '{self._name}' cannot be read: {_words(error.__cause__)}. The image of "
                "this task must have the packages of the image that the dataset was made in, in "
                "the same versions."
            ) from error.__cause__
        except Exception as error:  # noqa: BLE001 - clients of object stores share no base class
            self._fail("read", error)

    def save(self, data: Any) -> None:
        """Store an object.

        Raises:
            DatasetError: If it cannot be pickled, or the file cannot be written.
        """
        problem = None
        for pickler in (_pickle, _cloudpickle):
            problem = self._write(data, pickler)
            if problem is None:
                return
        made_by = f", made by node '{self._node}'," if self._node else ""
        known = "".join(f", '{name}'" for name in self._readers)
        readers = f" (here{known[1:]})" if known else ""
        # One task alone is not enough: a MemoryDataset copies what it is given.
        raise DatasetError(
            f"Dataset '{self._name}'{made_by} cannot be passed to another task: {_words(problem)}."
            " Either run the node that makes it and all nodes that read it"
            f"{readers} in one task: give them the tag `airflow-k8s.group.<name>`, or set "
            "`grouping: memory` in the run_config of airflow-k8s.yaml; and declare the dataset in "
            "the catalog as `{type: MemoryDataset, copy_mode: assign}`, so that Kedro does not "
            "copy it. Or declare it with a type that can store it."
        ) from problem

    def _write(self, data: Any, pickler: Callable[[], Any]) -> BaseException | None:
        """Write the file; return the error if the object cannot be pickled."""
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
        """Raise the error with the cause and the way out."""
        where = self._describe()["filepath"]
        problem = f"Dataset '{self._name}' cannot be {done}: {where}"
        raise store_error(problem, self._root, error) from error


class StoredDataset(AbstractDataset[Any, Any]):
    """A dataset that the nodes of a pod pass on in memory, and that is stored for a later pod.

    Args:
        memory: What the nodes of this pod load.
        stored: What a pod loads that runs one of these nodes again. If it cannot store the data,
            only that pod fails.
    """

    def __init__(self, memory: AbstractDataset[Any, Any], stored: IntermediateDataset) -> None:
        self._memory, self._stored = memory, stored

    def load(self) -> Any:
        """Return what a node of this pod has saved, or another pod before.

        Raises:
            DatasetError: If there is neither.
        """
        return (self._memory if self._memory.exists() else self._stored).load()

    def save(self, data: Any) -> None:
        """Keep an object in memory, and store it if that is possible."""
        self._memory.save(data)
        try:
            self._stored.save(data)
        except DatasetError as error:
            logging.getLogger(__name__).warning(
                "Only this pod has it, so no node that reads it can run again alone. %s", error
            )

    def _exists(self) -> bool:
        return self._memory.exists() or self._stored.exists()

    def _release(self) -> None:
        self._memory.release()

    def _describe(self) -> dict[str, Any]:
        return {"memory": repr(self._memory), "stored": repr(self._stored)}


def store_error(problem: str, root: str, error: BaseException) -> DatasetError:
    """Return the error of something that the run's store refused, with the way out.

    Args:
        problem: What cannot be done, and where.
        root: Where the DAG run keeps its intermediate data.
        error: The cause.
    """
    local = local_path(root) is not None
    advice = _local_advice(error) if local else _remote_advice(error, root)
    return DatasetError(f"{problem}: {_words(error)}.{advice}")


def file_name(dataset: str, suffix: str = ".pickle") -> str:
    """Return the name of a dataset's file: valid everywhere, and unique.

    A part of its hash follows if the name alone would be too long, or could differ from another
    only by capital letters, which some network volumes do not distinguish.
    """
    name = quote(dataset, safe="", errors="surrogatepass")
    if len(name) > _LONGEST_NAME or re.search("[A-Z]", dataset):
        # quote() leaves no "=" in a name.
        digest = hashlib.sha256(dataset.encode("utf-8", "surrogatepass")).hexdigest()
        name = f"{name[: _LONGEST_NAME - 40]}={digest[:32]}"
    return name + suffix


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


def _remote_advice(error: BaseException, root: str) -> str:
    store = store_of(root)
    if isinstance(error, ImportError) and store:
        return (
            f" Add kedro-airflow-k8s[{store.extra}] to the requirements that the image is built "
            "from, and build the image again."
        )
    if isinstance(error, PlaceError | ValueError):
        return " Correct `run_config.intermediate_data` in airflow-k8s.yaml."
    return (
        " Check `run_config.intermediate_data` in airflow-k8s.yaml, and that the pod's service "
        "account or the credentials in its environment may read, write and delete there."
    )


def _words(error: BaseException | None) -> str:
    """Return the text of an error: one short line without credentials."""
    text = str((isinstance(error, OSError) and error.strerror) or error)
    line = next((line.strip() for line in text.splitlines() if line.strip()), "")
    line = without_secrets(line)
    line = line if len(line) <= 300 else line[:297] + "..."
    return f"{type(error).__name__}: {line}".rstrip(":. ")
