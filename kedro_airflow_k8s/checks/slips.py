"""Checks of settings that load and that no run notices: unused resources, waits, schedules."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from kedro_airflow_k8s.checks.findings import JSON_HAS_ALL, Finding
from kedro_airflow_k8s.config.model import RESOURCES_DEFAULT, RunConfig
from kedro_airflow_k8s.config.tasks import RESOURCES_TAG
from kedro_airflow_k8s.config.warnings import LIKE_DEFAULT
from kedro_airflow_k8s.config.wording import Nearest, counted, first_of
from kedro_airflow_k8s.plan.build import Plan
from kedro_airflow_k8s.project.entities import DEFAULT_PIPELINE
from kedro_airflow_k8s.project.nodes import NodeKey

# What other tools call the entry for all nodes.
_MEANS_DEFAULT = frozenset(("default", "all", "base", "common"))


def unused_resources(run: RunConfig, tags: Mapping[str, Iterable[str]]) -> Iterator[Finding]:
    """Find entries of `resources` that no node selects.

    Args:
        run: The configuration.
        tags: The tags of all nodes of all registered pipelines, by the node's name.
    """
    found = (RESOURCES_TAG.fullmatch(tag) for each in tags.values() for tag in each)
    used = {match[1] for match in found if match}
    for cluster in run.clusters.values():
        used.update(name for name in (cluster.resources, cluster.worker_resources) if name)
    nearest = Nearest(used - set(run.resources))
    for name in run.resources:
        # The checks of the configuration report a name that is nearly that of the default.
        if name in used or Nearest([RESOURCES_DEFAULT], LIKE_DEFAULT).find(name):
            continue
        if nearest.find(name) is not None:
            # A tag that means it has a slip, and is an error of its own.
            continue
        if name.lower() in _MEANS_DEFAULT:
            fix = f"Rename it to {RESOURCES_DEFAULT!r} if it is for all nodes without such a tag."
        elif name in tags:
            fix = f"Add the tag 'resources.{name}' to node {name!r}: names of nodes select nothing."
        else:
            fix = f"Add the tag 'resources.{name}' to the nodes, or remove the entry."
        yield Finding(
            code="unused-resources",
            severity="warning",
            where=f"run_config.resources.{name}",
            problem=f"No node of any pipeline has the tag 'resources.{name}'.",
            consequence="The entry has no effect: no pod gets these resources.",
            fix=fix,
        )


def scheduled_twice(
    nodes: Mapping[str, frozenset[NodeKey]], deployed: Collection[str]
) -> Iterator[Finding]:
    """Find nodes that the schedules of several pipelines run.

    Args:
        nodes: The nodes of each pipeline with a schedule, by the pipeline's name.
        deployed: The pipelines that are certainly DAGs of their own. A schedule in `run_config` is
            that of all pipelines, of which often only one is deployed.
    """
    names = sorted(nodes, key=lambda name: (name != DEFAULT_PIPELINE, name))
    for index, name in enumerate(names):
        others = [
            other
            for other in names[index + 1 :]
            if (name in deployed or other in deployed) and nodes[name] & nodes[other]
        ]
        if not others:
            continue
        shared = nodes[name] & frozenset[NodeKey]().union(*(nodes[other] for other in others))
        whole = counted(len(nodes[name]), "node")
        yield Finding(
            code="scheduled-twice",
            severity="warning",
            where=f"pipeline {name!r}",
            problem=f"{len(shared)} of its {whole} are also in other pipelines with a schedule:"
            f" {first_of(others, JSON_HAS_ALL)}.",
            consequence="Airflow runs these nodes in each of the DAGs, and one run overwrites the"
            " results of the other.",
            fix=f"Let one DAG run them. `enabled: false` below pipelines.{name} leaves the pipeline"
            " out of --all; `cron_expression:` without a value there removes its schedule.",
        )


def endless_waits(plans: Sequence[Plan]) -> Iterator[Finding]:
    """Find DAGs that wait for themselves, or for each other.

    Args:
        plans: The plans of the DAGs. A DAG that is not among them may wait for anything.
    """
    waits = {
        plan.dag_id: [sensor.dag_id for sensor in plan.sensors if not sensor.execution_delta]
        for plan in plans
    }
    reported: set[frozenset[str]] = set()
    for start in waits:
        cycle = cycle_through(start, waits)
        if not cycle or frozenset(cycle) in reported:
            continue
        reported.add(frozenset(cycle))
        itself = len(cycle) == 1
        shown = " -> ".join([*cycle, start])
        yield Finding(
            code="endless-wait",
            severity="error",
            where="run_config.external_dependencies",
            problem=f"DAG {start!r} waits for itself."
            if itself
            else f"These DAGs wait for each other: {shown}.",
            consequence="The run of a date waits for the end of the run of the same date. It never"
            " starts its work, and fails at the timeout.",
            fix="Remove the dependency, or set its execution_delta to wait for an earlier run. In"
            " run_config, the key applies to all pipelines: set it in `pipelines` for those that"
            " wait.",
        )


def cycle_through(start: str, waits: Mapping[str, Sequence[str]]) -> list[str]:
    """Return the DAGs of a cycle through a DAG, beginning with it; empty if there is none."""
    before: dict[str, str] = {}
    queue = [start]
    for dag in queue:
        for other in waits.get(dag, ()):
            if other == start:
                path = [dag]
                while path[-1] != start:
                    path.append(before[path[-1]])
                return path[::-1]
            if other not in before and other in waits:
                before[other] = dag
                queue.append(other)
    return []
