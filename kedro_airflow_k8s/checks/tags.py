"""What nodes ask for by their tags."""

from __future__ import annotations

from collections.abc import Iterator

from kedro_airflow_k8s.checks.nearest import Nearest
from kedro_airflow_k8s.config import RESOURCES_DEFAULT, RunConfig
from kedro_airflow_k8s.findings import Finding, listed
from kedro_airflow_k8s.pipeline import Project
from kedro_airflow_k8s.tasks import RESOURCES_TAG


def unknown_resources(project: Project, run: RunConfig) -> Iterator[Finding]:
    """Tags `resources.x` without an entry `x`, each with all its nodes."""
    nodes: dict[str, list[str]] = {}
    for node in project.nodes:
        for tag in node.tags:
            match = RESOURCES_TAG.fullmatch(tag)
            if match and match[1] not in run.resources and match[1] != RESOURCES_DEFAULT:
                nodes.setdefault(match[1], []).append(node.name)
    nearest = Nearest(run.resources)
    for name, tagged in nodes.items():
        yield Finding(
            code="unknown-resources",
            severity="error",
            where=f"tag 'resources.{name}'",
            problem=f"It is on {listed(tagged)}, but run_config.resources has no entry"
            f" {name!r}.{nearest.hint(name)}",
            consequence="There is no DAG: nobody knows what the pods need.",
            fix="Add the entry, or change the tag. Entries:"
            f" {', '.join(sorted(run.resources)) or 'none'}.",
            pipeline=project.pipeline,
        )
