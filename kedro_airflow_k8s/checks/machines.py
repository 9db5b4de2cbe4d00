"""Pods that share a volume which only one machine, or only one pod, can mount."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import combinations

from kedro_airflow_k8s.checks.findings import Finding
from kedro_airflow_k8s.checks.order import Order
from kedro_airflow_k8s.checks.subject import Subject

_FIX = (
    "Give these entries of run_config.resources the same node_selectors, or set"
    " run_config.volume.access_modes to [ReadWriteMany] where the storage class offers it."
)


def split_claim(subject: Subject) -> Iterator[Finding]:
    """A volume that one machine mounts, and tasks that ask for different machines."""
    volume = subject.run.volume
    one_machine = {"ReadWriteOnce", "ReadWriteOncePod"}.issuperset(volume.access_modes)
    if volume.disabled or not (volume.keeps_pods_together or one_machine):
        return
    tasks = subject.plan.tasks
    users: dict[str, list[int]] = {}
    for index, task in enumerate(tasks):
        users.setdefault(task.resources, []).append(index)
    selectors = {
        entry: dict(subject.plan.pods.resources.get(entry, {}).get("node_selector", {}))
        for entry in users
    }
    pairs = [(a, b) for a, b in combinations(users, 2) if selectors[a] != selectors[b]]
    order = Order(tasks) if pairs else None
    for one, other in pairs:
        at_once = order.at_once(users[one], users[other]) if order else None
        finding = _difference(selectors[one], selectors[other], at_once is not None)
        if finding is None:
            continue
        severity, contrast = finding
        first, second = at_once or (users[one][0], users[other][0])
        together = (
            "These tasks can run at the same time, and the volume is on one machine only: the"
            " second pod waits for a machine until run_config.startup_time is over, and its task"
            " fails"
            if at_once
            else "These tasks run one after the other, so the volume has to move to another"
            " machine, which many disks can do only within their zone"
        )
        yield Finding(
            code="split-claim",
            severity="error" if severity else "warning",
            where=f"run_config.resources.{one} and run_config.resources.{other}",
            problem=f"Task {tasks[first].task_id!r} ({one}) and task {tasks[second].task_id!r}"
            f" ({other}) share a {' and '.join(volume.access_modes)} volume, but {contrast}.",
            consequence=together
            + ("." if severity or not at_once else ", if there is no machine that suits both."),
            fix=_FIX,
            pipeline=subject.pipeline.name,
        )


def _difference(
    one: Mapping[str, str], other: Mapping[str, str], at_once: bool
) -> tuple[bool, str] | None:
    """Whether no machine can suit both selectors, and how they differ; None if it is no matter."""
    for key in sorted(one.keys() & other.keys()):
        if one[key] != other[key]:
            return at_once, (
                f"their machines must have the label {key} as {one[key]!r} and as {other[key]!r}"
            )
    if not at_once:
        return None
    return False, f"their machines must have {_shown(one)} and {_shown(other)}"


def _shown(selector: Mapping[str, str]) -> str:
    return " and ".join(f"{key}={value}" for key, value in selector.items()) or "no label at all"


def read_write_once_pod(subject: Subject) -> Iterator[Finding]:
    """A volume that one pod mounts at a time, and tasks that could run at the same time."""
    volume = subject.run.volume
    if volume.disabled or "ReadWriteOncePod" not in volume.access_modes:
        return
    if not Order(subject.plan.tasks).is_chain:
        yield Finding(
            code="read-write-once-pod",
            severity="warning",
            where="run_config.volume.access_modes",
            problem="ReadWriteOncePod lets one pod at a time mount the volume, and tasks of this"
            " DAG can run at the same time.",
            consequence="The other pods wait; those that wait longer than run_config.startup_time"
            " fail.",
            fix="Take ReadWriteOnce, or ReadWriteMany where the storage class offers it, or let"
            " the nodes share a task (run_config.grouping: pipeline).",
            pipeline=subject.pipeline.name,
        )
