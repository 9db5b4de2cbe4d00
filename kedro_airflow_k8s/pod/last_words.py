"""The file for the last words of a container, which Kubernetes shows in the pod's status."""

from __future__ import annotations

import os
import sys

from kedro_airflow_k8s.pod.environment import REASON_VARIABLE

TERMINATION_LOG = "/dev/termination-log"
"""The file that Kubernetes makes in every container for the last words of its command."""

MOST_BYTES = 4096
"""What a kubelet reads of the file."""


def leave(text: str) -> str | None:
    """Write to the file that the DAG names, or else to that of Kubernetes if there is one.

    Args:
        text: One line.

    Returns:
        The file; None if the text was not written.
    """
    file = os.environ.get(REASON_VARIABLE) or TERMINATION_LOG
    if file == TERMINATION_LOG and not os.path.exists(file):
        return None
    try:
        with open(file, "w", encoding="utf-8") as written:
            written.write(text)
    except OSError as problem:
        print(f"This was not written to {file}: {problem}: {text}", file=sys.stderr, flush=True)
        return None
    return file
