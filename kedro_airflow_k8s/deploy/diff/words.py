"""In words: what is different between two DAG files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from kedro_airflow_k8s.deploy.diff.summary import COMMIT, VERSION, DagSummary
from kedro_airflow_k8s.deploy.diff.task_words import task_changes
from kedro_airflow_k8s.deploy.diff.text_lines import Kind, Line, line
from kedro_airflow_k8s.deploy.diff.values import MISSING, differences, in_words, show

VOLUME = "volume of each run"
MARKS: Mapping[str, Kind] = {"+": "added", "-": "removed", "~": "changed"}


def changes(old: DagSummary, new: DagSummary) -> Iterator[Line]:
    """What changes from one DAG file to another, in sections; nothing if nothing does."""
    settings = list(_settings(old, new))
    sections = {
        "Tasks": list(task_changes(old, new)),
        "Settings": [in_words(*change) for change in settings],
        "Code of the file": list(_code(old, new)),
    }
    if [label for label, *_ in settings] == [COMMIT] and sum(map(len, sections.values())) == 1:
        _, before, after = settings[0]
        yield line("title", f"Only the commit differs: {show(before)} -> {show(after)}.")
        return
    for title, entries in sections.items():
        if entries:
            yield Line("title", f"{title}:")
            for entry in entries:
                yield line(MARKS.get(entry[0], "plain"), f"  {entry}")


def outline(dag: DagSummary) -> Iterator[Line]:
    """What a DAG is that is not there yet."""
    for label in ("schedule", "start date", "pipeline", "environment", "image"):
        yield line("added", f"  + {label}: {show(dag.settings.get(label))}")
    if dag.settings["volume"]:
        yield line("added", f"  + {VOLUME}: {_volume(dag.settings['volume'])}")


def _settings(old: DagSummary, new: DagSummary) -> Iterator[tuple[str, Any, Any]]:
    """Each setting that differs: its label, and what it was and will be."""
    before, after = dict(old.settings), dict(new.settings)
    volumes = before.pop("volume", {}), after.pop("volume", {})
    if volumes[0] and volumes[1]:
        before["volume"], after["volume"] = volumes
    elif any(volumes):
        was, will_be = (_volume(volume) if volume else MISSING for volume in volumes)
        yield VOLUME, was, will_be
    first = [label for label in (VERSION, COMMIT) if label in before and label in after]
    for settings in (before, after):
        rest = dict(settings)
        settings.clear()
        settings.update({label: rest.pop(label) for label in first}, **rest)
    for path, was, will_be in differences(before, after):
        # A file of another version may write a word that this one leaves out.
        empty = [value is MISSING or value in (None, [], {}) for value in (was, will_be)]
        if len(path) > 1 or not all(empty):
            yield _label(path), was, will_be


def _label(path: tuple[str, ...]) -> str:
    """`resources big: requests.cpu` for a path of four."""
    head, rest = path[:2], path[2:]
    if head[0] in ("volume", "pod"):
        head, rest = path[:1], path[1:]
    return " ".join(head) + (f": {'.'.join(rest)}" if rest else "")


def _volume(volume: Mapping[str, Any]) -> str:
    """A volume in few words."""
    parts = [volume.get(key) for key in ("size", "access modes", "storage class", "mount path")]
    return ", ".join(show(part) for part in parts if part)


def _code(old: DagSummary, new: DagSummary) -> Iterator[str]:
    """What changes of functions, classes and programs."""
    changed = [n for n, text in new.code.items() if n in old.code and old.code[n] != text]
    if changed:
        yield f"~ changed: {_some(changed)}"
    # Operators and functions come and go with the tasks that need them.
    made_by = [{step.name for step in dag.steps.values()} for dag in (old, new)]
    if made_by[0] == made_by[1] or old.settings[VERSION] != new.settings[VERSION]:
        added = [name for name in new.code if name not in old.code]
        gone = [name for name in old.code if name not in new.code]
        if added:
            yield f"+ new: {_some(added)}"
        if gone:
            yield f"- gone: {_some(gone)}"
    if sorted(old.rest) != sorted(new.rest):
        yield "~ statements of the file that are neither settings nor tasks"


def _some(names: list[str]) -> str:
    more = f" and {len(names) - 8} more" if len(names) > 8 else ""
    return ", ".join(names[:8]) + more
