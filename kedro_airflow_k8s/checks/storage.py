"""Checks of files: on the volume of the run, on the disk of a pod, or in one place twice."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator

from kedro_airflow_k8s.checks.findings import Finding
from kedro_airflow_k8s.checks.subject import Subject
from kedro_airflow_k8s.config.wording import listed
from kedro_airflow_k8s.plan.data_places import DataPlace, is_on_volume, storage_of
from kedro_airflow_k8s.pod.names import stored_name
from kedro_airflow_k8s.project.files import local_path
from kedro_airflow_k8s.project.parameters import has_stand_in

_ABSOLUTE = re.compile(r"/|[A-Za-z]:/")
# Nodes name the files of these.
_PARTITIONS = re.compile(r"(Partitioned|Incremental)Data[sS]et$")
# Datasets of these types upload their file to MLflow's server.
_MLFLOW_TYPES = "kedro_mlflow."


def _disk_path(subject: Subject, name: str) -> str | None:
    """Return where on a pod's disk the catalog stores a dataset, or None if it does not."""
    entry = subject.catalog.get(name)
    return local_path(entry.path) if entry and not entry.in_memory else None


def _is_on_volume(subject: Subject, name: str) -> bool:
    volume = subject.run.volume
    path = _disk_path(subject, name)
    return not volume.disabled and path is not None and is_on_volume(path, volume.mount_path)


def _read_from_disk(subject: Subject) -> Iterator[tuple[str, str, str]]:
    """Yield inputs on a disk that no node writes, each with the node that reads it and its path."""
    written = {_disk_path(subject, output) for output, _ in subject.made.values()}
    for name, node in subject.free_inputs.items():
        path = _disk_path(subject, name)
        if path is not None and path not in written:
            yield name, node, path


def outside_volume(subject: Subject) -> Iterator[Finding]:
    """Find files that nodes write to the disk of their pod, where they are lost with it."""
    volume = subject.run.volume
    for dataset, (output, maker) in subject.made.items():
        if _disk_path(subject, output) is None or _is_on_volume(subject, output):
            continue
        entry = subject.catalog[output]
        others = list(subject.readers_elsewhere(dataset))
        # By then MLflow's own datasets have uploaded the file.
        if not others and (dataset in subject.read or entry.type.startswith(_MLFLOW_TYPES)):
            continue
        yield Finding(
            code="outside-volume",
            severity="error" if others and entry.sure_of_path else "warning",
            where=f"dataset {output!r}",
            problem=f"Node {maker!r} writes it to {entry.path}, a place on the disk of its pod:"
            + (
                " there is no volume (run_config.volume.disabled)."
                if volume.disabled
                else f" the volume is mounted at {volume.mount_path}."
            ),
            consequence=f"{listed(others)} cannot find it in another pod, and the task fails."
            if others
            else "It is gone when the pod ends.",
            fix=_place_for(others, no_volume=volume.disabled),
        )


def _place_for(others: list[str], *, no_volume: bool) -> str:
    """Return where a file can be for nodes in other pods, or for people after the run."""
    if not others:
        # The volume is no better: it is deleted at the end of the run.
        return "Store it on object storage, or in another place that stays (a database, MLflow)."
    folder = "" if no_volume else "below the data folder of the project or "
    return f"Store it {folder}on object storage, or remove the entry from the catalog."


def local_input(subject: Subject) -> Iterator[Finding]:
    """Find inputs at absolute paths outside the project's folder in the image."""
    volume = subject.run.volume
    project = posixpath.dirname(volume.mount_path).rstrip("/")
    folders = [project, volume.mount_path]
    folders += subject.run.mounted_folders
    seen = tuple(f"{folder.rstrip('/')}/" for folder in folders)
    for name, node, path in _read_from_disk(subject):
        if _ABSOLUTE.match(path) and not path.startswith(seen):
            yield Finding(
                code="laptop-path",
                severity="warning",
                where=f"dataset {stored_name(name)!r}",
                problem=f"Node {node!r} reads it from {subject.catalog[name].path}. That is not"
                f" below {project or '/'}, where the image is expected to have the project.",
                consequence="A pod sees only the image's files: a path of your machine does not"
                " exist there, and the node fails.",
                fix="Store it on object storage, or in the project's data folder with a relative"
                " path. Ignore this if the image has the file.",
            )


def empty_volume(subject: Subject) -> Iterator[Finding]:
    """Find inputs in the image's data folder that an empty volume hides."""
    volume = subject.run.volume
    if volume.disabled or not volume.skip_init:
        return
    for name, node, path in _read_from_disk(subject):
        if is_on_volume(path, volume.mount_path):
            yield Finding(
                code="empty-volume",
                severity="error" if subject.catalog[name].sure_of_path else "warning",
                where=f"dataset {stored_name(name)!r}",
                problem=f"Node {node!r} reads it from {subject.catalog[name].path}. The volume is"
                " mounted there, and run_config.volume.skip_init leaves it empty.",
                consequence="The image's data folder is hidden, and the node finds no file.",
                fix="Remove run_config.volume.skip_init, or store the dataset elsewhere.",
            )


def not_kept(subject: Subject) -> Iterator[Finding]:
    """Find results that are deleted with the volume of the run: one finding for all of them."""
    # Nodes may read a file under another name.
    read = {_disk_path(subject, name) for name in subject.free_inputs}
    lost = [
        stored_name(output)
        for dataset, (output, _) in subject.made.items()
        if dataset not in subject.read
        and _is_on_volume(subject, output)
        and _disk_path(subject, output) not in read
        and not subject.catalog[output].type.startswith(_MLFLOW_TYPES)
    ]
    for names in subject.accepted_and_others("not-kept", lost):
        them, kind = ("it", "dataset") if len(names) == 1 else ("them", "datasets")
        yield Finding(
            code="not-kept",
            severity="warning",
            where=f"{kind} {listed(names)}",
            problem=f"The pipeline makes {them}, and no node reads {them}. The catalog stores"
            f" {them} on the volume of the run (at {subject.run.volume.mount_path}).",
            consequence=f"{'The file is' if len(names) == 1 else 'The files are'} deleted with the"
            " volume when the run ends.",
            fix=f"Store {listed(names)} on object storage, in a database or in MLflow.",
            names=tuple(names),
        )


def other_run(subject: Subject) -> Iterator[Finding]:
    """Find inputs on the volume of the run that another pipeline makes, in a run of its own."""
    if subject.run.volume.skip_init:
        # The check of empty volumes reports these.
        return
    for name, node, _ in _read_from_disk(subject):
        makers = subject.makers(name) if _is_on_volume(subject, name) else ()
        if makers:
            yield Finding(
                code="other-run",
                severity="warning",
                where=f"dataset {stored_name(name)!r}",
                problem=f"Node {node!r} reads it from {subject.catalog[name].path}, on the volume"
                f" of the run. Pipelines that make it: {listed(makers)}. Each run has a volume of"
                " its own, without the files that other runs have written.",
                consequence="The node reads what the image's data folder has in that place, or"
                " fails if there is nothing.",
                fix="Give it a path on storage that both can reach, such as object storage, or"
                " deploy one pipeline with the nodes of both.",
            )


def same_file(subject: Subject) -> Iterator[Finding]:
    """Find datasets that share a file and are written and used at the same time."""
    places: dict[str, list[str]] = {}
    for name, entry in subject.catalog.items():
        if entry.path and not (entry.in_memory or entry.in_database):
            places.setdefault(local_path(entry.path) or entry.path, []).append(name)
    shared = [names for names in places.values() if len(names) > 1]
    if not shared:
        return
    position = {n: i for i, task in enumerate(subject.plan.tasks) for n in task.nodes}
    makers = dict(subject.made.values())
    for names in shared:
        for output in (name for name in names if name in makers):
            for other in (name for name in names if name != output):
                readers = subject.read.get(stored_name(other), {})
                users = [node for node, name in readers.items() if name == other]
                users += [makers[other]] if makers.get(other, output) > output else []
                pair = subject.order.at_once(
                    [position[makers[output]]], [position[node] for node in users]
                )
                if pair:
                    yield _race(subject, output, other, pair)


def overwritten(subject: Subject) -> Iterator[Finding]:
    """Find results outside the run whose place is the same for every date."""
    date, parts = subject.run.date_param, subject.run.partitioned
    param = parts.param if parts else date.name if date else None
    if param is None:
        return
    found = []
    for output, _ in subject.made.values():
        entry = subject.catalog.get(output)
        if entry is None or not entry.path or entry.in_database or _PARTITIONS.search(entry.type):
            continue
        config = subject.config_in_run(output) or subject.config_of(output) or {}
        lasting = storage_of(subject.pipeline, subject.run, output) is DataPlace.LASTING
        if lasting and config.get("versioned") is not True and not has_stand_in(config):
            found.append(output)
    for names in subject.accepted_and_others("overwritten", found):
        them, kind = ("it", "dataset") if len(names) == 1 else ("them", "datasets")
        path = subject.catalog[names[0]].path
        what = "partition" if parts else "date"
        yield Finding(
            code="overwritten",
            severity="warning",
            where=f"{kind} {listed(names)}",
            problem=f"Each run is for a {what} ({param}), which the path of {names[0]!r} lacks:"
            f" {path}.",
            consequence=f"The run of each {what} overwrites what those of other {what}s have"
            " written, and a backfill leaves only the result of its last run.",
            fix=f"Write the {what} into the path, such as ${{runtime_params:{param}}}, or make"
            f" {them} `versioned: true`.",
            names=tuple(names),
        )


def _race(subject: Subject, output: str, other: str, pair: tuple[int, int]) -> Finding:
    first, second = (subject.plan.tasks[index].task_id for index in pair)
    return Finding(
        code="same-file",
        severity="warning",
        where=f"datasets {output!r} and {other!r}",
        problem=f"Both are stored at {subject.catalog[output].path}. Task {first!r} writes the one"
        f" and task {second!r} uses the other, and neither waits for the other.",
        consequence="They can run at the same time, so what is read depends on chance.",
        fix="Use one dataset for both, so that there is an order, or store them in different"
        " places.",
    )
