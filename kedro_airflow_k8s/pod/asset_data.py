"""What this pod knows of the data that it makes, for the events of its assets in Airflow.

Nodes can run in other processes than the one that tells it, so it is kept in a file meanwhile.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import sys
import tempfile
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from kedro.io import AbstractVersionedDataset, CachedDataset

from kedro_airflow_k8s.pod.environment import (
    ASSETS_FILE_VARIABLE,
    ASSETS_VARIABLE,
    MLFLOW_RUN_VARIABLE,
)
from kedro_airflow_k8s.pod.names import stored_name

if TYPE_CHECKING:
    from kedro.io import CatalogProtocol

MOST_CHARACTERS = 3800
"""What fits into the last words of a container, beside its usage."""

# Of others the number of rows can take as long as the node.
_COUNTED = frozenset(("geopandas", "numpy", "pandas", "polars", "pyarrow", "scipy"))


def begin() -> None:
    """Make the file, before processes are started that inherit its name."""
    try:
        opened, os.environ[ASSETS_FILE_VARIABLE] = tempfile.mkstemp(
            prefix="assets-", suffix=".jsonl"
        )
        os.close(opened)
        atexit.register(_remove, os.environ[ASSETS_FILE_VARIABLE])
    except OSError as problem:
        _say(f"no temporary file can be written: {problem}")


def note(name: str, data: Any, catalog: CatalogProtocol[Any, Any]) -> None:
    """Keep what is known of a dataset that was saved just now, if it is an asset.

    Args:
        name: The name of the dataset.
        data: Its data.
        catalog: The catalog of the process that has saved it.
    """
    key, file = stored_name(name), os.environ.get(ASSETS_FILE_VARIABLE)
    if file and key in json.loads(os.environ[ASSETS_VARIABLE]):
        dataset: Any = catalog.get(name) if name in catalog else None
        while isinstance(dataset, CachedDataset):
            dataset = dataset._dataset  # noqa: SLF001 - Kedro tells it nowhere else
        line = json.dumps([key, {**_shape(data), **_stored(key, dataset)}])
        with open(file, "a", encoding="utf-8") as written:
            written.write(f"{line}\n")


def described(names: Iterable[str] | None = None) -> dict[str, Any]:
    """Return what is known of the assets made so far, and of the MLflow run that they belong to.

    Args:
        names: The names of datasets; None for all.
    """
    file = os.environ.get(ASSETS_FILE_VARIABLE)
    if not file or not os.path.exists(file):
        return {}
    with open(file, encoding="utf-8") as lines:
        datasets = dict(json.loads(line) for line in lines)
    if names is not None:
        wanted = {stored_name(name) for name in names}
        datasets = {name: known for name, known in datasets.items() if name in wanted}
    run = os.environ.get(MLFLOW_RUN_VARIABLE)
    return _fitting(datasets, {"mlflow_run_id": run} if run else {}) if datasets else {}


def described_as_json() -> str:
    """Return what is known of all assets that were made, as JSON."""
    return json.dumps(described())


def _fitting(datasets: dict[str, Any], run: Mapping[str, str]) -> dict[str, Any]:
    """Return a message that is short enough; the last datasets may be missing in it."""
    whole = len(datasets)
    while len(json.dumps(datasets)) > MOST_CHARACTERS:
        datasets.popitem()
    if len(datasets) < whole:
        _say(f"only the first {len(datasets)} of {whole} datasets fit into the message to Airflow")
    return {**run, "datasets": datasets}


def _shape(data: Any) -> dict[str, int]:
    """Return rows and columns, of data that has counted them."""
    if isinstance(data, list | tuple):
        return {"rows": len(data)}
    if type(data).__module__.partition(".")[0] not in _COUNTED:
        return {}
    shape = getattr(data, "shape", ())
    if not isinstance(shape, tuple) or not all(isinstance(size, int) for size in shape):
        return {}
    return dict(zip(("rows", "columns"), shape, strict=False)) if len(shape) < 3 else {}


def _stored(name: str, dataset: Any) -> dict[str, Any]:
    """Return the size and the version of a dataset in a single file."""
    if not isinstance(dataset, AbstractVersionedDataset):
        return {}
    found: dict[str, Any] = {}
    try:
        if dataset._version:  # noqa: SLF001 - as the classes of datasets read it
            found["version"] = str(dataset.resolve_save_version())
        store = getattr(dataset, "_fs", None)
        info = store.info(str(dataset._get_load_path())) if store is not None else {}  # noqa: SLF001
        if info.get("type") == "file":
            found["bytes"] = int(info["size"])
    except Exception as problem:  # noqa: BLE001 - clients of object stores share no base class
        _say(f"the size of dataset '{name}' is unknown: {type(problem).__name__}: {problem}")
    return found


def _remove(file: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(file)


def _say(problem: str) -> None:
    print(f"Events of assets lack something: {problem}.", file=sys.stderr, flush=True)
