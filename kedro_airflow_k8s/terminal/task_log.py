"""The end of a task's log: what the pod wrote last, and what Airflow made of it."""

from __future__ import annotations

import re
from collections.abc import Iterator

POD_LINES, AIRFLOW_LINES = 80, 10
"""Enough for Kedro's traceback, which has a frame of its own for each caller, and what is above."""

# How Airflow's Kubernetes provider marks the lines of the container; before it is when and where.
_FROM_POD = re.compile(r"^.*?\[base\] ?")
_TRACEBACK = "Traceback (most recent call last):"
_INFORMATION = re.compile(r"^\[[^]]*\] (\{[^}]*\} )?INFO - ")


def log_end(log: str) -> str:
    """Return the last lines of the pod, and what Airflow says of its end.

    Left out are the frames of Airflow's own tracebacks, which lead from its worker to the line that
    found that a pod has failed, and what it puts before each line of the pod.
    """
    lines = list(_own_lines(log))
    last = max((number for number, (of_pod, _) in enumerate(lines) if of_pod), default=-1)
    if last < 0:
        return "\n".join([text for _, text in lines][-POD_LINES:])
    said = [text for of_pod, text in lines if of_pod][-POD_LINES:]
    after = [text for _, text in lines[last + 1 :] if not _INFORMATION.match(text)]
    return "\n".join([*said, *after[:AIRFLOW_LINES]])


def _own_lines(log: str) -> Iterator[tuple[bool, str]]:
    """Yield the lines that stay, each with whether it is the pod's."""
    in_traceback = False
    for line in log.splitlines():
        pod = _FROM_POD.match(line)
        if pod:
            in_traceback = False
            yield True, line[pod.end() :]
        elif line.strip() == _TRACEBACK:
            in_traceback = True
        elif not in_traceback or (line and not line.startswith(" ")):
            in_traceback = False
            yield False, line
