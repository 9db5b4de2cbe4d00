"""Differences on a terminal in colours, elsewhere as plain lines."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from rich.console import Console
from rich.text import Text

from kedro_airflow_k8s.dag_diff import DagDiff, Line

STYLES = {
    "title": "bold",
    "added": "green",
    "removed": "red",
    "changed": "yellow",
    "file": "bold",
    "hunk": "cyan",
    "plain": "",
}


def show(diffs: Sequence[DagDiff], console: Console) -> None:
    """Write the differences, without a pager; lines are never folded nor cut."""
    if not console.is_terminal:
        console.file.writelines(f"{line.text}\n" for line in _lines(diffs))
        return
    for line in _lines(diffs):
        console.print(Text(line.text, style=STYLES[line.kind]), soft_wrap=True)


def _lines(diffs: Iterable[DagDiff]) -> Iterator[Line]:
    """All lines, with an empty one between words, diffs and DAGs."""
    blank = Line("plain", "")
    for number, diff in enumerate(diffs):
        if number:
            yield blank
        yield from diff.words
        if diff.lines:
            yield blank
            yield from diff.lines
