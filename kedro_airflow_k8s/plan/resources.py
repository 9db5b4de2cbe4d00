"""What the pod of a task of several nodes needs: enough for each of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from kedro_airflow_k8s.config.kubernetes import parse_quantity
from kedro_airflow_k8s.config.pods import ResourcesConfig, Toleration
from kedro_airflow_k8s.errors import PlanError

CONTRADICTION_CODE = "resources-contradict"

_SHOWN_NODES = 3
_Amounts = Mapping[str, str]


def merge_resources(
    entries: Mapping[str, ResourcesConfig], used_by: Mapping[str, Sequence[str]]
) -> ResourcesConfig:
    """One entry in place of those that the nodes of a task ask for.

    Of each resource it has the largest amount; of labels, annotations, node selectors and
    tolerations, all.

    Args:
        entries: `run_config.resources`. An entry that is not there asks for nothing.
        used_by: The entries that nodes of the task ask for, with the names of these nodes.

    Raises:
        PlanError: If entries give a label, annotation or node selector different values.
    """
    used = {name: entries.get(name, ResourcesConfig()) for name in sorted(used_by)}
    problems: list[str] = []

    def united(kind: str, values: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
        found = {key: value for entry in values.values() for key, value in entry.items()}
        for key in found:
            given = {name: entry[key] for name, entry in values.items() if key in entry}
            if len(set(given.values())) > 1:
                problems.append(f"  {kind} {key!r} is {_told(given, used_by)}")
        return found

    labels = united("label", {name: entry.labels for name, entry in used.items()})
    annotations = united("annotation", {name: entry.annotations for name, entry in used.items()})
    selectors = {name: entry.node_selectors for name, entry in used.items()}
    node_selectors = united("node selector", selectors)
    if problems:
        raise PlanError(
            "Nodes of one task ask for pods that contradict each other, by entries of"
            " run_config.resources in airflow-k8s.yaml:\n"
            + "".join(f"{problem}\n" for problem in problems)
            + "Write the same value in these entries, give the nodes one tag for resources, or put"
            " them in different tasks (run_config.grouping, tags airflow-k8s.group.<name>).",
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


def _told(given: Mapping[str, str], used_by: Mapping[str, Sequence[str]]) -> str:
    """The values of a key, each with the entry that has it and the nodes that ask for that."""
    told = []
    for name, value in given.items():
        nodes = ", ".join(map(repr, used_by[name][:_SHOWN_NODES]))
        if len(used_by[name]) > _SHOWN_NODES:
            nodes += f" and {len(used_by[name]) - _SHOWN_NODES} more"
        told.append(f"{value!r} in entry {name!r} (for {nodes})")
    return ", but ".join(told)


def _limits(amounts: Sequence[tuple[_Amounts, _Amounts]]) -> dict[str, str]:
    """Of each resource the largest limit. None is larger than any, except of a device."""
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
    """Of each resource the largest request.

    To Kubernetes a limit without a request is one too, and if all is so it need not be written.
    """
    written = {name for requests, _ in amounts for name in requests}
    meant = [{**limits_, **requests} for requests, limits_ in amounts]
    return {
        name: _largest(both[name] for both in meant if name in both)
        for name in dict.fromkeys(name for both in meant for name in both)
        if name in written or name not in limits
    }


def _is_shared(resource: str) -> bool:
    """Whether a pod without a limit may use what others have set aside.

    Of devices and huge pages it has exactly its limit, so without one nothing.
    Source: Resource Management for Pods and Containers, Extended resources; Manage HugePages.
    """
    return "/" not in resource and not resource.startswith("hugepages-")


def _largest(amounts: Iterable[str]) -> str:
    """The largest quantity, of equal ones the first."""
    return max(amounts, key=parse_quantity)


def _tolerations(given: Iterable[Sequence[Toleration]]) -> tuple[Toleration, ...]:
    """All of them once. Of two that differ in time only, the longer, as it is enough for both.

    Kubernetes would take the one that it finds first.
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
    """Seconds until the pod has to leave; infinite without any."""
    seconds = toleration.toleration_seconds
    return float("inf") if seconds is None else seconds
