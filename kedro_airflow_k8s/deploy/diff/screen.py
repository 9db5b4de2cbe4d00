"""Differences on a terminal in colours, elsewhere as plain lines."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from rich.color import ColorSystem
from rich.console import Console
from rich.style import Style

from kedro_airflow_k8s.deploy.diff import DagDiff, Line

STYLES = {
    "title": Style(bold=True),
    "added": Style(color="green"),
    "removed": Style(color="red"),
    "changed": Style(color="yellow"),
    "file": Style(bold=True),
    "hunk": Style(color="cyan"),
    "plain": Style(),
}


def show(diffs: Sequence[DagDiff], console: Console) -> None:
    """Write the differences, without a pager; lines are never folded nor cut."""
    coloured = console.is_terminal and console.color_system is not None and not console.no_color
    # `Console.print` takes minutes for what a large file of somebody else's has.
    system = ColorSystem.STANDARD if coloured else None
    for line in _lines(diffs):
        style = STYLES[line.kind]
        console.file.write(f"{style.render(line.text, color_system=system)}\n")


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
