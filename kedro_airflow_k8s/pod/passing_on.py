"""Which datasets of a task are read from other tasks, and stored for them."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from kedro.io import (
    AbstractDataset,
    CachedDataset,
    MemoryDataset,
    SharedMemoryDataCatalog,
    SharedMemoryDataset,
)

from kedro_airflow_k8s.pod.environment import folder_to_read, passed_on
from kedro_airflow_k8s.pod.intermediate_data import IntermediateDataset, StoredDataset
from kedro_airflow_k8s.pod.names import is_parameter, stored_name
from kedro_airflow_k8s.pod.node_events import node_events

if TYPE_CHECKING:
    from kedro.io import CatalogProtocol
    from kedro.pipeline import Pipeline


def pass_on(pipeline: Pipeline, catalog: CatalogProtocol[Any, Any], root: str) -> None:
    """Put IntermediateDatasets into the catalog of a pod.

    For what the pipeline makes and other tasks read, and for what it takes and does not make,
    unless the catalog declares it or has data for it. Transcoded names (`table@pandas`) always
    count as crossing: to Kedro, each of their forms in memory would be a dataset of its own.

    Args:
        pipeline: The nodes that this pod runs.
        catalog: What they load from and save to; changed in place.
        root: Where the DAG run keeps its intermediate data.
    """
    makes = {stored_name(name) for name in pipeline.all_outputs()}
    reads = {stored_name(name) for node in pipeline.nodes for name in node.inputs}
    crossing = passed_on()
    if crossing is None:
        crossing = frozenset(makes - reads)
    free = pipeline.inputs()
    taken: dict[str, list[str]] = {}
    for name in sorted(pipeline.datasets()):
        made = stored_name(name) in makes
        if is_parameter(name):
            continue
        crosses = name in free or "@" in name or (made and stored_name(name) in crossing)
        if crosses or node_events.wanted:
            ours = _intermediate(stored_name(name), root, pipeline)
            if _is_ours(name, catalog, made, ours):
                # Processes of ParallelRunner have no memory in common.
                if not crosses and not isinstance(catalog, SharedMemoryDataCatalog):
                    _replace(catalog, name, StoredDataset(_memory(name, catalog), ours))
                else:
                    _replace(catalog, name, ours)
                taken.setdefault(ours.folder, []).append(name)
    for folder, names in taken.items():
        logging.getLogger(__name__).info(
            "Passed from task to task in %s: %s", folder, ", ".join(names)
        )


def _intermediate(name: str, root: str, pipeline: Pipeline) -> IntermediateDataset:
    """Return the dataset of a stored name, with the nodes that make and read it in this pod."""
    makers = [node.name for node in pipeline.nodes if name in map(stored_name, node.outputs)]
    readers = [node.name for node in pipeline.nodes if name in map(stored_name, node.inputs)]
    if not makers:
        return IntermediateDataset(name, folder_to_read(name, root), "", readers)
    return IntermediateDataset(name, root, makers[0], readers)


def _is_ours(
    name: str, catalog: CatalogProtocol[Any, Any], made: bool, ours: IntermediateDataset
) -> bool:
    """Return whether nothing else keeps a dataset from task to task."""
    # Patterns count as known here, except Kedro's own that makes the rest MemoryDatasets.
    if name not in catalog:
        return True
    declared: Any = catalog.get(name)
    if not _is_memory(declared):
        return False
    # Data that a hook has put there stays, until a node has made another.
    return made or not declared.exists() or ours.exists()


def _memory(name: str, catalog: CatalogProtocol[Any, Any]) -> AbstractDataset[Any, Any]:
    """Return what the catalog declares, which may say how Kedro copies the data."""
    declared: Any = catalog.get(name) if name in catalog else None
    return MemoryDataset() if declared is None else declared


def _is_memory(dataset: object) -> bool:
    """Return whether a dataset ends with its process; a subclass of Kedro's may store its data."""
    if type(dataset) is CachedDataset:
        return _is_memory(dataset._dataset)  # noqa: SLF001 - Kedro tells it nowhere else
    return type(dataset) in (MemoryDataset, SharedMemoryDataset)


def _replace(
    catalog: CatalogProtocol[Any, Any], name: str, ours: AbstractDataset[Any, Any]
) -> None:
    # From Kedro 1.7 on the catalog has validators beside its datasets, and drops those of a
    # dataset that is replaced.
    validators: dict[str, Any] = getattr(catalog, "_validator_specs", {})
    validator = validators.get(name)
    catalog[name] = ours
    if validator is not None:
        validators[name] = validator
