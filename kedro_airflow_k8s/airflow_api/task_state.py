"""How a task of a DAG run stands, whoever tells it: Airflow's API, or the sandbox."""

from __future__ import annotations

import time
from dataclasses import dataclass

ENDS = ("success", "failed", "upstream_failed", "skipped", "removed")
"""The states in which a task stays."""


@dataclass(frozen=True)
class TaskState:
    """How a task stands.

    Attributes:
        state: Airflow's word, such as `running` or `up_for_retry`; None before it is scheduled.
        start: When its last attempt began, in seconds since 1970.
        end: When its last attempt ended, likewise.
        attempt: The number of its last attempt, from 1; 0 before the first one.
    """

    state: str | None
    start: float | None
    end: float | None
    attempt: int

    @property
    def seconds(self) -> float | None:
        """How long the last attempt has run so far."""
        if self.start is None:
            return None
        return (self.end or time.time()) - self.start
