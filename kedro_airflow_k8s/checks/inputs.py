"""What nodes take and nobody gives: datasets, parameters and credentials that do not exist."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any

from kedro_airflow_k8s.checks.findings import Finding
from kedro_airflow_k8s.checks.subject import Subject
from kedro_airflow_k8s.config.wording import Nearest, listed
from kedro_airflow_k8s.project.entities import stored_name

_PREFIX = "params:"


def unknown_datasets(subject: Subject) -> Iterator[Finding]:
    """Inputs that no node makes and the catalog does not know."""
    if subject.pipeline.catalog is None:
        return
    outputs = {output for output, _ in subject.made.values()}
    nearest = Nearest(subject.declared | outputs)
    for name, node in subject.free_inputs.items():
        if name in subject.catalog:
            continue
        makers = subject.makers(name)
        hint = f" Pipelines that make it: {listed(makers)}." if makers else nearest.hint(name)
        hooked = " A hook of the project may declare it, which only a run can tell."
        yield Finding(
            code="unknown-dataset",
            severity="warning" if subject.hooks_declare else "error",
            where=f"dataset {name!r}",
            problem=f"Node {node!r} takes it, but no node of the pipeline makes it, and the"
            f" catalog does not have it.{hooked if subject.hooks_declare else ''}{hint}",
            consequence="The task fails: there is nothing to load.",
            fix=f"Declare it in the catalog of the environment {subject.pipeline.env!r}, on storage"
            " that outlives the run, or run these nodes in a pipeline that also makes it."
            if makers
            else "Correct the name, declare it in the catalog of the environment"
            f" {subject.pipeline.env!r}, or add the node that makes it.",
            pipeline=subject.pipeline.name,
        )


def memory_inputs(subject: Subject) -> Iterator[Finding]:
    """Inputs that no node makes and the catalog keeps in memory, where nothing can be."""
    for name, node in subject.free_inputs.items():
        entry = subject.catalog.get(name)
        if entry is not None and entry.in_memory:
            yield Finding(
                code="memory-input",
                severity="warning" if subject.hooks_declare else "error",
                where=f"dataset {name!r}",
                problem=f"Node {node!r} takes it, no node of the pipeline makes it, and the catalog"
                " has it as a MemoryDataset, which is empty in a new process.",
                consequence="The task fails when the node loads it.",
                fix="Give it a type in the catalog that is stored somewhere, or add the node that"
                " makes it.",
                pipeline=subject.pipeline.name,
            )


def unknown_parameters(subject: Subject) -> Iterator[Finding]:
    """Parameters that nodes take and neither the project nor Airflow gives."""
    if subject.parameters is None:
        return
    given = [*subject.run.macro_params, *subject.run.variables_params]
    known = {*_all_names(subject.parameters), *given}
    # Also what is above or below a parameter that only a run will know.
    known.update(name[:end] for name in given for end, sign in enumerate(name) if sign == ".")
    below = tuple(f"{name}." for name in given)
    nearest = Nearest(known)
    scheduled = subject.plan.schedule is not None
    readers = {
        item.removeprefix(_PREFIX): node.name
        for node in reversed(subject.pipeline.nodes)
        for item in node.inputs
        if item.startswith(_PREFIX)
    }
    for name, node in reversed(readers.items()):
        if name in known or name.startswith(below):
            continue
        yield Finding(
            code="unknown-parameter",
            severity="error" if scheduled else "warning",
            where=f"parameter {name!r}",
            problem=f"Node {node!r} takes it, and the parameters of the environment"
            f" {subject.pipeline.env!r} do not have it.{nearest.hint(name)}",
            consequence="Kedro refuses to run the node: the pod fails at its start"
            + ("." if scheduled else ", unless whoever starts the run gives it a value."),
            fix="Add it to the project's parameters, to run_config.variables_params or to"
            " run_config.macro_params, or correct the name.",
            pipeline=subject.pipeline.name,
        )


def _all_names(parameters: Mapping[str, Any], above: str = "") -> Iterator[str]:
    """Each parameter's name, nested ones with dots, as Kedro names them."""
    for key, value in parameters.items():
        name = f"{above}{key}"
        yield name
        if isinstance(value, Mapping):
            yield from _all_names(value, f"{name}.")


def unknown_credentials(subject: Subject) -> Iterator[Finding]:
    """Credentials that the catalog names and no credentials file has."""
    if subject.credentials is None or _has_secret_as_file(subject):
        return
    nearest = Nearest(subject.credentials)
    users: dict[str, list[str]] = {}
    for name, entry in subject.catalog.items():
        for credentials in entry.credentials:
            users.setdefault(credentials, []).append(stored_name(name))
    for credentials, datasets in users.items():
        if credentials not in subject.credentials:
            others = f" and {len(datasets) - 1} more" if len(datasets) > 1 else ""
            yield Finding(
                code="unknown-credentials",
                severity="warning",
                where=f"credentials {credentials!r}",
                problem=f"The catalog names them for dataset {datasets[0]!r}{others}, and no"
                f" credentials file of the environment {subject.pipeline.env!r} has them here."
                f"{nearest.hint(credentials)}",
                consequence="If the image has no such file either, every pod fails at its start.",
                fix="Correct the name, or see to it that the pods have the file: a Secret that"
                " run_config.secrets mounts as one, or an entry that reads environment variables"
                " (oc.env). On a machine that rightly lacks the file, take no notice.",
                pipeline=subject.pipeline.name,
            )


def _has_secret_as_file(subject: Subject) -> bool:
    """Whether a Secret is mounted in the configuration, where it may be a credentials file."""
    return any(
        secret.deploy_type == "volume" and "conf" in PurePosixPath(secret.deploy_target or "").parts
        for secret in subject.run.secrets
    )
