"""What nodes ask for by their tags."""

from __future__ import annotations

import re
from collections.abc import Iterator

from kedro_airflow_k8s.checks.findings import Finding
from kedro_airflow_k8s.checks.subject import Subject
from kedro_airflow_k8s.config.model import RESOURCES_DEFAULT, RunConfig
from kedro_airflow_k8s.config.wording import Nearest, listed
from kedro_airflow_k8s.plan.grouping import GROUP_TAG
from kedro_airflow_k8s.plan.tasks import RESOURCES_TAG
from kedro_airflow_k8s.project.entities import ProjectPipeline

# How people write these tags who do not remember them well.
_LIKE_OURS = re.compile(r"airflow[-_. :]?k8s(?P<rest>.*)", re.IGNORECASE | re.DOTALL)
_LIKE_GROUP = re.compile(r"[-_.:/= ]*groups?[-_.:/= ]+(?P<name>.*\S)\s*", re.IGNORECASE | re.DOTALL)
_LIKE_RESOURCES = re.compile(
    r"(?:airflow[-_. :]?k8s[-_.:/= ]*)?resources?[-_.:/= ]+(?P<name>.*\S)\s*",
    re.IGNORECASE | re.DOTALL,
)


def unknown_resources(pipeline: ProjectPipeline, run: RunConfig) -> Iterator[Finding]:
    """Tags `resources.x` without an entry `x`, each with all its nodes."""
    nodes: dict[str, list[str]] = {}
    for node in pipeline.nodes:
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
            pipeline=pipeline.name,
        )


def unknown_tags(subject: Subject) -> Iterator[Finding]:
    """Tags that look like those of the plugin and are none, each with all its nodes."""
    nodes: dict[str, list[str]] = {}
    for node in subject.pipeline.nodes:
        for tag in node.tags:
            nodes.setdefault(tag, []).append(node.name)
    for tag, tagged in nodes.items():
        meant = _meant(tag)
        if meant:
            yield Finding(
                code="unknown-tag",
                severity="warning",
                where=f"tag {tag!r}",
                problem=f"It is on {listed(tagged)}, and is neither a group nor resources, though"
                " it looks like that.",
                consequence="It has no effect.",
                fix=f"Write {meant}, or take another name if it has nothing to do with Airflow.",
                pipeline=subject.pipeline.name,
            )


def _meant(tag: str) -> str | None:
    """What a tag should perhaps be, or None if it is one of the plugin's, or no matter of it."""
    if GROUP_TAG.fullmatch(tag) or RESOURCES_TAG.fullmatch(tag):
        return None
    resources = _LIKE_RESOURCES.fullmatch(tag)
    if resources:
        return repr(f"resources.{resources['name']}")
    ours = _LIKE_OURS.fullmatch(tag)
    if ours is None:
        return None
    group = _LIKE_GROUP.fullmatch(ours["rest"])
    if group:
        return repr(f"airflow-k8s.group.{group['name']}")
    return "'airflow-k8s.group.<name>' or 'resources.<entry>'"
