"""What a pod has used: memory at its peak, CPU, time, and bytes read and written.

The pod says so at the end of its log, and leaves it for the task in Airflow, which keeps it.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import resource
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from kedro_airflow_k8s.pod.last_words import leave

SAMPLE_SECONDS = 1.0
"""How often the memory of all processes of a container is looked at."""

_CGROUP = Path("/sys/fs/cgroup")
_PROCESS = Path("/proc/self")


@contextlib.contextmanager
def measured() -> Iterator[None]:
    """Say at the end of the block what this process has used, and leave it if the block succeeds.

    A SystemExit without an exit code is a success.
    """
    # The first process of a container has a cgroup of its own. In the sandbox there is none.
    container = Container(_CGROUP) if os.getpid() == 1 else None
    if container is not None:
        container.watch()
    succeeded = True
    try:
        yield
    except SystemExit as end:
        succeeded = not end.code
        raise
    except BaseException:
        succeeded = False
        raise
    finally:
        used = usage(_PROCESS, container)
        print(_sentence(used), flush=True)
        if succeeded:
            leave(json.dumps(used))


class Container:
    """The container of this process, as its cgroup shows it.

    Attributes:
        memory: The most memory that its processes have had at once, in bytes. Unlike the kernel's
            own figures for the peak, this is without the cache of files, which counts as used.

    Args:
        cgroup: Where the kernel shows cgroups of either version.
    """

    def __init__(self, cgroup: Path) -> None:
        self.memory = 0
        is_v2 = (cgroup / "memory.current").exists()
        self._stat = cgroup / "memory.stat" if is_v2 else cgroup / "memory/memory.stat"
        self._parts = ("anon", "shmem") if is_v2 else ("total_rss", "total_shmem")
        self._cpu = cgroup / "cpu.stat" if is_v2 else cgroup / "cpuacct/cpuacct.usage"

    def watch(self) -> None:
        """Look at the memory from time to time, for as long as this process lives."""

        def sample() -> None:
            while self.look():
                time.sleep(SAMPLE_SECONDS)

        threading.Thread(target=sample, name="kedro-airflow-k8s-usage", daemon=True).start()

    def look(self) -> bool:
        """Look at the memory now; return whether the kernel shows it."""
        found = _fields(self._stat)
        self.memory = max(self.memory, sum(found.get(part, 0) for part in self._parts))
        return bool(found)

    @property
    def cpu(self) -> float | None:
        """The CPU time of its processes, in seconds; None if the kernel does not show it."""
        with contextlib.suppress(OSError, ValueError, KeyError):
            if self._cpu.name == "cpu.stat":
                return _fields(self._cpu)["usage_usec"] / 1e6
            return int(self._cpu.read_text()) / 1e9
        return None


def usage(process: Path, container: Container | None = None) -> dict[str, float]:
    """Return what a process and its container have used, as far as the kernel shows it.

    Args:
        process: The folder of this process in /proc.
        container: The container whose only command the process is.

    Returns:
        Bytes of `memory` at its peak, bytes `read` and `written`, seconds of `cpu` and `wall`.
    """
    own = resource.getrusage(resource.RUSAGE_SELF)
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    # `ru_maxrss` can be that of the process that has started this one.
    memory = _fields(process / "status").get("VmHWM", own.ru_maxrss) * 1024
    memory = max(memory, children.ru_maxrss * 1024)
    cpu: float | None = own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime
    if container is not None:
        container.look()
        memory, cpu = max(memory, container.memory), container.cpu or cpu
    bytes_done = _fields(process / "io")
    found = {
        "memory": memory,
        "cpu": cpu,
        "wall": _age(process),
        # Also what the kernel's cache answers, and without the network.
        "read": bytes_done.get("rchar"),
        "written": bytes_done.get("wchar"),
    }
    return {key: round(value, 3) for key, value in found.items() if value is not None}


def _age(process: Path) -> float | None:
    """Return how many seconds ago a process was started."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        # The name of the command, in brackets, may have spaces.
        fields = (process / "stat").read_text().rpartition(")")[2].split()
        started = int(fields[19]) / os.sysconf("SC_CLK_TCK")
        return time.clock_gettime(time.CLOCK_BOOTTIME) - started
    return None


def _fields(file: Path) -> dict[str, int]:
    """Return the numbers of a file of the kernel by their names; none if there is no such file."""
    try:
        text = file.read_text()
    except OSError:
        return {}
    return {name: int(number) for name, number in re.findall(r"^(\w+):?\s+(\d+)", text, re.M)}


def _sentence(used: dict[str, float]) -> str:
    parts = [f"{used['memory'] / 2**20:.0f} MiB of memory at its peak", f"{used['cpu']:.1f} s CPU"]
    if "wall" in used:
        parts.append(f"{used['wall']:.1f} s in all")
    parts += [f"{used[k] / 1e6:.1f} MB {k}" for k in ("read", "written") if k in used]
    return f"Used: {', '.join(parts)}"
