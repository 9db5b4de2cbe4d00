"""Checks of settings that load and that no run notices: unused resources, waits without an end."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from kedro_airflow_k8s.checks.findings import Finding
from kedro_airflow_k8s.config.model import RESOURCES_DEFAULT, RunConfig
from kedro_airflow_k8s.config.tasks import RESOURCES_TAG
from kedro_airflow_k8s.config.warnings import LIKE_DEFAULT
from kedro_airflow_k8s.config.wording import Nearest
from kedro_airflow_k8s.plan.build import Plan

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
        cycle = _cycle(start, waits)
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


def _cycle(start: str, waits: Mapping[str, Sequence[str]]) -> list[str]:
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
