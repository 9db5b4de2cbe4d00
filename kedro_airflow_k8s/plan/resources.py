"""The resources of a pod that runs several nodes: enough for each of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from kedro_airflow_k8s.config.kubernetes import parse_quantity
from kedro_airflow_k8s.config.model import RESOURCES_DEFAULT
from kedro_airflow_k8s.config.pods import ResourcesConfig, Toleration
from kedro_airflow_k8s.config.wording import first_of
from kedro_airflow_k8s.errors import PlanError

CONTRADICTION_CODE = "resources-contradict"

_Amounts = Mapping[str, str]


def merge_resources(
    entries: Mapping[str, ResourcesConfig], used_by: Mapping[str, Sequence[str]]
) -> ResourcesConfig:
    """Merge the entries that the nodes of a task select into one.

    It has the largest amount of each resource, and all labels, annotations, node selectors and
    tolerations.

    Args:
        entries: `run_config.resources`. An entry that does not exist counts as empty.
        used_by: The entries that nodes of the task select, with the names of these nodes.

    Raises:
        PlanError: If entries have different values for a label, annotation or node selector.
    """
    used = {name: entries.get(name, ResourcesConfig()) for name in sorted(used_by)}
    problems: list[str] = []

    def united(kind: str, values: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
        found = {key: value for entry in values.values() for key, value in entry.items()}
        for key in found:
            given = {name: entry[key] for name, entry in values.items() if key in entry}
            if len(set(given.values())) > 1:
                problems.append(f"  {kind} {key!r} is {_values(given, used_by)}")
        return found

    labels = united("label", {name: entry.labels for name, entry in used.items()})
    annotations = united("annotation", {name: entry.annotations for name, entry in used.items()})
    selectors = {name: entry.node_selectors for name, entry in used.items()}
    node_selectors = united("node selector", selectors)
    if problems:
        raise PlanError(
            "Nodes that share a task select entries of run_config.resources that contradict each"
            " other:\n"
            + "".join(f"{problem}\n" for problem in problems)
            + "Use the same value in these entries, give the nodes the same tag for resources, or"
            " put them in different tasks (run_config.grouping, tags airflow-k8s.group.<name>).",
            code=CONTRADICTION_CODE,
        )
    amounts = [(entry.requests, entry.limits) for entry in used.values()]
    limits = _limits(amounts)
    return ResourcesConfig(
        node_selectors=node_selectors,
        labels=labels,
        annotations=annotations,
        tolerations=_tolerations(entry.tolerations for entry in used.values()),
        requests=_requests(amounts, limits),
        limits=limits,
    )


def _values(given: Mapping[str, str], used_by: Mapping[str, Sequence[str]]) -> str:
    """Return the values of a key, each with its entry and the nodes that select the entry."""
    texts = []
    for name, value in given.items():
        rest = f"all with the tag 'resources.{name}'"
        if name == RESOURCES_DEFAULT:
            rest = "all without a tag for resources"
        texts.append(f"{value!r} in entry {name!r} (for {first_of(used_by[name], rest)})")
    return ", but ".join(texts)


def _limits(amounts: Sequence[tuple[_Amounts, _Amounts]]) -> dict[str, str]:
    """Return the largest limit of each resource. No limit is larger than any, except of devices."""
    found = {}
    for name in dict.fromkeys(name for _, limits in amounts for name in limits):
        given = [limits[name] for _, limits in amounts if name in limits]
        if _is_shared(name):
            if len(given) == len(amounts):
                found[name] = _largest(given)
        else:
            found[name] = _largest(
                both[name]
                for both in ({**requests, **limits} for requests, limits in amounts)
                if name in both
            )
    return found


def _requests(
    amounts: Sequence[tuple[_Amounts, _Amounts]], limits: Mapping[str, str]
) -> dict[str, str]:
    """Return the largest request of each resource.

    Kubernetes uses a limit without a request as the request, too. If no entry has a request, the
    result needs none.
    """
    written = {name for requests, _ in amounts for name in requests}
    meant = [{**limits_, **requests} for requests, limits_ in amounts]
    return {
        name: _largest(both[name] for both in meant if name in both)
        for name in dict.fromkeys(name for both in meant for name in both)
        if name in written or name not in limits
    }


def _is_shared(resource: str) -> bool:
    """Return whether a pod without a limit may use any free amount of a resource.

    Of devices and huge pages it gets exactly its limit, so none without a limit.
    Source: Resource Management for Pods and Containers, Extended resources; Manage HugePages.
    """
    return "/" not in resource and not resource.startswith("hugepages-")


def _largest(amounts: Iterable[str]) -> str:
    """Return the largest quantity, of equal ones the first."""
    return max(amounts, key=parse_quantity)


def _tolerations(given: Iterable[Sequence[Toleration]]) -> tuple[Toleration, ...]:
    """Return each toleration once. Of two that differ only in seconds, keep the longer one.

    Kubernetes would use the first one.
    """
    found: dict[tuple[str | None, ...], Toleration] = {}
    for toleration in (toleration for tolerations in given for toleration in tolerations):
        key = (
            toleration.key,
            toleration.operator or "Equal",
            toleration.value or "",
            toleration.effect,
        )
        if key not in found or _stay(found[key]) < _stay(toleration):
            found[key] = toleration
    return tuple(found.values())


def _stay(toleration: Toleration) -> float:
    """Return the seconds until the pod is evicted; infinity if it is not."""
    seconds = toleration.toleration_seconds
    return float("inf") if seconds is None else seconds
