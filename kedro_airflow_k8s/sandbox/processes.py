"""The processes of a sandbox: a variable of their environment names the sandbox's folder.

Children inherit it, so a process is found after its parent has ended, and without any record.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Mapping
from pathlib import Path

import psutil

from kedro_airflow_k8s.errors import SandboxError

_FOLDER = "KEDRO_AIRFLOW_K8S_SANDBOX"
_KILL_SECONDS = 10.0
_CHECK_SECONDS = 0.02


def environment_of(folder: Path) -> Mapping[str, str]:
    """Return the variables that make a process and its children one of a sandbox.

    Args:
        folder: The sandbox's folder.
    """
    # setproctitle, which Airflow calls, writes over the environment unless SPT_NOENV is set.
    return {_FOLDER: str(folder), "SPT_NOENV": "1"}


def runs(pid: int, folder: Path) -> bool:
    """Return whether a process of a sandbox runs; its id may belong to another process by now."""
    try:
        return _belongs(psutil.Process(pid), folder)
    except psutil.Error:
        return False


def kill_all(folder: Path) -> bool:
    """Kill the processes of a sandbox, except this one, and wait for their end and their pods'.

    Returns:
        Whether there were any.

    Raises:
        SandboxError: A process does not end.
    """
    deadline = time.monotonic() + _KILL_SECONDS
    left: set[psutil.Process] = set()
    found = False
    while True:
        own = [process for process in psutil.process_iter() if _belongs(process, folder)]
        found = found or bool(own)
        for process in own:
            with contextlib.suppress(psutil.Error):  # It has ended.
                # Pods have an environment of their own. They end by themselves, see container_init.
                left.update(process.children(recursive=True))
                left.add(process)
        for process in own:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        left = {process for process in left if _is_alive(process)}
        if not left:
            return found
        if time.monotonic() > deadline:
            pids = ", ".join(str(process.pid) for process in sorted(left, key=lambda p: p.pid))
            raise SandboxError(
                f"Processes of the sandbox do not end: {pids}. They may wait for a disk: try again"
                " later."
            )
        time.sleep(_CHECK_SECONDS)


def _belongs(process: psutil.Process, folder: Path) -> bool:
    try:
        return (
            process.pid != os.getpid()
            and process.environ().get(_FOLDER) == str(folder)
            and _is_alive(process)
        )
    except psutil.Error:
        return False  # It has ended, or belongs to another user.


def _is_alive(process: psutil.Process) -> bool:
    """Return whether a process runs: a zombie has ended, though its parent did not collect it."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
