"""What a visible group of many nodes costs Airflow: tasks that it queues, and CPU time."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import psutil

from benchmarks.results import Section
from benchmarks.runs import HIDDEN, MANY, VISIBLE, WAYS, Sandbox, finished_run

LOADS: dict[str, tuple[str, dict[str, Any]]] = {
    HIDDEN: (HIDDEN, {}),
    VISIBLE: (VISIBLE, {}),
    f"{VISIBLE}, deferrable": (VISIBLE, {"deferrable": True}),
}

NOTE = """\
One run each of a pipeline of 500 nodes of 0.2 seconds in 10 layers, in one pod, in the sandbox on
Airflow {airflow} with its LocalExecutor. Queued: how often the scheduler sent a task to the
executor; a task that waits is sent again. CPU seconds of the processes: the scheduler alone, the
tasks (each is a process), the triggerer and the API server."""


def load_section(place: Sandbox, advance: Callable[[], None]) -> Section:
    """The load of one run for each way to show the nodes."""
    rows = []
    for title, (way, settings) in LOADS.items():
        dag_id = re.sub(r"\W+", "-", f"many {title}")
        before, sent = _cpu_seconds(place), _sent(place)
        output = place.run_once(MANY, dag_id, WAYS[way], **settings)
        run = finished_run(place.client(), dag_id, output)
        after, queued = _cpu_seconds(place), _sent(place) - sent
        used = [f"{after[name] - before[name]:.0f}" for name in after]
        rows.append(
            [title, f"{run.seconds:.0f}", str(queued), f"{queued / run.seconds:.1f}", *used]
        )
        advance()
    header = ["grouping", "run, s", "queued", "a second", *(f"{n}, CPU s" for n in after)]
    note = NOTE.format(airflow=place.client().version)
    return Section("The load of 500 visible nodes", [note], header, rows, [])


def _cpu_seconds(place: Sandbox) -> Mapping[str, float]:
    """Return the CPU time of each service until now, with that of its processes that have ended."""
    pids = place.sandbox.state.services
    scheduler = psutil.Process(pids["scheduler"])
    own = scheduler.cpu_times()
    tasks = own.children_user + own.children_system
    tasks += sum(_all_of(child) for child in scheduler.children(recursive=True))
    return {
        "scheduler": own.user + own.system,
        "tasks": tasks,
        "triggerer": _whole(pids["triggerer"]),
        "API server": _whole(pids["api-server"]),
    }


def _whole(pid: int) -> float:
    process = psutil.Process(pid)
    return _all_of(process) + sum(_all_of(each) for each in process.children(recursive=True))


def _all_of(process: psutil.Process) -> float:
    try:
        times = process.cpu_times()
    except psutil.NoSuchProcess:
        return 0
    return float(times.user + times.system + times.children_user + times.children_system)


def _sent(place: Sandbox) -> int:
    log: Path = place.sandbox.folder.log("scheduler")
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    return sum(line.count("<TaskInstance: ") for line in lines if "Trying to enqueue" in line)
