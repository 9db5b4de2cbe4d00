"""In words: what happens to the tasks of a DAG."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from kedro_airflow_k8s.config.model import RESOURCES_DEFAULT
from kedro_airflow_k8s.deploy.diff.summary import DagSummary, KedroTask
from kedro_airflow_k8s.deploy.diff.values import MISSING, differences, in_words, same, show

NAMED = 5
"""Names in one enumeration, then a number of others."""

TOGETHER = 3
"""So many tasks with the same change are told one by one; more are told together."""

LABELS = {"whole_pipeline": "runs the whole pipeline"}

ENDS = {"first": "the first tasks", "last": "the last tasks", "every": "all tasks of nodes"}


def task_changes(old: DagSummary, new: DagSummary) -> Iterator[str]:
    """What happens to the tasks, each in a line with `+`, `-` or `~` before it."""
    renamed = _renamed(old.tasks, new.tasks)
    stay = {task_id: task_id for task_id in old.tasks if task_id in new.tasks} | renamed
    yield from _new_and_gone(old, new, stay)
    phrases: dict[tuple[str, ...], list[str]] = {}
    upstream = old.upstream(), new.upstream()
    pipelines = old.settings.get("pipeline"), new.settings.get("pipeline")
    for before, after in stay.items():
        waits = [stay.get(name, name) for name in upstream[0][before]], upstream[1][after]
        found = [f"was {before} until now"] if before != after else []
        found += _changes(old.tasks[before], new.tasks[after], pipelines)
        found += _lists(waits[0], waits[1], "now waits for", "no longer waits for")
        if found:
            phrases.setdefault(tuple(found), []).append(after)
    for changes, tasks in phrases.items():
        if len(tasks) > TOGETHER:
            yield f"~ {len(tasks)} tasks: {'; '.join(changes)} ({_some(tasks)})"
        else:
            yield from (f"~ {task}: {'; '.join(changes)}" for task in tasks)
    yield from _steps(old, new)
    if not (phrases or old.tasks.keys() ^ new.tasks.keys()) and list(old.tasks) != list(new.tasks):
        yield "~ the tasks stand in another order in the file; they run as before"


def _renamed(old: Mapping[str, KedroTask], new: Mapping[str, KedroTask]) -> dict[str, str]:
    """The ids of tasks that run the same nodes as before under another id."""
    by_nodes: dict[tuple[str, ...], list[str]] = {}
    for task_id, task in new.items():
        if task_id not in old:
            by_nodes.setdefault(tuple(task.nodes), []).append(task_id)
    found: dict[str, str] = {}
    for task_id, task in old.items():
        if task_id not in new and task.nodes and by_nodes.get(tuple(task.nodes)):
            found[task_id] = by_nodes[tuple(task.nodes)].pop(0)
    return found


def _new_and_gone(old: DagSummary, new: DagSummary, stay: Mapping[str, str]) -> Iterator[str]:
    was_in = {node: task_id for task_id, task in old.tasks.items() for node in task.nodes}
    is_in = {node: task_id for task_id, task in new.tasks.items() for node in task.nodes}
    upstream, known = new.upstream(), set(stay.values())
    for task_id, task in new.tasks.items():
        if task_id not in known:
            text = f"+ {task_id}: runs {_nodes(task)}{_elsewhere(task, was_in, 'until now in')}"
            if upstream[task_id]:
                text += f"; waits for {_some(upstream[task_id])}"
            if "resources" in task.others:
                text += f"; resources {show(task.others['resources'])}"
            yield text
    for task_id, task in old.tasks.items():
        if task_id not in stay:
            yield f"- {task_id}: ran {_nodes(task)}{_elsewhere(task, is_in, 'from now on in')}"


def _elsewhere(task: KedroTask, tasks: Mapping[str, str], words: str) -> str:
    """Which tasks run its nodes in the other DAG."""
    found = list(dict.fromkeys(tasks[node] for node in task.nodes if node in tasks))
    return f" ({words} {_some(found)})" if found else ""


def _nodes(task: KedroTask) -> str:
    return f"node{'s' if task.nodes[1:] else ''} {_some(task.nodes)}"


def _changes(old: KedroTask, new: KedroTask, pipelines: tuple[object, object]) -> Iterator[str]:
    """What happens to one task; pipelines has those of tasks that name none."""
    yield from _lists(old.nodes, new.nodes, "now also runs", "no longer runs", "its nodes")
    yield from _lists(old.inputs, new.inputs, "now reads", "no longer reads", "its inputs")
    yield from _lists(old.outputs, new.outputs, "now makes", "no longer makes", "its outputs")
    defaults = {
        "resources": (RESOURCES_DEFAULT, RESOURCES_DEFAULT),
        "pipeline": pipelines,
    }
    for path, *values in differences(old.others, new.others):
        name = ".".join(path)
        if name == "doc":
            yield "other documentation"
        elif name != "argument" or old.nodes == new.nodes:  # It has their names, escaped.
            before, after = (
                default if value is MISSING else value
                for value, default in zip(values, defaults.get(name, (None, None)), strict=True)
            )
            if not same(before, after):
                yield in_words(LABELS.get(name, name), before, after)[2:]


def _lists(
    old: list[str], new: list[str], more: str, less: str, what: str | None = None
) -> Iterator[str]:
    before, after = set(old), set(new)
    added = [name for name in dict.fromkeys(new) if name not in before]
    gone = [name for name in dict.fromkeys(old) if name not in after]
    if added:
        yield f"{more} {_some(added)}"
    if gone:
        yield f"{less} {_some(gone)}"
    if what and not added and not gone and old != new:
        yield f"{what} in another order"


def _steps(old: DagSummary, new: DagSummary) -> Iterator[str]:
    """What happens to the tasks around those of nodes."""
    for task_id, step in new.steps.items():
        if task_id not in old.steps:
            yield f"+ {task_id}{_purpose(step.name, step.arguments)}"
    for task_id, step in old.steps.items():
        if task_id not in new.steps:
            yield f"- {task_id}{_purpose(step.name, step.arguments)}"
            continue
        for path, before, after in differences(step, new.steps[task_id]):
            text = in_words(".".join(path) or "how it is made", before, after)
            yield f"{text[0]} {task_id}: {text[2:]}"
    if old.steps.keys() == new.steps.keys():
        for pair in [pair for pair in new.order if pair not in old.order]:
            yield f"+ {ENDS.get(pair[1], pair[1])} wait for {ENDS.get(pair[0], pair[0])}"
        for pair in [pair for pair in old.order if pair not in new.order]:
            yield f"- {ENDS.get(pair[1], pair[1])} wait for {ENDS.get(pair[0], pair[0])}"


def _purpose(name: str, arguments: Mapping[str, object]) -> str:
    if name != "ExternalTaskSensor":
        return ""
    task = arguments.get("external_task_id")
    of = f"task {show(task)} of " if task is not None else ""
    return f": waits for {of}DAG {show(arguments.get('external_dag_id'))}"


def _some(names: Iterable[str]) -> str:
    names = list(names)
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(show(name) for name in names[:NAMED]) + more
