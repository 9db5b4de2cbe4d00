"""A page about what tasks have used: a Gantt chart of a run, and the memory of each task.

It is one file without scripts, and it loads nothing.
"""

from __future__ import annotations

import base64
import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path

from kedro_airflow_k8s.airflow_api import AirflowClient, DagRun
from kedro_airflow_k8s.airflow_api.records import TaskInstance
from kedro_airflow_k8s.config.kubernetes import parse_quantity
from kedro_airflow_k8s.config.wording import counted
from kedro_airflow_k8s.dag.jinja import jinja_environment
from kedro_airflow_k8s.deploy.find import find_run, ordered, tasks_in_order
from kedro_airflow_k8s.deploy.usage import TaskUsage
from kedro_airflow_k8s.errors import OptionError
from kedro_airflow_k8s.pod.atomic import atomic_write
from kedro_airflow_k8s.terminal.task_table import in_words, state_text

_TEMPLATE, _STYLE = "usage_page.html.j2", "usage_page.css"
_MIB = 2**20
_NARROWEST = 0.3
"""Percent of a chart that the narrowest bar has."""
_MARGIN = 1.03
"""How much wider a chart of memory is than the largest value in it, so that its line is seen."""
_TIGHT = 0.9
"""The part of its memory limit from which on a task is near it."""
_MOST_TICKS = 6
_KINDS = {
    "success": "success",
    "failed": "failed",
    "upstream_failed": "upstream",
    "running": "running",
    "deferred": "running",
    "restarting": "running",
    "up_for_retry": "retry",
    "up_for_reschedule": "retry",
    "skipped": "skipped",
}


@dataclass(frozen=True)
class Bar:
    """A part of a chart. Places are percent of its width.

    Attributes:
        kind: How it looks, a class of the style.
        x: Where it begins.
        width: How wide it is.
    """

    kind: str
    x: float
    width: float


@dataclass(frozen=True)
class Line:
    """A line in a chart: how it looks or its text, and its place in percent."""

    kind: str
    x: float


@dataclass(frozen=True)
class TaskRow:
    """A task of the run: a row of the Gantt chart. Times are texts, empty if there are none.

    Attributes:
        task_id: Its id.
        state: Its state, with a mark.
        attempts: How often it has been started.
        queued: When it was queued.
        start: When its last attempt began.
        end: When its last attempt ended.
        took: How long the last attempt has taken so far.
        memory: The most memory at once that it has used in this run.
        bars: Its bars.
        words: The same in a sentence.
    """

    task_id: str
    state: str
    attempts: str
    queued: str
    start: str
    end: str
    took: str
    memory: str
    bars: tuple[Bar, ...]
    words: str


@dataclass(frozen=True)
class MemoryRow:
    """What a task has used over several runs.

    Attributes:
        task: The figures.
        peak: The most memory at once.
        part: The part of its limit, or else of its request, in words; empty if it has neither.
        bars: The bar of its peak; none if it has neither.
        lines: Its request and its limit.
        words: The same in a sentence.
    """

    task: TaskUsage
    peak: str
    part: str
    bars: tuple[Bar, ...]
    lines: tuple[Line, ...]
    words: str


@dataclass(frozen=True)
class UsagePage:
    """What a page shows.

    Attributes:
        dag_id: The DAG.
        run_id: The run of the Gantt chart.
        url: Its page in Airflow.
        summary: How it stands, in a sentence.
        made: When the page was made.
        ticks: The time axis.
        tasks: The tasks of the run, in the order in which they started.
        memory: What the tasks have used, in the order of the DAG.
    """

    dag_id: str
    run_id: str
    url: str
    summary: str
    made: str
    ticks: tuple[Line, ...]
    tasks: tuple[TaskRow, ...]
    memory: tuple[MemoryRow, ...]


def usage_page(
    client: AirflowClient,
    dag_id: str,
    run_id: str | None,
    usage: Sequence[TaskUsage],
    now: datetime,
) -> UsagePage:
    """Return what the page of a DAG shows.

    Args:
        client: Airflow.
        dag_id: The DAG.
        run_id: The run of the Gantt chart; None for the last one.
        usage: What its tasks have used.
        now: With a time zone: until then tasks that run have a bar.

    Raises:
        RunError: If Airflow has no such DAG or run.
        AirflowApiError: If Airflow cannot be asked.
    """
    run = find_run(client, dag_id, run_id)
    tasks = client.task_states(dag_id, run.run_id)
    order = ordered(tasks, tasks_in_order(client, dag_id))
    # Tasks without a start come last. The sort keeps the order of the DAG.
    order.sort(key=lambda task_id: tasks[task_id].start or datetime.max.replace(tzinfo=now.tzinfo))
    axis = _Axis(run, list(tasks.values()), now)
    peaks = {
        task.task_id: task.of_runs[run.run_id]["memory"]
        for task in usage
        if run.run_id in task.of_runs
    }
    return UsagePage(
        dag_id=dag_id,
        run_id=run.run_id,
        url=client.run_url(dag_id, run.run_id),
        summary=_summary(run, tasks, now),
        made=f"{now.astimezone(timezone.utc):%Y-%m-%d %H:%M:%S} UTC",
        ticks=tuple(axis.ticks()),
        tasks=tuple(_task_row(tasks[task_id], axis, peaks.get(task_id)) for task_id in order),
        memory=tuple(_memory_row(task) for task in usage),
    )


def as_html(page: UsagePage) -> str:
    """Return a page as HTML. Names of others are text in it, whatever they contain."""
    environment = jinja_environment("deploy", "", autoescape=True)
    style = environment.get_template(_STYLE).render()
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return environment.get_template(_TEMPLATE).render(page=page, style=_STYLE, digest=digest)


def check_place(file: Path) -> None:
    """Check that a page can be written to a file, before Airflow is asked for what it shows.

    Raises:
        OptionError: If its folder does not exist, or something else has its name.
    """
    if not file.parent.is_dir():
        raise OptionError(
            f"Cannot write to {file}: the folder {file.parent} does not exist. Create it, or choose"
            " another FILE for --html."
        )
    if file.exists() and not file.is_file():
        raise OptionError(
            f"Cannot write to {file}: it is not a regular file. Choose another FILE for --html."
        )


def write_page(file: Path, text: str) -> None:
    """Write a page to a file, whole or not at all.

    Raises:
        OptionError: If that failed.
    """
    try:
        with atomic_write(file) as opened:
            opened.write(text.encode("utf-8", "replace"))
    except OSError as error:
        raise OptionError(
            f"Cannot write to {file}: {error.strerror or error}. Ask for write access to its"
            " folder, or choose another FILE for --html."
        ) from error


class _Axis:
    """The time axis of a run: from the first moment that is known of it to the last."""

    def __init__(self, run: DagRun, tasks: Sequence[TaskInstance], now: datetime) -> None:
        self.now = now
        began = [run.start] + [moment for t in tasks for moment in (_queued(t), t.start)]
        ended = [run.end] + [t.end or (t.start and now) for t in tasks]
        self._first = min(filter(None, began), default=now)
        last = max(filter(None, ended), default=now)
        self._seconds = max((last - self._first).total_seconds(), 0.001)

    def bar(self, kind: str, start: datetime, end: datetime) -> Bar:
        """Return the bar of a span."""
        x = self._place(start)
        width = max(self._place(end) - x, _NARROWEST)
        return Bar(kind, round(min(x, 100 - _NARROWEST), 3), round(width, 3))

    def _place(self, moment: datetime) -> float:
        passed = (moment - self._first).total_seconds()
        return min(max(passed / self._seconds * 100, 0), 100)

    def ticks(self) -> Iterator[Line]:
        """Yield lines at round numbers of seconds since the first moment."""
        step = _step(self._seconds)
        for count in range(int(self._seconds / step) + 1):
            # The text of a line at the very end would not fit.
            if count * step < self._seconds * 0.9:
                yield Line(_round_time(count * step), round(count * step / self._seconds * 100, 3))


def _step(seconds: float) -> float:
    """Return a round number of seconds of which a few make a span."""
    units = (1, 2, 5, 10, 15, 30)
    steps = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5]
    steps += [unit * factor for factor in (1, 60) for unit in units]
    steps += [3600 * hours for hours in (1, 2, 3, 6, 12, 24)]
    fitting = (step for step in steps if seconds / step <= _MOST_TICKS)
    return next(fitting, 86400 * -(-seconds // (86400 * _MOST_TICKS)))


def _queued(task: TaskInstance) -> datetime | None:
    """Return when a task was queued to start; None if unknown, as after a deferral."""
    later = task.queued and task.start and task.queued > task.start
    return None if later else task.queued


def _task_row(task: TaskInstance, axis: _Axis, memory: float | None) -> TaskRow:
    waited_from = _queued(task)
    started, state = task.start, task.state or ""
    waited_to = started or (axis.now if state == "queued" else None)
    ended = task.end or (started and axis.now)
    bars = []
    if waited_from and waited_to:
        bars.append(axis.bar("queued", waited_from, waited_to))
    if started and ended:
        bars.append(axis.bar(_KINDS.get(state, "waiting"), started, ended))
    took = _time((ended - started).total_seconds()) if started and ended else ""
    words = [in_words(task.state)]
    times = {"queued": waited_from, "started": started, "ended": started and task.end}
    words += [f"{what} {_clock(moment)}" for what, moment in times.items() if moment]
    if took:
        words.append(f"took {took}{'' if task.end else ' so far'}")
    if task.attempt > 1:
        words.append(f"attempt {task.attempt}")
    return TaskRow(
        task_id=task.task_id,
        state=state_text(task.state).plain,
        attempts=str(task.attempt or ""),
        queued=_clock(waited_from),
        start=_clock(started),
        end=_clock(task.end) if started else "",
        took=took,
        memory="" if memory is None else _mebibytes(memory),
        bars=tuple(bars),
        words=f"{task.task_id}: {', '.join(words)}",
    )


def _memory_row(task: TaskUsage) -> MemoryRow:
    request, limit = _bytes(task.requests), _bytes(task.limits)
    whole = limit or request
    peak = _mebibytes(task.memory)
    words = f"{task.task_id}: peak {peak}"
    if not whole:
        return MemoryRow(task, peak, "", (), (), f"{words}, no request and no limit")
    scale = max(task.memory, request, limit) * _MARGIN
    kind = "fits"
    if request and task.memory > request:
        kind = "above"
    if limit and task.memory > limit * _TIGHT:
        kind = "tight"
    bar = Bar(kind, 0, round(max(task.memory / scale * 100, _NARROWEST), 3))
    lines = []
    for name, size, asked in (("request", request, task.requests), ("limit", limit, task.limits)):
        if size:
            lines.append(Line(name, round(size / scale * 100, 3)))
            words += f", {name} {asked['memory']}"
    part = f"{task.memory / whole:.0%} of {'limit' if limit else 'request'}"
    return MemoryRow(task, peak, part, (bar,), tuple(lines), f"{words}, {part}")


def _bytes(asked: Mapping[str, str]) -> float:
    """Return the memory of requests or limits in bytes; 0 if they have none."""
    return float(parse_quantity(asked["memory"])) if asked.get("memory") else 0.0


def _summary(run: DagRun, tasks: Mapping[str, TaskInstance], now: datetime) -> str:
    counts = Counter(in_words(task.state) for task in tasks.values())
    states = ", ".join(f"{count} {state}" for state, count in sorted(counts.items()))
    said = f"{run.state.value}, {counted(len(tasks), 'task')}: {states or 'none'}."
    if run.start:
        took = _time(((run.end or now) - run.start).total_seconds())
        said += f" Started {run.start.astimezone(timezone.utc):%Y-%m-%d %H:%M:%S} UTC,"
        said += f" took {took}{'' if run.end else ' so far'}."
    return said[0].upper() + said[1:]


def _mebibytes(size: float) -> str:
    """Return a size as Kubernetes writes it."""
    return f"{size / _MIB:.0f}Mi"


def _clock(moment: datetime | None) -> str:
    return f"{moment.astimezone(timezone.utc):%H:%M:%S}" if moment else ""


def _time(seconds: float) -> str:
    """Return a time: `6.1 s`, `2 min 5 s`, `1 h 2 min`."""
    return f"{max(seconds, 0):.1f} s" if seconds < 60 else _round_time(round(seconds))


def _round_time(seconds: float) -> str:
    """Return a round time without the units that it has none of; seconds not from an hour on."""
    if seconds < 60:
        return f"{seconds:g} s"
    span = timedelta(seconds=seconds)
    hours, rest = divmod(span.seconds, 3600)
    minutes, left = divmod(rest, 60)
    parts = {"d": span.days, "h": hours, "min": minutes}
    if seconds < 3600:
        parts["s"] = left
    return " ".join(f"{number} {unit}" for unit, number in parts.items() if number)
