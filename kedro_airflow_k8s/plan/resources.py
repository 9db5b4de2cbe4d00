"""The resources of a pod that runs several nodes: enough for each of them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from pydantic import ValidationError

from kedro_airflow_k8s.config.errors import problem_texts
from kedro_airflow_k8s.config.kubernetes import parse_quantity
from kedro_airflow_k8s.config.model import RESOURCES_DEFAULT
from kedro_airflow_k8s.config.pods import ResourcesConfig, Toleration
from kedro_airflow_k8s.config.section import Section
from kedro_airflow_k8s.config.tasks import OnOom
from kedro_airflow_k8s.config.wording import first_of
from kedro_airflow_k8s.errors import PlanError

CONTRADICTION_CODE = "resources-contradict"

_Amounts = Mapping[str, str]


def merge_resources(
    entries: Mapping[str, ResourcesConfig], used_by: Mapping[str, Sequence[str]]
) -> ResourcesConfig:
    """Merge the settings that the nodes of a task select into those of one pod.

    It has the largest amounts and times, and all that any of them has. A setting that some of them
    do not have counts for all.

    Args:
        entries: The settings by the name of their entry.
        used_by: The entries that nodes of the task select, with the names of these nodes.

    Raises:
        PlanError: If entries have different values of which a pod or task can have only one.
    """
    used = {name: entries.get(name, ResourcesConfig()) for name in sorted(used_by)}
    merger = _Merger(used, used_by)
    found = {name: merger.merged(name) for name in ResourcesConfig.model_fields if name not in _OWN}
    amounts = [(entry.requests, entry.limits) for entry in used.values()]
    found["limits"] = _limits(amounts)
    found["requests"] = _requests(amounts, found["limits"])
    found["tolerations"] = _tolerations(entry.tolerations for entry in used.values())
    problems = merger.problems
    if not problems:
        try:
            return ResourcesConfig(**found)
        except ValidationError as error:
            problems = [f"  {text}" for text in problem_texts(error)]
    raise PlanError(
        "Nodes that share a task select entries of run_config.resources that contradict each"
        " other:\n"
        + "".join(f"{problem}\n" for problem in problems)
        + "Use the same value in these entries, give the nodes the same tag for resources, or"
        " put them in different tasks (run_config.grouping, tags airflow-k8s.group.<name>).",
        code=CONTRADICTION_CODE,
    )


_OWN = frozenset(("requests", "limits", "tolerations"))
_NAMES = {
    "labels": "label",
    "annotations": "annotation",
    "node_selectors": "node selector",
    "env_vars": "variable",
    "volumes": "volume",
}
"""What one entry of a mapping is called in a message."""

_LARGEST = frozenset(
    (
        *("startup_time", "schedule_timeout", "retries", "retry_delay", "max_retry_delay"),
        *("pool_slots", "priority_weight", "termination_grace_period", "on_eviction"),
    )
)
_LONGEST = frozenset(("execution_timeout", "active_deadline"))
"""Limits: a pod has none if one of its nodes has none."""

_SMALLEST = frozenset(("max_active_tis_per_dag", "poll_interval"))
_ANY = frozenset(("keep_failed_pods", "retry_exponential_backoff"))


class _Merger:
    """The values of each setting, merged.

    Attributes:
        problems: The values that contradict each other, a line each.
    """

    def __init__(
        self, used: Mapping[str, ResourcesConfig], used_by: Mapping[str, Sequence[str]]
    ) -> None:
        self.problems: list[str] = []
        self._used = used
        self._used_by = used_by

    def merged(self, name: str) -> Any:
        """Return the value of a setting for all entries."""
        every = {entry: getattr(settings, name) for entry, settings in self._used.items()}
        # An empty value, or none, leaves the setting to the others.
        given = {entry: value for entry, value in every.items() if not _is_unset(name, value)}
        if not given:
            return next(iter(every.values()))
        if name in _NAMES:
            return self._united(_NAMES[name], given)
        if name in _LONGEST:
            return max(given.values()) if len(given) == len(every) else None
        if name in _LARGEST:
            return max(given.values())
        if name in _SMALLEST:
            return min(given.values())
        if name in _ANY:
            return True
        if name == "shared_memory":
            return _largest(given.values())
        if name == "on_oom":
            return _most_memory(given.values())
        if isinstance(next(iter(given.values())), tuple):
            return self._listed(name, given)
        return self._same(name, given)

    def _united(self, kind: str, values: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
        found = {key: value for entry in values.values() for key, value in entry.items()}
        for key in found:
            self._same(f"{kind} {key!r}", {e: v[key] for e, v in values.items() if key in v})
        return found

    def _listed(self, name: str, values: Mapping[str, tuple[Any, ...]]) -> tuple[Any, ...]:
        """Return each item once. Containers of one name must be equal."""
        found: list[Any] = []
        for item in (item for items in values.values() for item in items):
            if item not in found:
                found.append(item)
        names = [item["name"] for item in found if isinstance(item, dict) and "name" in item]
        for twin in sorted({each for each in names if names.count(each) > 1}):
            own = {
                entry: next(item for item in items if item.get("name") == twin)
                for entry, items in values.items()
                if any(item.get("name") == twin for item in items)
            }
            self._same(f"{name} {twin!r}", own)
        return tuple(found)

    def _same(self, kind: str, given: Mapping[str, Any]) -> Any:
        values = list(given.values())
        if any(value != values[0] for value in values):
            self.problems.append(f"  {kind} is {_values(given, self._used_by)}")
        return values[0]


def _is_unset(name: str, value: Any) -> bool:
    if isinstance(value, Section):
        return value == type(value)()
    if isinstance(value, bool | int):
        return value is False and (name in _ANY or name == "deferrable")
    return not value


def _values(given: Mapping[str, Any], used_by: Mapping[str, Sequence[str]]) -> str:
    """Return the values of a key, each with its entry and the nodes that select the entry."""
    texts = []
    for name, value in given.items():
        rest = f"all with the tag 'resources.{name}'"
        if name == RESOURCES_DEFAULT:
            rest = "all without a tag for resources"
        shown = value if isinstance(value, str | int) else _plain(value)
        texts.append(f"{shown!r} in entry {name!r} (for {first_of(used_by[name], rest)})")
    return ", but ".join(texts)


def _plain(value: Any) -> Any:
    return value.model_dump(exclude_defaults=True) if isinstance(value, Section) else value


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


def _most_memory(given: Iterable[OnOom]) -> OnOom:
    """Return the largest factor up to the largest size."""
    found = list(given)
    factor = max(each.factor for each in found)
    return OnOom(memory=f"x{factor}", up_to=_largest(each.up_to for each in found if each.up_to))


def memory_steps(on_oom: OnOom, amounts: Mapping[str, Mapping[str, str]], entry: str) -> list[str]:
    """Return the sizes of memory that are tried one after another when a pod ran out of it.

    Args:
        on_oom: The setting.
        amounts: The requests and the limits of the pod.
        entry: The name of the entry of `run_config.resources`, for messages.

    Raises:
        PlanError: If the pod has neither a limit nor a request of memory.
    """
    if on_oom.up_to is None:
        return []
    first = {**amounts.get("requests", {}), **amounts.get("limits", {})}.get("memory")
    if first is None:
        raise PlanError(
            f"run_config.resources.{entry}: on_oom needs a limit of memory, and there is none. Add"
            " `limits: {memory: ...}` to this entry, or remove on_oom."
        )
    size, most = parse_quantity(first), parse_quantity(on_oom.up_to)
    found = []
    while size < most:
        size = min(size * on_oom.factor, most)
        found.append(_memory(size))
    return found


def _memory(size: Decimal) -> str:
    """Return a size as text, in whole units of at least Mi, rounded up."""
    mebibytes = math.ceil(size / 2**20)
    return f"{mebibytes}Mi" if mebibytes % 1024 else f"{mebibytes // 1024}Gi"


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
