"""Datasets that are stored on a disk: on the volume of the run, or on the pod's own."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from functools import cache

from kedro_airflow_k8s.checks.findings import Finding
from kedro_airflow_k8s.checks.subject import Subject
from kedro_airflow_k8s.config.wording import listed
from kedro_airflow_k8s.project.entities import stored_name

_LOCAL_SCHEME = re.compile(r"(?:file|local)://", re.IGNORECASE)
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:")
_ABSOLUTE = re.compile(r"/|[A-Za-z]:/")
_IN_MEMORY = "memory://"
MLFLOW_TYPES = "kedro_mlflow."
"""How the types begin of datasets that hand their file to MLflow's server."""


def local_path(path: str | None) -> str | None:
    """A place on a pod's disk in its shortest form, or None for one elsewhere.

    A relative one is meant from the project's folder. Those of Windows have no place in a pod, but
    are on its disk all the same.
    """
    if not path:
        return None
    text = path.strip()
    if text.lower().startswith(_IN_MEMORY):
        # fsspec's files in memory, which end with the process as those on the pod's disk do.
        return text
    if ":" in text:
        text, count = _LOCAL_SCHEME.subn("", text, count=1)
        if not count and (_SCHEME.match(text) or "::" in text):
            return None
    found = posixpath.normpath(text.replace("\\", "/"))
    # There is nothing to lose there.
    return None if found.startswith("/dev/") else found


def is_on_volume(path: str, mount_path: str) -> bool:
    """Whether a path is on the volume that is mounted in place of the project's data folder.

    Where the project is in the image is not known, but the mount path is below it: `data/x` is on a
    volume at `/home/me/project/data`, and `data/raw/x` on one at `/home/me/project/data/raw`.

    Args:
        path: As `local_path` gives it.
        mount_path: Where the volume is mounted.
    """
    return path.startswith(_beginnings(mount_path)) or f"{path}/" in _beginnings(mount_path)


@cache
def _beginnings(mount_path: str) -> tuple[str, ...]:
    """How a path on the volume may begin: with the mount path, or with an end of it."""
    parts = mount_path.strip("/").split("/")
    ends = ("/".join(parts[start:]) for start in range(len(parts)))
    return (f"{mount_path}/", *(f"{end}/" for end in ends))


def disk_path(subject: Subject, name: str) -> str | None:
    """Where on a pod's disk the catalog stores a dataset, or None if it does not."""
    entry = subject.catalog.get(name)
    return local_path(entry.path) if entry and not entry.in_memory else None


def written_paths(subject: Subject) -> set[str | None]:
    """All places on a disk where nodes of the pipeline write; None is among them or not."""
    return {disk_path(subject, output) for output, _ in subject.made.values()}


def outside_volume(subject: Subject) -> Iterator[Finding]:
    """What nodes write to the disk of their pod, which is gone with it."""
    volume = subject.run.volume
    for dataset, (output, maker) in subject.made.items():
        entry = subject.catalog.get(output)
        path = disk_path(subject, output)
        if entry is None or path is None:
            continue
        if not volume.disabled and is_on_volume(path, volume.mount_path):
            continue
        readers = list(subject.read.get(dataset, {}))
        others = [n for n in readers if subject.task_of[n] != subject.task_of[maker]]
        # MLflow's own datasets have handed the file to its server by then.
        if not others and (readers or entry.type.startswith(MLFLOW_TYPES)):
            continue
        yield Finding(
            code="outside-volume",
            severity="error" if others else "warning",
            where=f"dataset {output!r}",
            problem=f"Node {maker!r} writes it to {entry.path}, a place on the disk of its pod:"
            + (
                " there is no volume (run_config.volume.disabled)."
                if volume.disabled
                else f" the volume is mounted at {volume.mount_path}."
            ),
            consequence=f"{listed(others)} would look for it in another pod and not find it."
            if others
            else "It is gone when the pod ends, and nobody can look at it.",
            fix=_place_for(others, volume.disabled),
            pipeline=subject.pipeline.name,
        )


def laptop_path(subject: Subject) -> Iterator[Finding]:
    """Inputs at absolute paths outside the project's folder in the image."""
    volume = subject.run.volume
    project = posixpath.dirname(volume.mount_path).rstrip("/")
    folders = [project, volume.mount_path]
    folders += [s.deploy_target or "" for s in subject.run.secrets if s.deploy_type == "volume"]
    seen = tuple(f"{folder.rstrip('/')}/" for folder in folders)
    written = written_paths(subject)
    for name, node in subject.free_inputs.items():
        path = disk_path(subject, name)
        if path is None or path in written or not _ABSOLUTE.match(path) or path.startswith(seen):
            continue
        yield Finding(
            code="laptop-path",
            severity="warning",
            where=f"dataset {stored_name(name)!r}",
            problem=f"Node {node!r} takes it from {subject.catalog[name].path}, which is not below"
            f" {project or '/'}, where the image is expected to have the project.",
            consequence="A pod sees the image's files only: a path that is right on your machine"
            " is not there, and the node fails.",
            fix="Store it on object storage, or in the project's data folder with a relative path."
            " If the image does have it there, take no notice.",
            pipeline=subject.pipeline.name,
        )


def _place_for(others: list[str], no_volume: bool) -> str:
    """Where a file can be for nodes in other pods, or for people after the run."""
    if not others:
        # The volume would be no better: it is deleted at the end of the run.
        return "Store it on object storage, or in another place that stays (a database, MLflow)."
    folder = "" if no_volume else "below the data folder of the project or "
    return f"Store it {folder}on object storage, or take the entry out of the catalog."


def empty_volume(subject: Subject) -> Iterator[Finding]:
    """Inputs in the image's data folder, where an empty volume is mounted over them."""
    volume = subject.run.volume
    if volume.disabled or not volume.skip_init:
        return
    written = written_paths(subject)
    for name, node in subject.free_inputs.items():
        entry = subject.catalog.get(name)
        path = disk_path(subject, name)
        if entry is None or path is None or path in written:
            continue
        if is_on_volume(path, volume.mount_path):
            yield Finding(
                code="empty-volume",
                severity="error",
                where=f"dataset {stored_name(name)!r}",
                problem=f"Node {node!r} takes it from {entry.path}, where the volume is mounted,"
                " and run_config.volume.skip_init leaves that empty.",
                consequence="The image's data folder is hidden, and the node finds no file.",
                fix="Take out run_config.volume.skip_init, or store the dataset elsewhere.",
                pipeline=subject.pipeline.name,
            )
