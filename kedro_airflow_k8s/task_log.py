"""The end of a task's log as a person wants it: what the pod has said, and how Airflow took it."""

from __future__ import annotations

import re
from collections.abc import Iterator

LINES = 40

# How Airflow's Kubernetes provider marks the lines of the container; before it is when and where.
_FROM_POD = re.compile(r"^.*?\[base\] ?")
_TRACEBACK = "Traceback (most recent call last):"


def log_end(log: str, lines: int = LINES) -> str:
    """The last lines of a log, without the frames of Airflow's own tracebacks.

    These would fill it: they lead from Airflow's worker to the line that found that a pod has
    failed. The tracebacks of the pod stay, without what Airflow puts before each line.
    """
    return "\n".join(list(_own_lines(log))[-lines:])


def _own_lines(log: str) -> Iterator[str]:
    in_traceback = False
    for line in log.splitlines():
        pod = _FROM_POD.match(line)
        if pod:
            in_traceback = False
            yield line[pod.end() :]
        elif line.strip() == _TRACEBACK:
            in_traceback = True
        elif not in_traceback or (line and not line.startswith(" ")):
            in_traceback = False
            yield line
