"""The memory limit of a container: its processes are killed when they have more."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

from kedro_airflow_k8s.config.kubernetes import parse_quantity
from kedro_airflow_k8s.sandbox.cluster.container import ContainerProcess
from kedro_airflow_k8s.sandbox.cluster.status import Object

_LOOK_SECONDS = 0.2
_PROC = Path("/proc")


class MemoryLimit:
    """Watches a running container. A context manager; without a limit, or off Linux, it rests.

    Attributes:
        exceeded: Whether the container was killed.

    Args:
        container: The container.
        process: The process that runs it.
    """

    def __init__(self, container: Object, process: ContainerProcess) -> None:
        self.exceeded = False
        text = container.get("resources", {}).get("limits", {}).get("memory")
        self._limit = int(parse_quantity(str(text))) if text is not None else 0
        self._pid = process.pid
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> MemoryLimit:
        if self._limit and sys.platform == "linux":
            self._thread.start()
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: object, _trace: TracebackType | None
    ) -> None:
        self._over.set()
        if self._thread.ident is not None:
            self._thread.join()

    def _watch(self) -> None:
        while not self._over.wait(_LOOK_SECONDS):
            pids = list(_below(self._pid))
            # Forked processes share memory, which the faster figure counts for each of them. Files
            # do not count: the kernel can drop what it has read of them.
            if sum(map(_resident, pids)) > self._limit and sum(map(_own, pids)) > self._limit:
                self.exceeded = True
                for pid in pids:
                    with contextlib.suppress(OSError):
                        os.kill(pid, signal.SIGKILL)


def _below(pid: int) -> Iterator[int]:
    """Yield the processes that a process has started, and theirs."""
    with contextlib.suppress(OSError):
        for task in (_PROC / str(pid) / "task").iterdir():
            for child in map(int, (task / "children").read_text().split()):
                yield child
                yield from _below(child)


def _resident(pid: int) -> int:
    return _sum(_PROC / str(pid) / "status", ("RssAnon", "RssShmem"))


def _own(pid: int) -> int:
    return _sum(_PROC / str(pid) / "smaps_rollup", ("Pss_Anon", "Pss_Shmem"))


def _sum(file: Path, names: tuple[str, ...]) -> int:
    """Return the sum of fields of a file of /proc in bytes; 0 if the process has ended."""
    try:
        lines = file.read_text().splitlines()
    except OSError:
        return 0
    found = dict(line.partition(":")[::2] for line in lines)
    return sum(int(found[name].split()[0]) * 1024 for name in names if name in found)
