"""Checks of the tags by which nodes choose resources and a group."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator

from kedro_airflow_k8s.checks.findings import Finding
from kedro_airflow_k8s.checks.subject import Subject
from kedro_airflow_k8s.config.model import RESOURCES_DEFAULT, RunConfig
from kedro_airflow_k8s.config.tasks import RESOURCES_TAG
from kedro_airflow_k8s.config.wording import Nearest, listed
from kedro_airflow_k8s.plan.grouping import GROUP_TAG
from kedro_airflow_k8s.project.entities import PipelineNode

# Spellings that come close to those of the plugin.
_LIKE_OURS = re.compile(r"airflow[-_. :]?k8s(?P<rest>.*)", re.IGNORECASE | re.DOTALL)
_LIKE_GROUP = re.compile(r"[-_.:/= ]*groups?[-_.:/= ]+(?P<name>.*\S)\s*", re.IGNORECASE | re.DOTALL)
_LIKE_RESOURCES = re.compile(
    r"(?:airflow[-_. :]?k8s[-_.:/= ]*)?resources?[-_.:/= ]+(?P<name>.*\S)\s*",
    re.IGNORECASE | re.DOTALL,
)


def missing_resources(nodes: Iterable[PipelineNode], run: RunConfig) -> dict[str, list[str]]:
    """Return the entries that tags name and `run_config.resources` lacks, each with its nodes."""

    def missing(tag: str) -> str | None:
        match = RESOURCES_TAG.fullmatch(tag)
        name = match[1] if match else RESOURCES_DEFAULT
        return None if name in (RESOURCES_DEFAULT, *run.resources) else name

    return _tagged(nodes, missing)


def unknown_resources(missing: dict[str, list[str]], run: RunConfig) -> Iterator[Finding]:
    """Report the tags `resources.x` without an entry `x`, as `missing_resources` returns them."""
    nearest = Nearest(run.resources)
    for name, nodes in missing.items():
        yield Finding(
            code="unknown-resources",
            severity="error",
            where=f"tag 'resources.{name}'",
            problem=f"It is on {listed(nodes)}, but run_config.resources has no entry"
            f" {name!r}.{nearest.hint(name)}",
            consequence="The DAG cannot be compiled: the resources are undefined.",
            fix="Add the entry, or change the tag. Entries:"
            f" {', '.join(sorted(run.resources)) or 'none'}.",
        )


def unknown_tags(subject: Subject) -> Iterator[Finding]:
    """Find tags that look like those of the plugin and are not, each with all its nodes."""
    for tag, nodes in _tagged(subject.pipeline.nodes, lambda tag: tag).items():
        meant = _meant(tag)
        if meant:
            yield Finding(
                code="unknown-tag",
                severity="warning",
                where=f"tag {tag!r}",
                problem=f"It is on {listed(nodes)}. It looks like a tag for a group or resources,"
                " but is spelled differently.",
                consequence="It has no effect.",
                fix=f"Write {meant}, or use another name if the tag is not for Airflow.",
            )


def _tagged(
    nodes: Iterable[PipelineNode], key: Callable[[str], str | None]
) -> dict[str, list[str]]:
    """Return the names of nodes by a key of their tags; tags with the key None do not count."""
    found: dict[str, list[str]] = {}
    for node in nodes:
        for tag in node.tags:
            name = key(tag)
            if name is not None:
                found.setdefault(name, []).append(node.name)
    return found


def _meant(tag: str) -> str | None:
    """Return what a tag should perhaps be; None if it is one of the plugin's, or unlike them."""
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
