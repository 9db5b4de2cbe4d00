"""Things that have one name, and names that have one thing."""

from __future__ import annotations

import re
from collections.abc import Iterator

from kedro_airflow_k8s.checks.findings import Finding
from kedro_airflow_k8s.checks.local_paths import local_path
from kedro_airflow_k8s.checks.order import Order
from kedro_airflow_k8s.checks.subject import Subject
from kedro_airflow_k8s.config.wording import listed
from kedro_airflow_k8s.project.entities import stored_name

_HASHED = re.compile(r"(?P<name>.+)-[0-9a-f]{6,}")


def told_apart_by_hash(subject: Subject) -> Iterator[Finding]:
    """Tasks whose ids would be the same but for a hash at the end."""
    ids = set(subject.plan.task_ids)
    for task_id in list(ids):
        # A group's id is an id, too.
        parts = task_id.split(".")
        ids.update(".".join(parts[:end]) for end in range(1, len(parts)))
    for task in subject.plan.tasks:
        match = _HASHED.fullmatch(task.task_id)
        if match and match["name"] in ids:
            yield Finding(
                code="id-collision",
                severity="warning",
                where=f"task {task.task_id!r}",
                problem=f"It runs {listed(task.nodes)}, but its id would be {match['name']!r},"
                " which is taken; only the hash at the end tells them apart.",
                consequence="The run is none the worse, but people will mistake one for the other"
                " on Airflow's page.",
                fix="Rename one of them.",
                pipeline=subject.pipeline.name,
            )


def same_file(subject: Subject) -> Iterator[Finding]:
    """Datasets of different names in one place, of which one is written while the other is used."""
    places: dict[str, list[str]] = {}
    for name, entry in subject.catalog.items():
        if entry.path and not entry.in_memory:
            places.setdefault(local_path(entry.path) or entry.path, []).append(name)
    shared = [names for names in places.values() if len(names) > 1]
    if not shared:
        return
    order = Order(subject.plan.tasks)
    position = {n: i for i, task in enumerate(subject.plan.tasks) for n in task.nodes}
    makers = dict(subject.made.values())
    for names in shared:
        for output in (name for name in names if name in makers):
            for other in (name for name in names if name != output):
                users = [
                    n
                    for n, name in subject.read.get(stored_name(other), {}).items()
                    if name == other
                ]
                users += [makers[other]] if makers.get(other, output) > output else []
                pair = order.at_once([position[makers[output]]], [position[n] for n in users])
                if pair:
                    yield _race(subject, output, other, pair)


def _race(subject: Subject, output: str, other: str, pair: tuple[int, int]) -> Finding:
    first, second = (subject.plan.tasks[index].task_id for index in pair)
    return Finding(
        code="same-file",
        severity="warning",
        where=f"datasets {output!r} and {other!r}",
        problem=f"Both are stored at {subject.catalog[output].path}. Task {first!r} writes the one"
        f" and task {second!r} uses the other, and neither waits for the other.",
        consequence="They run at the same time, and it is a matter of luck what is read.",
        fix="Use one dataset for both, so that there is an order, or store them apart.",
        pipeline=subject.pipeline.name,
    )
