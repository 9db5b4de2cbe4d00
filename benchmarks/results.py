"""What was measured, and RESULTS.md."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

HOW = """\
Commands are whole processes, timed from start to exit. They take turns (A B C, B C A, ...), and a
ratio or difference is one of two commands in the same round. Tables show the median of the
rounds, and the verdict is on that median. The first round is not counted.

CPU time is that of user and system together, child processes (git) included. On a machine with
other work it is the steadier of the two; on a quiet one both say the same.

Each environment is made for the run, with the versions of `requirements/airflow3.txt`: Kedro
alone; Kedro with what this plugin requires; Kedro with this plugin, as a wheel; Kedro with
kedro-airflow. Everything is compiled to byte code, and Kedro's telemetry is off
(`DO_NOT_TRACK=1`).

Projects are generated (`benchmarks/projects.py`): five modular pipelines, nodes with names such
as `europe.clean_customers_001` in three namespaces and none, two or three inputs each (one a
parameter), 50 functions with docstrings of two sentences, a small catalog, a filled
`airflow-k8s.yaml`, one git commit. Their modules import only Kedro, so that the user's
pandas is not what is measured."""


@dataclass(frozen=True)
class Verdict:
    """A budget and what was found.

    Attributes:
        what: The budget, as in DESIGN.md.
        found: By the clock, in the unit of the limit.
        limit: The most that is allowed.
        unit: Of both, for a reader.
        found_cpu: The same in CPU time, which other work on the machine disturbs less.
    """

    what: str
    found: float
    limit: float
    unit: str
    found_cpu: float | None = None

    @property
    def text(self) -> str:
        """Whether it holds, in words."""
        by_clock = self.found <= self.limit
        if self.found_cpu is None or (self.found_cpu <= self.limit) == by_clock:
            return "holds" if by_clock else "**missed**"
        return (
            "holds by the clock, **missed** in CPU time"
            if by_clock
            else ("**missed** by the clock, holds in CPU time")
        )


@dataclass(frozen=True)
class Section:
    """A part of the report: paragraphs, a table, and the budgets that it decides."""

    title: str
    notes: Sequence[str]
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    verdicts: Sequence[Verdict]


def report(sections: Sequence[Section], versions: str, minutes: float, options: str) -> str:
    """The text of a file of results."""
    verdicts = [verdict for section in sections for verdict in section.verdicts]
    parts = [
        "# Measured against the speed budgets",
        "Written by `make bench`; run it again rather than edit this file.",
        "\n".join(
            (
                f"- Date: {datetime.now(timezone.utc):%Y-%m-%d}, {minutes:.0f} minutes{options}",
                f"- Machine: {_machine()}",
                f"- Versions: {versions}",
            )
        ),
        "## Verdicts",
        _table(
            ("budget", "limit", "by the clock", "in CPU time", "verdict"),
            [
                (
                    verdict.what,
                    f"{verdict.limit:g} {verdict.unit}",
                    f"{verdict.found:.3g}",
                    "" if verdict.found_cpu is None else f"{verdict.found_cpu:.3g}",
                    verdict.text,
                )
                for verdict in verdicts
            ],
        ),
        "## How it is measured",
        HOW,
    ]
    for section in sections:
        parts += [f"## {section.title}", *section.notes, _table(section.header, section.rows)]
    return "\n\n".join(parts) + "\n"


def milliseconds(seconds: float) -> str:
    """For a table."""
    return f"{seconds * 1000:.0f}"


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _machine() -> str:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    load = os.getloadavg()[2]
    return (
        f"{_processor()}, {os.cpu_count()} processors, {memory:.0f} GiB, {platform.system()}"
        f" {platform.release().split('-')[0]}; load of the last 15 minutes {load:.1f}"
    )


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:  # Not Linux.
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
