"""The cause of a failure in one line, which Kubernetes shows in the pod's status.

Airflow's task reads it there before it deletes the pod, and fails with it.
"""

from __future__ import annotations

import re
import traceback
from types import TracebackType
from typing import Any

from kedro_airflow_k8s.pod.environment import NO_RETRY
from kedro_airflow_k8s.pod.failures import NEXT, folded_traceback
from kedro_airflow_k8s.pod.last_words import MOST_BYTES, leave
from kedro_airflow_k8s.pod.redaction import without_secrets

_LONGEST_MESSAGE = 500

_PLACE = re.compile(r'File "([^"]+)", line (\d+)')
_NOT_RUN = "Nothing was run"
_INVALID = ("DataValidationError", "ParameterValidationError")
"""Kedro's errors about values, which are the same in the next attempt."""


def leave_cause(error: BaseException) -> None:
    """Leave the cause for Kubernetes: an exception, or the message of a SystemExit, if any."""
    if not isinstance(error, SystemExit):
        place = ", ".join(filter(None, (_node(error.__traceback__), _place(error))))
        _leave(_message(error), f" ({place})" if place else "", can_retry=not _is_invalid(error))
    elif isinstance(error.code, str):
        _leave(error.code, can_retry=_NOT_RUN not in error.code)


def _leave(message: str, place: str = "", *, can_retry: bool) -> None:
    text = without_secrets(" ".join(message.split()))
    if len(text) > _LONGEST_MESSAGE:
        text = f"{text[: _LONGEST_MESSAGE - 1]}…"
    end = "" if can_retry else f" {NO_RETRY}"
    said = f"{text}{place}".encode(errors="replace")[: MOST_BYTES - len(end)]
    leave(said.decode(errors="ignore") + end)


def _message(error: BaseException) -> str:
    """Return the name of an exception without its module, and its message."""
    text = "".join(traceback.format_exception_only(type(error), error))
    return text.removeprefix(f"{type(error).__module__}.")


def _node(trace: TracebackType | None) -> str:
    """Return the node that Kedro ran or whose data it loaded or saved, or nothing."""
    found: Any = None
    while trace is not None:
        if trace.tb_frame.f_globals.get("__name__") == "kedro.runner.task":
            found = trace.tb_frame.f_locals.get("node", found)
        trace = trace.tb_next
    return f"node {found.name}" if found is not None else ""


def _place(error: BaseException) -> str:
    """Return the file and line of the project that failed, or nothing."""
    text = folded_traceback(type(error), error, error.__traceback__)
    for link in reversed(NEXT.split(text)):
        if places := _PLACE.findall(link):
            path, line = places[-1]
            return f"{path}:{line}"
    return ""


def _is_invalid(error: BaseException) -> bool:
    return any(kind.__name__ in _INVALID for kind in type(error).__mro__)
