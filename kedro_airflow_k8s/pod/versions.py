"""One version of each versioned dataset in a DAG run: tasks load what tasks of the run have saved.

Kedro saves the version that is named after the start of its process, and loads the latest, which
another DAG run may have saved. So each task records what it has saved in the store of its run, and
the tasks that load it load that version. What they save stays Kedro's choice: with one version
for the whole run, a retry would find that it exists already, which Kedro refuses.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any, BinaryIO

from kedro.io import AbstractVersionedDataset, CachedDataset, Version

from kedro_airflow_k8s.pod.environment import MLFLOW_RUN_VARIABLE, folder_to_read
from kedro_airflow_k8s.pod.intermediate_data import file_name, store_error
from kedro_airflow_k8s.pod.names import is_parameter, stored_name
from kedro_airflow_k8s.pod.places import place
from kedro_airflow_k8s.pod.process import TaskTerminated

if TYPE_CHECKING:
    from kedro.io import CatalogProtocol
    from kedro.pipeline import Pipeline

Versioned = AbstractVersionedDataset[Any, Any]


def pin(pipeline: Pipeline, catalog: CatalogProtocol[Any, Any], root: str | None) -> None:
    """Let the nodes of a pod load the versions that tasks of their own DAG run have saved.

    A dataset that none has saved keeps the latest version. A version that the user has chosen, for
    example with `--load-versions`, stays.

    Args:
        pipeline: The nodes that this pod runs.
        catalog: What they load from and save to. Its datasets are changed in place.
        root: Where the DAG run keeps its intermediate data; None if it does not.

    Raises:
        DatasetError: If a record cannot be read.
    """
    saved = {}
    for name in sorted(pipeline.all_outputs()):
        dataset = _versioned(name, catalog)
        if dataset is not None:
            saved[stored_name(name)] = _let_load(dataset, None)
    for name in sorted({name for node in pipeline.nodes for name in node.inputs}):
        dataset = None if is_parameter(name) else _versioned(name, catalog)
        if dataset is None:
            continue
        key = stored_name(name)
        if key in saved:
            _let_load(dataset, saved[key])
        elif root is not None:
            folder = folder_to_read(key, root)
            version = _recorded(key, folder)
            if version is not None:
                _let_load(dataset, version)
            saved_by = "this DAG run" if folder == root else "the run that this one takes it from"
            found = f"{version}, saved by {saved_by}" if version else "the latest"
            print(f"Version of '{key}' to load: {found}", flush=True)


def load_what_is_saved(name: str, catalog: CatalogProtocol[Any, Any]) -> None:
    """Let a dataset load the version that a node is about to save; it may have loaded the latest.

    Args:
        name: The name of the dataset.
        catalog: The catalog of the process that saves it.
    """
    dataset = _versioned(name, catalog)
    if dataset is not None:
        _let_load(dataset, dataset.resolve_save_version())


def record(name: str, catalog: CatalogProtocol[Any, Any], root: str | None) -> None:
    """Record the version that a node has just saved; nothing for a dataset without versions.

    Args:
        name: The name of the dataset.
        catalog: The catalog of the process that has saved it.
        root: Where the DAG run keeps its intermediate data; None if it does not.

    Raises:
        DatasetError: If the record cannot be written.
    """
    dataset = _versioned(name, catalog)
    if dataset is None:
        return
    key, version = stored_name(name), str(dataset.resolve_save_version())
    if root is not None:
        _write(key, root, version)
    print(f"Version of '{key}' saved: {version}", flush=True)
    run_id = os.environ.get(MLFLOW_RUN_VARIABLE)
    if run_id:
        from kedro_airflow_k8s.pod.mlflow_run import tag_version

        tag_version(run_id, key, version)


def _versioned(name: str, catalog: CatalogProtocol[Any, Any]) -> Versioned | None:
    """Return a dataset whose versions only Kedro chooses, without what caches it."""
    dataset: Any = catalog.get(name) if name in catalog else None
    while isinstance(dataset, CachedDataset):
        dataset = dataset._dataset  # noqa: SLF001 - Kedro tells it nowhere else
    if not isinstance(dataset, AbstractVersionedDataset):
        return None
    chosen = dataset._version  # noqa: SLF001 - as the classes of datasets read it
    # Those are equal where `pin` has set them.
    return dataset if chosen and chosen.load in (None, chosen.save) else None


def _let_load(dataset: Versioned, version: str | None) -> str | None:
    """Let a dataset load a version; return the one that it saves."""
    # Kedro sets it, but not for datasets that hooks have made.
    saves = dataset.resolve_save_version()
    # `catalog.get(name, version=...)` makes a deep copy, which not every dataset allows, and does
    # not reach one that is cached. To put that copy into the catalog logs a warning for each.
    dataset._version = Version(version, saves)  # noqa: SLF001
    return saves


def _recorded(name: str, root: str) -> str | None:
    """Return the version that a task of the DAG run has saved, or None if none has."""
    where = place(root, file_name(name, ".version"))
    try:
        return str(where.read(lambda file, _: json.load(file)["version"]))
    except FileNotFoundError:
        return None
    except (MemoryError, TaskTerminated):
        raise
    except Exception as error:  # clients of object stores share no base class
        problem = f"The version of dataset '{name}' cannot be read: {where.shown}"
        raise store_error(problem, root, error) from error


def _write(name: str, root: str, version: str) -> None:
    text = json.dumps({"dataset": name, "version": version})

    def put(file: BinaryIO) -> None:
        file.write(text.encode())

    where = place(root, file_name(name, ".version"))
    try:
        where.write(put)
    except (MemoryError, TaskTerminated):
        raise
    except Exception as error:  # clients of object stores share no base class
        problem = f"The version of dataset '{name}' cannot be recorded: {where.shown}"
        raise store_error(problem, root, error) from error
