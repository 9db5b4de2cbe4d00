"""What a pod has used: memory at its peak, CPU, time, and bytes read and written.

The pod says so at the end of its log, and leaves it for the task in Airflow, which keeps it.

A short node can take less time than Python then needs to clear the modules that Kedro and the
project have imported. So CPU and time are looked at again at the last moment of the process.
"""

from __future__ import annotations

import contextlib
import gc
import os
import re
import resource
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from kedro_airflow_k8s.pod.environment import ASSETS_VARIABLE
from kedro_airflow_k8s.pod.last_words import leave

SAMPLE_SECONDS = 1.0
"""How often the memory of all processes of a container is looked at."""

_CGROUP = Path("/sys/fs/cgroup")
_PROCESS = Path("/proc/self")
_IMPORTED = time.monotonic()
_MAXRSS_BYTES = 1 if sys.platform == "darwin" else 1024


@contextlib.contextmanager
def measured() -> Iterator[None]:
    """Say what this process has used, and leave it if the block succeeds.

    A SystemExit without an exit code is a success. Then both are done at the end of the process.
    """
    process = os.getpid()
    # The first process of a container has a cgroup of its own. In the sandbox there is none.
    container = Container(_CGROUP) if process == 1 else None
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
        used: dict[str, Any] = dict(usage(_PROCESS, container))
        if succeeded:
            if ASSETS_VARIABLE in os.environ:
                from kedro_airflow_k8s.pod.asset_data import described_as_json

                used["assets"] = described_as_json()
            # Also here, for a process that something ends before its last moment.
            file = leave(_as_json(used))
            at_last(_telling(process, used, clocks(_PROCESS, container), file))
        else:
            print(_sentence(used), flush=True)


class _AtLast:
    def __init__(self, call: Callable[[], None]) -> None:
        self._call = call

    def __del__(self) -> None:
        self._call()


def at_last(call: Callable[[], None]) -> None:
    """Call a function when Python clears `sys`, the last module before the builtins.

    Args:
        call: It must hold what it uses: the modules that it comes from are empty by then.
    """
    # Names that begin with an underscore are cleared first.
    sys.__dict__["_kedro_airflow_k8s_at_last"] = _AtLast(call)


def _telling(
    process: int,
    used: dict[str, Any],
    later: Mapping[str, Callable[[], float]],
    file: str | None,
) -> Callable[[], None]:
    """Return a function that says and leaves usage, for the last moment of this process.

    Args:
        process: The id of this process, which those that a node forks do not have.
        used: What it has used so far.
        later: Functions for those of the figures that have grown by then.
        file: Where to leave it; None to only say it.
    """
    sentence, as_json = _sentence, _as_json
    place = os.fsencode(file) if file else None
    open_file, flags, write, close = os.open, os.O_WRONLY | os.O_TRUNC, os.write, os.close
    getpid, freeze = os.getpid, gc.freeze

    def tell() -> None:
        if getpid() != process:
            return
        # Only objects of C extensions are left. Python would still look for cycles among them,
        # which takes longer than everything else until the end of the process.
        freeze()
        for key, clock in later.items():
            used[key] = round(clock(), 3)
        try:
            if place:
                opened = open_file(place, flags)
                write(opened, as_json(used).encode())
                close(opened)
            write(1, f"{sentence(used)}\n".encode())
        except OSError:
            pass  # The log or the file is gone, and what was left before stands.

    return tell


class Container:
    """The container of this process, as its cgroup shows it.

    Attributes:
        memory: The most memory that its processes have had at once, in bytes. Unlike the kernel's
            own figures for the peak, this is without the cache of files, which counts as used.
        cpu: A function that returns the CPU time of its processes so far, in seconds; None if the
            kernel does not show it.

    Args:
        cgroup: Where the kernel shows cgroups of either version.
    """

    def __init__(self, cgroup: Path) -> None:
        self.memory = 0
        is_v2 = (cgroup / "memory.current").exists()
        self._stat = cgroup / "memory.stat" if is_v2 else cgroup / "memory/memory.stat"
        self._parts = ("anon", "shmem") if is_v2 else ("total_rss", "total_shmem")
        self.cpu = _cpu_of(cgroup / ("cpu.stat" if is_v2 else "cpuacct/cpuacct.usage"), is_v2)

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


def _cpu_of(file: Path, is_v2: bool) -> Callable[[], float | None]:
    """Return a function that reads CPU time from a file of the kernel, and needs no module."""
    place = os.fsencode(file)
    open_file, flags, read, close = os.open, os.O_RDONLY, os.read, os.close

    def cpu() -> float | None:
        try:
            opened = open_file(place, flags)
            try:
                text = read(opened, 4096)
            finally:
                close(opened)
            # `usage_usec` is the first of cpu.stat.
            return int(text.split()[1]) / 1e6 if is_v2 else int(text) / 1e9
        except (OSError, ValueError, IndexError):
            return None

    return cpu


def clocks(process: Path, container: Container | None) -> dict[str, Callable[[], float]]:
    """Return functions for the seconds of `cpu` and `wall` since the process was started.

    They need no module.

    Args:
        process: The folder of this process in /proc.
        container: The container whose only command the process is.
    """
    getrusage, whose = resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)

    def cpu() -> float:
        found = container.cpu() if container else None
        return sum(sum(getrusage(each)[:2]) for each in whose) if found is None else found

    return {"cpu": cpu, "wall": _wall_of(process)}


def _wall_of(process: Path) -> Callable[[], float]:
    monotonic, imported = time.monotonic, _IMPORTED
    with contextlib.suppress(OSError, ValueError, IndexError, AttributeError):
        # The name of the command, in brackets, may have spaces.
        fields = (process / "stat").read_text().rpartition(")")[2].split()
        started = int(fields[19]) / os.sysconf("SC_CLK_TCK")
        gettime, since_boot = time.clock_gettime, time.CLOCK_BOOTTIME
        return lambda: gettime(since_boot) - started
    return lambda: monotonic() - imported


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
    memory = max(
        _fields(process / "status").get("VmHWM", 0) * 1024 or own.ru_maxrss * _MAXRSS_BYTES,
        children.ru_maxrss * _MAXRSS_BYTES,
    )
    if container is not None:
        container.look()
        memory = max(memory, container.memory)
    bytes_done = _fields(process / "io")
    found = {
        "memory": memory,
        **{key: clock() for key, clock in clocks(process, container).items()},
        # Also what the kernel's cache answers, and without the network.
        "read": bytes_done.get("rchar"),
        "written": bytes_done.get("wchar"),
    }
    return {key: round(value, 3) for key, value in found.items() if value is not None}


def _fields(file: Path) -> dict[str, int]:
    """Return the numbers of a file of the kernel by their names; none if there is no such file."""
    try:
        text = file.read_text()
    except OSError:
        return {}
    return {name: int(number) for name, number in re.findall(r"^(\w+):?\s+(\d+)", text, re.M)}


def _as_json(used: Mapping[str, Any]) -> str:
    """Return usage as JSON, without the module for it."""
    return "{" + ", ".join(f'"{key}": {value}' for key, value in used.items()) + "}"


def _sentence(used: Mapping[str, Any]) -> str:
    parts = [
        f"{used['memory'] / 2**20:.0f} MiB of memory at its peak",
        f"{used['cpu']:.1f} s CPU",
        f"{used['wall']:.1f} s in all",
    ]
    parts += [f"{used[k] / 1e6:.1f} MB {k}" for k in ("read", "written") if k in used]
    return f"Used: {', '.join(parts)}"
