"""Data that one task hands to another."""

from __future__ import annotations

from collections.abc import Iterator

from kedro_airflow_k8s.checks.findings import Finding
from kedro_airflow_k8s.checks.subject import Subject
from kedro_airflow_k8s.config.wording import listed


def lost_data(subject: Subject) -> Iterator[Finding]:
    """Datasets in memory that cross from task to task, where there is no place to hand them on."""
    if subject.plan.storage.intermediate_data is not None or subject.pipeline.catalog is None:
        return
    for dataset, (output, maker) in subject.made.items():
        readers = subject.read.get(dataset, {})
        lost = [
            node
            for node, name in readers.items()
            if subject.task_of[node] != subject.task_of[maker]
            and (subject.pipeline.in_memory(output) or subject.pipeline.in_memory(name))
        ]
        if lost:
            declared = output in subject.catalog
            yield Finding(
                code="lost-data",
                # A hook of the project may declare it when the run begins.
                severity="warning" if subject.hooks_declare and not declared else "error",
                where=f"dataset {output!r}",
                problem=f"Node {maker!r} makes it for {listed(lost)}, which"
                f" {'run' if len(lost) > 1 else 'runs'} in another pod, and it"
                f" {'is a MemoryDataset' if declared else 'is not in the catalog'}.",
                consequence="It ends with the pod that made it, and the next task fails.",
                fix="Take out run_config.volume.disabled, set run_config.intermediate_data, declare"
                " the dataset in the catalog, or let the nodes share a task"
                " (run_config.grouping: memory).",
                pipeline=subject.pipeline.name,
            )


def hooks_disabled(subject: Subject) -> Iterator[Finding]:
    """Data that crosses from task to task, where the hooks are off that would store it."""
    if not (subject.hooks_disabled and subject.plan.storage.intermediate_data is not None):
        return
    crossing = [
        dataset
        for dataset, (_, maker) in subject.made.items()
        if any(subject.task_of[n] != subject.task_of[maker] for n in subject.read.get(dataset, {}))
    ]
    if crossing:
        yield Finding(
            code="hooks-disabled",
            severity="error",
            where="DISABLE_HOOKS_FOR_PLUGINS in settings.py",
            problem="It names kedro-airflow-k8s, whose hooks store what tasks hand to each other:"
            f" {listed(crossing)}.",
            consequence="Nothing of that is stored, and the tasks that make it fail.",
            fix="Take kedro-airflow-k8s out of it.",
            pipeline=subject.pipeline.name,
        )
