"""What an upload of a DAG would change in the place where Airflow reads it."""

from __future__ import annotations

import ast
import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from rich.color import ColorSystem
from rich.console import Console
from rich.style import Style

from kedro_airflow_k8s.compile import CompiledDag
from kedro_airflow_k8s.config.own_names import LABEL_PREFIX
from kedro_airflow_k8s.upload import MAX_SIZE, StoredFile

OWN_TAGS = ("generated_with_kedro_airflow_k8s:", "commit_sha:", "fingerprint:")
"""Beginnings of the DAG's tags that say where its file comes from, not what it does."""

_COMMIT_LABEL = re.compile(rf", '{LABEL_PREFIX}commit': '[^']*'")

_LONG = 100
"""Characters of an old and a new value that are shown; of longer ones, that they differ."""

Kind = Literal["title", "added", "removed", "changed", "file", "hunk", "plain"]
_STYLES: dict[Kind, Style] = {
    "title": Style(bold=True),
    "added": Style(color="green"),
    "removed": Style(color="red"),
    "changed": Style(color="yellow"),
    "file": Style(bold=True),
    "hunk": Style(color="cyan"),
    "plain": Style(),
}


@dataclass(frozen=True)
class Line:
    """A line of a difference, and what it is, which decides its colour."""

    kind: Kind
    text: str


@dataclass(frozen=True)
class DagDiff:
    """What an upload of one DAG would change.

    Attributes:
        dag_id: The DAG.
        address: Where its file is, or would be.
        summary: A line for each change; nothing if the file there is the same, byte by byte.
        lines: A unified diff; nothing if the file is new, or cannot be compared line by line.
    """

    dag_id: str
    address: str
    summary: tuple[Line, ...]
    lines: tuple[Line, ...] = ()

    @property
    def same(self) -> bool:
        """Whether an upload would change nothing."""
        return not self.summary


@dataclass
class _Task:
    """A task: what it is made with, by argument, and the variables of the tasks before it."""

    arguments: dict[str, str]
    upstream: set[str] = field(default_factory=set)


@dataclass
class _Dag:
    """What a DAG file says: constants, functions and settings by name, and its tasks by id."""

    settings: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    tasks: dict[str, _Task] = field(default_factory=dict)
    ids: dict[str, str] = field(default_factory=dict)


def compare(dag: CompiledDag, stored: StoredFile) -> DagDiff:
    """Compare a DAG with what is in the place of its file, which may be any file.

    Args:
        dag: The DAG as it would be uploaded.
        stored: The file at the destination.
    """
    title = Line("title", f"DAG {dag.dag_id} would change in {stored.address}.")
    if stored.size is None:
        count = len(dag.task_ids)
        tasks = f"{count} task{'' if count == 1 else 's'}"
        text = f"New DAG {dag.dag_id} with {tasks}: {stored.address} is not there yet."
        return DagDiff(dag.dag_id, stored.address, (Line("title", text),))
    if stored.data is None:
        reason = f"has {stored.size} bytes, more than the {MAX_SIZE} that are compared"
        return DagDiff(dag.dag_id, stored.address, (title, _unread(reason)))
    if stored.data == dag.source.encode():
        return DagDiff(dag.dag_id, stored.address, ())
    if b"\0" in stored.data:
        return DagDiff(dag.dag_id, stored.address, (title, _unread("is not a text file")))
    old = stored.data.decode(errors="backslashreplace")
    lines = tuple(_unified(old, dag.source, stored.address))
    try:
        before = _read(old)
    except (SyntaxError, ValueError, RecursionError) as error:
        return DagDiff(
            dag.dag_id, stored.address, (title, _unread(f"is not a DAG: {error}")), lines
        )
    return DagDiff(dag.dag_id, stored.address, (title, *_summary(before, _read(dag.source))), lines)


def show(diffs: Sequence[DagDiff], console: Console) -> None:
    """Write differences, in colours on a terminal; lines are neither folded nor cut."""
    coloured = console.is_terminal and console.color_system is not None and not console.no_color
    # `Console.print` takes minutes for what a large file has.
    system = ColorSystem.STANDARD if coloured else None
    blank = Line("plain", "")
    for number, diff in enumerate(diffs):
        gap = [blank] if number else []
        for line in (*gap, *diff.summary, *([blank] if diff.lines else []), *diff.lines):
            console.file.write(f"{_STYLES[line.kind].render(line.text, color_system=system)}\n")


def _unread(reason: str) -> Line:
    return Line("removed", f"The file there {reason}. The upload replaces it.")


def _unified(old: str, new: str, address: str) -> Iterator[Line]:
    """Yield the unified diff of two texts."""
    kinds: dict[str, Kind] = {"+": "added", "-": "removed", "@": "hunk"}
    found = difflib.unified_diff(old.splitlines(), new.splitlines(), address, "new", lineterm="")
    for number, line in enumerate(found):
        yield Line("file" if number < 2 else kinds.get(line[:1], "plain"), line)


def _summary(old: _Dag, new: _Dag) -> list[Line]:
    """Return a line for each task and each setting that differs."""
    tasks = list(_task_lines(old, new))
    settings = list(_changes(old.settings, new.settings))
    found = [
        *([Line("plain", "Tasks:"), *tasks] if tasks else []),
        *([Line("plain", "Settings:"), *settings] if settings else []),
    ]
    if found:
        return found
    origin = [f"{key} {old.tags.get(key)} -> {value}" for key, value in new.tags.items()
              if key != "fingerprint" and old.tags.get(key) != value]  # fmt: skip
    if origin:
        return [Line("plain", f"Only its origin differs: {', '.join(origin)}.")]
    return [Line("plain", "Only comments, layout or the order of statements differ.")]


def _task_lines(old: _Dag, new: _Dag) -> Iterator[Line]:
    for task_id in dict.fromkeys((*old.tasks, *new.tasks)):
        before, after = old.tasks.get(task_id), new.tasks.get(task_id)
        if before is None:
            yield Line("added", f"  + {task_id}")
        elif after is None:
            yield Line("removed", f"  - {task_id}")
        else:
            was, now = dict(before.arguments), dict(after.arguments)
            was["runs after"] = _upstream(before, old)
            now["runs after"] = _upstream(after, new)
            changes = [_change(key, was.get(key), now.get(key)) for key in {**was, **now}]
            told = ", ".join(change for change in changes if change)
            if told:
                yield Line("changed", f"  ~ {task_id}: {told}")


def _upstream(task: _Task, dag: _Dag) -> str:
    return ", ".join(sorted(dag.ids.get(name, name) for name in task.upstream)) or "nothing"


def _changes(old: Mapping[str, str], new: Mapping[str, str]) -> Iterator[Line]:
    for key in dict.fromkeys((*old, *new)):
        if key not in old:
            yield Line("added", f"  + {key}{_short(new[key])}")
        elif key not in new:
            yield Line("removed", f"  - {key}")
        elif change := _change(key, old[key], new[key]):
            yield Line("changed", f"  ~ {change}")


def _change(key: str, old: str | None, new: str | None) -> str:
    """Return how a value has changed; empty if it has not."""
    if old == new:
        return ""
    if old is None or new is None:
        return f"{key} is {'gone' if new is None else 'new'}"
    if len(old) + len(new) > _LONG or "\n" in old + new:
        return f"{key} differs"
    return f"{key}: {old} -> {new}"


def _short(value: str) -> str:
    return f": {value}" if len(value) <= _LONG and "\n" not in value else ""


def _read(source: str) -> _Dag:
    """Read a DAG file without running it.

    Raises:
        SyntaxError: If it is not Python.
        ValueError: If it has no `with DAG(...)`.
    """
    dag, block = _Dag(), None
    for statement in ast.parse(source).body:
        call = _dag_call(statement)
        if call is not None and isinstance(statement, ast.With):
            block = statement
            _read_keywords(call, dag)
        elif isinstance(statement, ast.FunctionDef | ast.ClassDef):
            dag.settings[f"code of {statement.name}"] = ast.unparse(statement)
        elif isinstance(statement, ast.Assign | ast.AnnAssign) and statement.value is not None:
            target = (
                statement.target if isinstance(statement, ast.AnnAssign) else statement.targets[0]
            )
            _read_value(ast.unparse(target), statement.value, dag.settings)
    if block is None:
        raise ValueError("it has no `with DAG(...)`")
    for statement in block.body:
        _read_statement(statement, (), dag)
    return dag


def _dag_call(statement: ast.stmt) -> ast.Call | None:
    if isinstance(statement, ast.With):
        for item in statement.items:
            call = item.context_expr
            if isinstance(call, ast.Call) and ast.unparse(call.func).split(".")[-1] == "DAG":
                return call
    return None


def _read_keywords(call: ast.Call, dag: _Dag) -> None:
    """Read the settings of the DAG; what it says of its own text is none."""
    for keyword in call.keywords:
        if keyword.arg == "tags" and isinstance(keyword.value, ast.List):
            texts = [n.value for n in keyword.value.elts if isinstance(n, ast.Constant)]
            own = [str(text) for text in texts if str(text).startswith(OWN_TAGS)]
            dag.tags = dict(text.split(":", 1) for text in own)
            dag.settings["tags"] = repr([text for text in texts if text not in own])
        elif keyword.arg != "doc_md":
            _read_value(keyword.arg or "**", keyword.value, dag.settings)


def _read_value(name: str, value: ast.expr, settings: dict[str, str]) -> None:
    """Read a value; of a mapping, each of its entries."""
    if isinstance(value, ast.Dict):
        for key, entry in zip(value.keys, value.values, strict=True):
            shown = ast.literal_eval(key) if isinstance(key, ast.Constant) else "**"
            settings[f"{name}.{shown!s}"] = _COMMIT_LABEL.sub("", ast.unparse(entry))
    else:
        settings[name] = _COMMIT_LABEL.sub("", ast.unparse(value))


def _read_statement(statement: ast.stmt, groups: tuple[str, ...], dag: _Dag) -> None:
    """Read a task, an order of tasks, or a group of them."""
    if isinstance(statement, ast.With):
        labels = [_label(item.context_expr, "") for item in statement.items]
        for inner in statement.body:
            _read_statement(inner, (*groups, *labels), dag)
    elif isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name):
        name, value = statement.targets[0].id, statement.value
        if isinstance(value, ast.Call):
            task_id = ".".join((*groups, _label(value, name)))
            dag.ids[name] = task_id
            dag.tasks[task_id] = _Task(_arguments(value))
        else:
            dag.settings[name] = ast.unparse(value)
    elif isinstance(statement, ast.Expr):
        _read_edges(statement.value, dag)


def _label(call: ast.expr, name: str) -> str:
    """Return the id in its group: `task_id` or `group_id`, else the end of the first argument."""
    while isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute):
        call = call.func.value  # What is called on a task just made.
    if isinstance(call, ast.Call):
        for keyword in call.keywords:
            if keyword.arg in ("task_id", "group_id") and isinstance(keyword.value, ast.Constant):
                return str(keyword.value.value)
        if call.args and isinstance(call.args[0], ast.Constant):
            return str(call.args[0].value).rpartition(".")[2]
    return name


def _arguments(call: ast.Call) -> dict[str, str]:
    found: dict[str, str] = {}
    if isinstance(call.func, ast.Attribute) and isinstance(call.func.value, ast.Call):
        found |= _arguments(call.func.value)
        found[call.func.attr] = ", ".join(map(ast.unparse, (*call.args, *call.keywords)))
        return found
    found["made by"] = ast.unparse(call.func)
    found |= {f"argument {number}": ast.unparse(arg) for number, arg in enumerate(call.args, 1)}
    for keyword in call.keywords:
        _read_value(keyword.arg or "**", keyword.value, found)
    return found


def _read_edges(value: ast.expr, dag: _Dag) -> list[str]:
    """Read `a >> [b, c] >> d` into the tasks; return the variables at its end."""
    if isinstance(value, ast.BinOp) and isinstance(value.op, ast.RShift):
        before, after = _read_edges(value.left, dag), _read_edges(value.right, dag)
        for name in after:
            if dag.ids.get(name) in dag.tasks:
                dag.tasks[dag.ids[name]].upstream.update(before)
        return after
    if isinstance(value, ast.List | ast.Tuple):
        return [name for element in value.elts for name in _read_edges(element, dag)]
    return [ast.unparse(value)]
