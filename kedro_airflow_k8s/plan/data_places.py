"""Where the data that tasks pass on is stored, and what is missing if only some tasks run."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from enum import Enum
from functools import cache

from kedro_airflow_k8s.config.model import RunConfig
from kedro_airflow_k8s.plan.tasks import Task
from kedro_airflow_k8s.pod.names import stored_name
from kedro_airflow_k8s.project.entities import ProjectPipeline
from kedro_airflow_k8s.project.files import local_path


class DataPlace(Enum):
    """How long a dataset is there after the task that makes it."""

    LASTING = "outside the run"
    OBJECTS = "in the folder of the run on object storage"
    VOLUME = "on the volume of the run"
    POD = "in the pod of its task"


def storage_of(pipeline: ProjectPipeline, run: RunConfig, dataset: str) -> DataPlace:
    """Return where the tasks of a pipeline store a dataset that one of them makes."""
    entry = (pipeline.catalog or {}).get(dataset)
    volume = run.volume
    if entry is None or entry.in_memory:
        if run.intermediate_data is not None:
            return DataPlace.OBJECTS
        return DataPlace.POD if volume.disabled else DataPlace.VOLUME
    path = local_path(entry.path)
    if path is None or path.startswith(tuple(f"{folder}/" for folder in run.mounted_folders)):
        return DataPlace.LASTING
    on_volume = not volume.disabled and is_on_volume(path, volume.mount_path)
    return DataPlace.VOLUME if on_volume else DataPlace.POD


def open_places(run: RunConfig) -> frozenset[DataPlace]:
    """Return the storage of an earlier run from which runs of a part of a DAG can take data."""
    found = set()
    if run.keep_failed and not run.volume.disabled and not run.volume.skip_init:
        found.add(DataPlace.VOLUME)
    if run.intermediate_data is not None and (run.keep_failed or run.keep_intermediate_data):
        found.add(DataPlace.OBJECTS)
    return frozenset(found)


def storages(
    pipeline: ProjectPipeline, run: RunConfig, tasks: Iterable[Task]
) -> dict[str, DataPlace]:
    """Return where the datasets that tasks make are stored, by name without `@...`."""
    outputs = (name for task in tasks for name in task.outputs)
    return {stored_name(name): storage_of(pipeline, run, name) for name in outputs}


def is_on_volume(path: str, mount_path: str) -> bool:
    """Return whether a path is on the volume mounted in place of the project's data folder.

    The folder of the project in the image is unknown, but the mount path is below it: `data/x` is
    on a volume at `/home/me/project/data`, `data/raw/x` on one at `/home/me/project/data/raw`.

    Args:
        path: As `local_path` returns it.
        mount_path: Where the volume is mounted.
    """
    return path.startswith(_beginnings(mount_path)) or f"{path}/" in _beginnings(mount_path)


@cache
def _beginnings(mount_path: str) -> tuple[str, ...]:
    """Return how a path on the volume may begin: with the mount path, or with an end of it."""
    parts = mount_path.strip("/").split("/")
    ends = ("/".join(parts[start:]) for start in range(len(parts)))
    return (f"{mount_path}/", *(f"{end}/" for end in ends))


def and_downstream(tasks: Sequence[Task], task_ids: Iterable[str]) -> frozenset[str]:
    """Return tasks and those that follow them.

    Args:
        tasks: All tasks, in an order in which they can run.
        task_ids: Some of them.
    """
    found = set(task_ids)
    for task in tasks:
        if any(tasks[index].task_id in found for index in task.upstream):
            found.add(task.task_id)
    return frozenset(found)


def missing_inputs(
    tasks: Sequence[Task],
    chosen: Collection[str],
    storage: Mapping[str, DataPlace],
    there: Collection[DataPlace],
) -> dict[str, str]:
    """Return the inputs of some tasks that only others make, and that are not there.

    Args:
        tasks: All tasks.
        chosen: The ids of the tasks that run.
        storage: Where each dataset that a task makes is stored, by its name without `@...`.
        there: The storage that has what other tasks have made.

    Returns:
        The id of the task that makes it, by dataset.
    """
    makers = {stored_name(name): task.task_id for task in tasks for name in task.outputs}
    found = {}
    for task in tasks:
        for name in map(stored_name, task.inputs) if task.task_id in chosen else ():
            maker = makers.get(name)
            if maker is not None and maker not in chosen and storage[name] not in there:
                found[name] = maker
    return found
