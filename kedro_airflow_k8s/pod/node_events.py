"""What becomes of the nodes of this pod, for their tasks in Airflow: lines in the log.

The task that follows the log reads them, and does not show them. It knows them by a word that it
has given to the pod, so that a node cannot print events of other nodes by chance.
"""

from __future__ import annotations

import json
import os
import re
import sys
import time
from collections.abc import Iterable
from typing import Any

from kedro_airflow_k8s.pod.environment import ASSETS_VARIABLE, EVENTS_VARIABLE

_EVENT = "kedro-airflow-k8s-event"


def without_events(log: str) -> str:
    """Return the log of a pod without the lines for the task that follows it."""
    return re.sub(rf"{_EVENT} \w+ \[.*\]\n", "", log)


class NodeEvents:
    """Reports what becomes of the nodes of this process, if a task in Airflow reads that."""

    def __init__(self, nonce: str | None) -> None:
        self._nonce = nonce
        self._begun: set[str] = set()

    @property
    def wanted(self) -> bool:
        """Whether each node has a task of its own in Airflow."""
        return self._nonce is not None

    def begin(self, node: str) -> None:
        """Report that a node begins to load its data; later calls for the same node do nothing."""
        if node not in self._begun:
            self._begun.add(node)
            self._report("running", node)

    def succeed(self, node: str, outputs: Iterable[str] = ()) -> None:
        """Report that all outputs of a node are saved, and what is known of assets among them."""
        made = {}
        if self._nonce and ASSETS_VARIABLE in os.environ:
            from kedro_airflow_k8s.pod.asset_data import described

            made = described(outputs)
        self._report("success", node, *(["", made] if made else []))

    def _report(self, state: str, node: str, *more: Any) -> None:
        if self._nonce:
            event = json.dumps([state, node, round(time.time(), 3), *more])
            # Airflow reads a line when the next one has come.
            line = f"{_EVENT} {self._nonce} {event}\n"
            sys.stderr.flush()
            sys.stdout.write(line * 2)
            sys.stdout.flush()


node_events = NodeEvents(os.environ.pop(EVENTS_VARIABLE, None))
