"""Checks of what nodes read: intermediate data, datasets and credentials."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath

from kedro_airflow_k8s.checks.findings import Finding
from kedro_airflow_k8s.checks.subject import Subject
from kedro_airflow_k8s.config.wording import Nearest, counted, listed
from kedro_airflow_k8s.pod.names import stored_name


def lost_data(subject: Subject) -> Iterator[Finding]:
    """Find data in memory that goes from task to task and that nothing stores."""
    if subject.plan.storage.intermediate_data is not None or subject.pipeline.catalog is None:
        return
    for dataset, (output, maker) in subject.made.items():
        lost = [
            node
            for node, name in subject.readers_elsewhere(dataset).items()
            if subject.pipeline.in_memory(output) or subject.pipeline.in_memory(name)
        ]
        if lost:
            declared = output in subject.catalog
            yield Finding(
                code="lost-data",
                # Code of the project may declare it when the run begins.
                severity="warning" if subject.hooks_declare and not declared else "error",
                where=f"dataset {output!r}",
                problem=f"Node {maker!r} makes it for {listed(lost)}, which"
                f" {'run' if len(lost) > 1 else 'runs'} in another pod, and it"
                f" {'is a MemoryDataset' if declared else 'is not in the catalog'}.",
                consequence="It is lost at the end of its pod, and the next task fails.",
                fix="Remove run_config.volume.disabled, set run_config.intermediate_data, declare"
                " the dataset in the catalog, or let the nodes share a task"
                " (run_config.grouping: memory).",
            )


def hooks_disabled(subject: Subject) -> Iterator[Finding]:
    """Find data that goes from task to task where the hooks that store it are disabled."""
    if not (subject.hooks_disabled and subject.plan.storage.intermediate_data is not None):
        return
    crossing = [dataset for dataset in subject.made if subject.readers_elsewhere(dataset)]
    if crossing:
        yield Finding(
            code="hooks-disabled",
            severity="error",
            where="DISABLE_HOOKS_FOR_PLUGINS in settings.py",
            problem="It names kedro-airflow-k8s. Its hooks store what tasks pass to each other:"
            f" {counted(len(crossing), 'dataset')}, such as {crossing[0]!r}.",
            consequence="Nothing is stored, and the tasks that make this data fail.",
            fix="Remove kedro-airflow-k8s from it.",
        )


def unknown_datasets(subject: Subject) -> Iterator[Finding]:
    """Find inputs that no node makes and the catalog does not have."""
    if subject.pipeline.catalog is None:
        return
    env = f"the environment {subject.pipeline.env!r}"
    nearest = Nearest(subject.declared.union(output for output, _ in subject.made.values()))
    hooked = (
        " A hook, the context or the catalog class of the project may declare it in a run."
        if subject.hooks_declare
        else ""
    )
    for name, node in subject.free_inputs.items():
        if name in subject.catalog:
            continue
        makers = subject.makers(name)
        hint = f" Pipelines that make it: {listed(makers)}." if makers else nearest.hint(name)
        yield Finding(
            code="unknown-dataset",
            severity="warning" if subject.hooks_declare else "error",
            where=f"dataset {name!r}",
            problem=f"Node {node!r} reads it, but no node makes it and it is not in the catalog."
            f"{hooked}{hint}",
            consequence="The task fails: there is nothing to load.",
            fix=f"Declare it in the catalog of {env}, on storage that outlives the run. If you only"
            " deploy a pipeline that also makes it, set `enabled: false` for this one, below"
            " `pipelines` in airflow-k8s.yaml."
            if makers
            else f"Correct the name, declare it in the catalog of {env}, or add the node that makes"
            " it.",
        )


def memory_inputs(subject: Subject) -> Iterator[Finding]:
    """Find inputs that no node makes and that are empty MemoryDatasets in the catalog."""
    for name, node in subject.free_inputs.items():
        entry = subject.catalog.get(name)
        if entry is not None and entry.in_memory:
            yield Finding(
                code="memory-input",
                severity="warning" if subject.hooks_declare else "error",
                where=f"dataset {name!r}",
                problem=f"Node {node!r} reads it, but no node makes it. In the catalog it is a"
                " MemoryDataset, which is empty in a new process.",
                consequence="The task fails when the node loads it.",
                fix="Give it a type in the catalog that is stored, or add the node that makes it.",
            )


def unknown_credentials(subject: Subject) -> Iterator[Finding]:
    """Find credentials that the catalog names and no credentials file has."""
    if subject.credentials is None or _has_secret_as_file(subject):
        return
    nearest = Nearest(subject.credentials)
    users: dict[str, list[str]] = {}
    for name, entry in subject.catalog.items():
        for credentials in entry.credentials:
            users.setdefault(credentials, []).append(stored_name(name))
    for credentials, datasets in users.items():
        if credentials not in subject.credentials:
            yield Finding(
                code="unknown-credentials",
                severity="warning",
                where=f"credentials {credentials!r}",
                problem=f"{_using(datasets)} them. No credentials file of the environment"
                f" {subject.pipeline.env!r} has them.{nearest.hint(credentials)}",
                consequence="Unless the image has such a file, every pod fails at its start.",
                fix="Correct the name, or give the pods the file: as a Secret that"
                " run_config.secrets mounts, or as an entry that reads environment variables"
                " (oc.env). Ignore this if the file is intentionally absent here.",
            )


def _using(datasets: list[str]) -> str:
    one = len(datasets) == 1
    return f"{'Dataset' if one else 'Datasets'} {listed(datasets)} {'uses' if one else 'use'}"


def _has_secret_as_file(subject: Subject) -> bool:
    """Return whether a Secret is mounted in the configuration: it may be a credentials file."""
    name = PurePosixPath(subject.conf).name
    return any(
        name in PurePosixPath(secret.deploy_target or "").parts
        for secret in subject.run.secret_files
    )
