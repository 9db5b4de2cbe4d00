"""What an upload of a DAG would change in the place where Airflow reads it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from kedro_airflow_k8s.compile import CompiledDag
from kedro_airflow_k8s.deploy.diff.reading import summarise
from kedro_airflow_k8s.deploy.diff.summary import NotUnderstood
from kedro_airflow_k8s.deploy.diff.text_lines import Line, line, unified_diff
from kedro_airflow_k8s.deploy.diff.words import changes, outline
from kedro_airflow_k8s.upload import MAX_SIZE, StoredFile

__all__ = ["DagDiff", "Line", "compare"]

LONG = 1_000_000
"""Characters of a file that are read in any case. What Python reads takes 500 times the room."""


@dataclass(frozen=True)
class DagDiff:
    """What an upload of one DAG would change.

    Attributes:
        dag_id: The DAG.
        address: Where its file is, or would be.
        words: What would change, in words; nothing if the file there is the same, byte by byte.
        lines: A unified diff; nothing if the file is new, or cannot be compared line by line.
    """

    dag_id: str
    address: str
    words: tuple[Line, ...]
    lines: tuple[Line, ...]

    @property
    def same(self) -> bool:
        """Whether an upload would change nothing."""
        return not self.words


def compare(dag: CompiledDag, stored: StoredFile) -> DagDiff:
    """Compare a DAG with what is in the place of its file.

    No text is too strange: what is not a DAG of this plugin is compared as text, and what is no
    text is said to be none.
    """
    source = dag.source.encode()
    words: list[Line] = []
    lines: tuple[Line, ...] = ()
    if stored.size is None:
        tasks = f"{len(dag.task_ids)} task{'s' if len(dag.task_ids) != 1 else ''}"
        words = [
            line("title", f"New DAG {dag.dag_id} with {tasks}: {stored.address} is not there yet."),
            *_new(dag),
        ]
    elif stored.data is None:
        words = _replaced(
            dag, stored, f"has {stored.size} bytes, more than the {MAX_SIZE} that are compared"
        )
    elif stored.data != source:
        words, lines = _compared(dag, stored, stored.data)
    return DagDiff(dag.dag_id, stored.address, tuple(words), lines)


def _new(dag: CompiledDag) -> Iterator[Line]:
    try:
        yield from outline(summarise(dag.source))
    except NotUnderstood:
        return


def _compared(
    dag: CompiledDag, stored: StoredFile, data: bytes
) -> tuple[list[Line], tuple[Line, ...]]:
    """The words and the lines for a file that holds something else."""
    if b"\0" in data:
        return _replaced(dag, stored, "is no text"), ()
    title = line("title", f"DAG {dag.dag_id} would change in {stored.address}.")
    text = data.decode(errors="backslashreplace")
    old = re.sub("\r\n?", "\n", text)
    notes = []
    if old != text:
        notes.append(
            Line(
                "plain",
                "Its lines end as on Windows (\\r\\n) or old Macs (\\r), the new ones in \\n.",
            )
        )
    if old == dag.source:
        return [title, *notes, Line("plain", "All else is the same.")], ()
    lines = tuple(unified_diff(old, dag.source, stored.address, "new"))
    if not _is_utf8(data):
        return [*_replaced(dag, stored, "is not UTF-8"), *notes], lines
    if len(old) > max(LONG, 4 * len(dag.source)):
        return [*_replaced(dag, stored, "is far longer than the new one"), *notes], lines
    try:
        before, after = summarise(old), summarise(dag.source)
    except NotUnderstood as reason:
        return [*_replaced(dag, stored, f"{reason}"), *notes], lines
    if before.dag_id != dag.dag_id:
        notes.append(
            line("removed", f"The file there is of DAG {before.dag_id}, which Airflow would lose.")
        )
    found = list(changes(before, after)) or [_nothing_said(old, dag.source)]
    return [title, *notes, *found], lines


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def _replaced(dag: CompiledDag, stored: StoredFile, reason: str) -> list[Line]:
    return [
        line("title", f"DAG {dag.dag_id} would replace {stored.address}."),
        line("removed", f"The file there {reason}, so no single changes can be told."),
    ]


def _nothing_said(old: str, new: str) -> Line:
    """What to say where two texts say the same."""
    tag = r"fingerprint:\w+"
    if re.sub(tag, "", old) == re.sub(tag, "", new):
        return Line("plain", "Only the fingerprint of the text differs.")
    return Line("plain", "Only comments, layout or the order of statements differ.")
