"""Datasets on the volume of a run, which is made for that run and deleted at its end."""

from __future__ import annotations

from collections.abc import Iterator

from kedro_airflow_k8s.checks.findings import Finding
from kedro_airflow_k8s.checks.local_paths import (
    MLFLOW_TYPES,
    disk_path,
    is_on_volume,
    written_paths,
)
from kedro_airflow_k8s.checks.subject import Subject
from kedro_airflow_k8s.config.wording import listed
from kedro_airflow_k8s.project.entities import stored_name


def not_kept(subject: Subject) -> Iterator[Finding]:
    """Results of the pipeline that are deleted at the end of its run, all in one finding."""
    # Nodes may read a file under another name.
    taken = {disk_path(subject, name) for name in subject.free_inputs}
    lost = [
        stored_name(output)
        for dataset, (output, _) in subject.made.items()
        if dataset not in subject.read
        and _is_on_volume(subject, output)
        and disk_path(subject, output) not in taken
        and not subject.catalog[output].type.startswith(MLFLOW_TYPES)
    ]
    if not lost:
        return
    them, kind = ("it", "dataset") if len(lost) == 1 else ("them", "datasets")
    yield Finding(
        code="not-kept",
        severity="warning",
        where=f"{kind} {listed(lost)}",
        problem=f"The pipeline makes {them}, no node of it reads {them}, and the"
        f" catalog stores {them} on the volume of the run (at {subject.run.volume.mount_path}).",
        consequence=f"The run succeeds, and at its end deletes {them} with the volume.",
        fix=f"Give {them} a path on object storage, or another place that stays, such as a"
        " database or MLflow.",
        pipeline=subject.pipeline.name,
    )


def other_run(subject: Subject) -> Iterator[Finding]:
    """Inputs that another pipeline makes, on the volume of a run of its own."""
    if subject.run.volume.skip_init:
        # Then there is not even an old file of that name, which is told otherwise.
        return
    made_here = written_paths(subject)
    for name, node in subject.free_inputs.items():
        if not _is_on_volume(subject, name) or disk_path(subject, name) in made_here:
            continue
        makers = subject.makers(name)
        if makers:
            yield Finding(
                code="other-run",
                severity="warning",
                where=f"dataset {stored_name(name)!r}",
                problem=f"Node {node!r} takes it from {subject.catalog[name].path}, on the volume"
                f" of the run. Pipelines that make it: {listed(makers)}. Each run has a volume of"
                " its own, so what theirs have written is not there.",
                consequence="The node reads what the image's data folder holds in that place, or"
                " fails if there is nothing.",
                fix="Give it a path on storage that both see, such as object storage, or deploy"
                " one pipeline with the nodes of both.",
                pipeline=subject.pipeline.name,
            )


def _is_on_volume(subject: Subject, name: str) -> bool:
    volume = subject.run.volume
    path = disk_path(subject, name)
    return not volume.disabled and path is not None and is_on_volume(path, volume.mount_path)
