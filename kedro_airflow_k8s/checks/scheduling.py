"""Checks of tasks: where their pods can run, at the same time or not, and what their ids are."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import combinations

from kedro_airflow_k8s.checks.findings import Finding
from kedro_airflow_k8s.checks.subject import Subject
from kedro_airflow_k8s.config.wording import listed

_HASHED = re.compile(r"(?P<name>.+)-[0-9a-f]{6,}")


def split_claim(subject: Subject) -> Iterator[Finding]:
    """Find tasks that need different machines and share a volume that one machine can mount."""
    volume = subject.run.volume
    one_machine = {"ReadWriteOnce", "ReadWriteOncePod"}.issuperset(volume.access_modes)
    if volume.disabled or not (volume.keeps_pods_together or one_machine):
        return
    users: dict[str, list[int]] = {}
    for index, task in enumerate(subject.plan.tasks):
        # A node that runs in the pod of others has what that pod has.
        if not task.pod:
            users.setdefault(task.resources, []).append(index)
    selectors: dict[str, Mapping[str, str]] = {
        entry: subject.plan.pods.resources.get(entry, {}).get("node_selector", {})
        for entry in users
    }
    for one, other in combinations(users, 2):
        if selectors[one] == selectors[other]:
            continue
        at_once = subject.order.at_once(users[one], users[other])
        label = _contradiction(selectors[one], selectors[other])
        if not at_once and not label:
            continue
        tasks = [subject.plan.tasks[i] for i in at_once or (users[one][0], users[other][0])]
        yield Finding(
            code="split-claim",
            severity="error" if at_once and label else "warning",
            where=f"run_config.resources.{one} and run_config.resources.{other}",
            problem=f"Task {tasks[0].task_id!r} ({one}) and task {tasks[1].task_id!r} ({other})"
            f" share a {' and '.join(volume.access_modes)} volume. Their machines must have"
            f" {label or f'{_shown(selectors[one])} and {_shown(selectors[other])}'}.",
            consequence=_consequence(at_once=bool(at_once), certain=bool(label)),
            fix="Give these entries of run_config.resources the same node_selectors, or set"
            " run_config.volume.access_modes to [ReadWriteMany] if the storage class offers it.",
        )


def _contradiction(one: Mapping[str, str], other: Mapping[str, str]) -> str | None:
    """Return the label of which no machine can have both values, or None if there is none."""
    for key in sorted(one.keys() & other.keys()):
        if one[key] != other[key]:
            return f"the label {key} as {one[key]!r} and as {other[key]!r}"
    return None


def _consequence(*, at_once: bool, certain: bool) -> str:
    if not at_once:
        return (
            "These tasks run one after the other, so the volume has to move to another machine,"
            " which many disks can do only within their zone."
        )
    return (
        "These tasks can run at the same time, and the volume is on one machine only: the second"
        " pod waits for a machine until its schedule_timeout (by default startup_time) is over, and"
        " its task fails"
        f"{'' if certain else ', unless a machine suits both'}."
    )


def _shown(selector: Mapping[str, str]) -> str:
    return " and ".join(f"{key}={value}" for key, value in selector.items()) or "any labels"


def read_write_once_pod(subject: Subject) -> Iterator[Finding]:
    """Find tasks that can run at the same time and share a volume that one pod can mount."""
    volume = subject.run.volume
    if volume.disabled or "ReadWriteOncePod" not in volume.access_modes:
        return
    if not subject.order.is_chain:
        yield Finding(
            code="read-write-once-pod",
            severity="warning",
            where="run_config.volume.access_modes",
            problem="ReadWriteOncePod lets only one pod mount the volume at a time. Tasks of this"
            " DAG can run at the same time.",
            consequence="The other pods wait; those that wait longer than schedule_timeout (by"
            " default startup_time) fail.",
            fix="Use ReadWriteOnce, or ReadWriteMany if the storage class offers it, or let the"
            " nodes share a task (run_config.grouping: pipeline).",
        )


def id_collisions(subject: Subject) -> Iterator[Finding]:
    """Find tasks whose ids differ from others only by a hash at the end."""
    ids = set(subject.plan.task_ids)
    for task_id in list(ids):
        # The id of a task group is an id, too.
        parts = task_id.split(".")
        ids.update(".".join(parts[:end]) for end in range(1, len(parts)))
    for task in subject.plan.tasks:
        match = _HASHED.fullmatch(task.task_id)
        if match and match["name"] in ids:
            yield Finding(
                code="id-collision",
                severity="warning",
                where=f"task {task.task_id!r}",
                problem=f"It runs {listed(task.nodes)}. Its id would be {match['name']!r}, which is"
                " taken, so it ends with a hash.",
                consequence="The run is unaffected, but the tasks are easy to confuse.",
                fix="Rename one of them.",
            )
