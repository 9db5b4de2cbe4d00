"""Process 1 of a container: starts the command and, when it ends, leaves no process behind.

A program of its own, run with the environment of the command as `python -I -S container_init.py
OWNER STATUS_FD FOLDER SCRATCH COUNT (MODE SOURCE PLACE)... COMMAND...`. FOLDER is the command's
working folder. COUNT says how many mounts follow: the command finds each SOURCE at its PLACE, in a
mount namespace, as containers of a cluster do; with the MODE `ro` it can only be read. SCRATCH, an
empty folder, is needed if a place is not on this machine; otherwise it is empty. The program does
for the pod what a PID namespace does on a cluster:

- processes that lose their parent, also those in sessions of their own, become its children (Linux)
  and get SIGKILL when the command has ended;
- a line with a number on stdin asks the command to stop (SIGTERM to its process group), with that
  many seconds until SIGKILL;
- SIGTERM, the end of stdin, or of the process OWNER, however it dies, is SIGKILL for everything.

On STATUS_FD it writes `started` or `failed REASON`, and at the end `exit CODE`.
"""
# pathlib would double the time that this program takes to start.
# ruff: noqa: PTH102, PTH103, PTH112, PTH114, PTH115, PTH123, PTH208, PTH211

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from types import FrameType

_PR_SET_CHILD_SUBREAPER = 36
_CLONE_NEWNS, _CLONE_NEWUSER = 0x00020000, 0x10000000
_MS_BIND, _MS_REC, _MS_PRIVATE = 0x1000, 0x4000, 0x40000
_MS_RDONLY, _MS_REMOUNT, _MS_UNBINDABLE = 1, 0x20, 0x20000
# What statvfs reports, and the flag of mount: the kernel refuses a remount without those it locks.
_KEPT = {2: 2, 4: 4, 8: 8, 1024: 1024, 2048: 2048, 4096: 0x200000}
_OWNER_CHECK_SECONDS = 1.0


def _children() -> list[int]:
    """Return the direct children of this process (none where there is no /proc)."""
    found = []
    for entry in os.listdir("/proc") if os.path.isdir("/proc/self") else []:
        if entry.isdigit():
            try:
                with open(f"/proc/{entry}/stat", "rb") as stat:
                    fields = stat.read().rpartition(b")")[2].split()
            except OSError:
                continue  # it ended meanwhile
            if int(fields[1]) == os.getpid():
                found.append(int(entry))
    return found


def _reap(main: int) -> int | None:
    """Collect the children that have ended; return the exit code of the main one if it has."""
    code = None
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return code
        if pid == 0:
            return code
        if pid == main:
            code = os.waitstatus_to_exitcode(status)


def _kill_all(main: int, code: int | None) -> int:
    """Send SIGKILL until no child is left: those of the killed become children of this process."""
    if code is None:
        os.killpg(main, signal.SIGKILL)
    while True:
        for pid in _children():
            with contextlib.suppress(PermissionError):  # a set-user-id program
                os.kill(pid, signal.SIGKILL)
        try:
            pid, status = os.waitpid(-1, 0)
        except ChildProcessError:
            return -signal.SIGKILL if code is None else code
        if pid == main:
            code = os.waitstatus_to_exitcode(status)


class _Container:
    def __init__(self, owner: int, command: list[str]) -> None:
        self._owner = owner
        self._asked_to_die = False
        self._deadline: float | None = None
        self._wake, wake_end = os.pipe()
        os.set_blocking(wake_end, False)
        signal.set_wakeup_fd(wake_end)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._die)
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)

    def _die(self, _number: int, _frame: FrameType | None) -> None:
        self._asked_to_die = True

    def run(self) -> int:
        """Wait for the end of the command, or for the reason to end it; return its exit code."""
        main = self.process.pid
        code = None
        while code is None and not self._must_die():
            left = _OWNER_CHECK_SECONDS
            if self._deadline is not None:
                left = min(left, max(0.0, self._deadline - time.monotonic()))
            ready, _, _ = select.select([0, self._wake], [], [], left)
            if self._wake in ready:
                os.read(self._wake, 512)
            if 0 in ready:
                self._obey(os.read(0, 512))
            code = _reap(main)
        code = _kill_all(main, code)
        self.process.returncode = code
        # As container runtimes report a death by signal.
        return 128 - code if code < 0 else code

    def _must_die(self) -> bool:
        late = self._deadline is not None and time.monotonic() >= self._deadline
        return late or self._asked_to_die or os.getppid() != self._owner

    def _obey(self, order: bytes) -> None:
        if not order:
            self._asked_to_die = True
            return
        until = time.monotonic() + float(order.split()[-1])
        self._deadline = until if self._deadline is None else min(until, self._deadline)
        os.killpg(self.process.pid, signal.SIGTERM)


def show_in_place_of(folder: str, root: str) -> None:
    """Show this process and its children a folder in place of another one (Linux).

    Raises:
        OSError: If this machine does not allow it.
    """
    show([("rw", root, folder)], "")


def show(mounts: list[tuple[str, str, str]], scratch: str) -> None:
    """Show this process and its children folders and files at other places (Linux).

    Args:
        mounts: Modes, sources and places; what is mounted inside another mount comes after it.
        scratch: An empty folder for a root with the places that this machine lacks, or nothing.

    Raises:
        OSError: If this machine does not allow it.
    """
    if sys.platform != "linux":
        raise OSError("only Linux has mount namespaces")
    libc = ctypes.CDLL(None, use_errno=True)

    def call(result: int) -> None:
        if result:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))

    def mount(source: str, place: str, flags: int, kind: str = "") -> None:
        name = kind.encode() or None
        call(libc.mount(os.fsencode(source), os.fsencode(place), name, flags, None))

    user = os.getuid()
    # Only root may have a mount namespace without a user namespace of its own.
    call(libc.unshare(_CLONE_NEWNS | (_CLONE_NEWUSER if user else 0)))
    if user:
        _stay(user, os.getgid())
    mount("none", "/", _MS_REC | _MS_PRIVATE)
    if scratch:
        _copy_root(mount, scratch, [(source, place) for _, source, place in mounts])
    for mode, source, place in mounts:
        mount(source, scratch + place, _MS_BIND | _MS_REC)
        if mode == "ro":
            found = os.statvfs(scratch + place).f_flag
            kept = sum(flag for bit, flag in _KEPT.items() if found & bit)
            mount("none", scratch + place, _MS_REMOUNT | _MS_BIND | _MS_RDONLY | kept)
    if scratch:
        os.chroot(scratch)


def _stay(user: int, group: int) -> None:
    """Be the same user in a new user namespace."""
    for file, text in (
        ("setgroups", "deny"),
        ("uid_map", f"{user} {user} 1"),
        ("gid_map", f"{group} {group} 1"),
    ):
        with open(f"/proc/self/{file}", "w") as handle:
            handle.write(text)


def _copy_root(mount: Callable[..., None], top: str, mounts: list[tuple[str, str]]) -> None:
    """Make a root with all folders of this machine and the places that it lacks."""
    mount("tmpfs", top, 0, "tmpfs")
    # Otherwise it would be a part of what is mounted in it.
    mount("none", top, _MS_UNBINDABLE)
    places = [place for _, place in mounts]
    lacking = {
        place: source
        for source, place in mounts
        if not (os.path.isdir if os.path.isdir(source) else os.path.isfile)(place)
        and not any(place.startswith(f"{other}/") for other in places)
    }
    opened = {"/"}
    for place in lacking:
        parts = place.split("/")[1:-1]
        opened.update("/" + "/".join(parts[: n + 1]) for n in range(len(parts)))
    for folder in sorted(opened):
        os.makedirs(top + folder, exist_ok=True)
        for name in os.listdir(folder) if os.path.isdir(folder) else []:
            path = f"{folder.rstrip('/')}/{name}"
            if path not in opened and path not in lacking:
                with contextlib.suppress(OSError):  # One that this user cannot see.
                    _copy_entry(mount, path, top + path)
    for place, source in lacking.items():
        if os.path.isdir(source):
            os.makedirs(top + place)
        else:
            open(top + place, "x").close()


def _copy_entry(mount: Callable[..., None], path: str, place: str) -> None:
    """Make what is at a path of this machine visible at another place."""
    if os.path.islink(path):
        os.symlink(os.readlink(path), place)
        return
    if os.path.isdir(path):
        os.mkdir(place)
    else:
        open(place, "x").close()
    mount(path, place, _MS_BIND | _MS_REC)


def main(owner: int, status: int, folder: str, scratch: str, arguments: list[str]) -> None:
    """Run the command to its end and report how it went."""
    count = 3 * int(arguments[0])
    places, command = arguments[1 : count + 1], arguments[count + 1 :]
    mounts = list(zip(places[::3], places[1::3], places[2::3], strict=True))
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    try:
        if mounts:
            show(mounts, scratch)
        os.chdir(folder)
        container = _Container(owner, command)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        os.write(status, f"failed {command[0]}: {reason}\n".encode())
        return
    os.write(status, b"started\n")
    os.write(status, f"exit {container.run()}\n".encode())


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4], sys.argv[5:])
