"""Process 1 of a container: starts the command and, when it ends, leaves no process behind.

A program of its own, run as `python -I -S container_init.py OWNER STATUS_FD ROOT COMMAND...`, with
the environment and folder of the command. With a ROOT, the command finds that folder in place of
its own, in a mount namespace: on a cluster all containers have the project at one path. The program
does for the pod what a PID namespace does on a cluster:

- processes that lose their parent, also those in sessions of their own, become its children (Linux)
  and get SIGKILL when the command has ended;
- a line with a number on stdin asks the command to stop (SIGTERM to its process group), with that
  many seconds until SIGKILL;
- SIGTERM, the end of stdin, or of the process OWNER, however it dies, is SIGKILL for everything.

On STATUS_FD it writes `started` or `failed REASON`, and at the end `exit CODE`.
"""
# pathlib would double the time that this program takes to start.
# ruff: noqa: PTH109, PTH112, PTH123, PTH208

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import signal
import subprocess
import sys
import time
from types import FrameType

_PR_SET_CHILD_SUBREAPER = 36
_CLONE_NEWNS, _CLONE_NEWUSER = 0x00020000, 0x10000000
_MS_BIND, _MS_REC, _MS_PRIVATE = 0x1000, 0x4000, 0x40000
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
    if sys.platform != "linux":
        raise OSError("only Linux has mount namespaces")
    libc = ctypes.CDLL(None, use_errno=True)

    def call(result: int) -> None:
        if result:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))

    user, group = os.getuid(), os.getgid()
    # Only root may have a mount namespace without a user namespace of its own.
    call(libc.unshare(_CLONE_NEWNS | (_CLONE_NEWUSER if user else 0)))
    if user:
        for file, text in (
            ("setgroups", "deny"),
            ("uid_map", f"{user} {user} 1"),
            ("gid_map", f"{group} {group} 1"),
        ):
            with open(f"/proc/self/{file}", "w") as handle:
                handle.write(text)
    call(libc.mount(b"none", b"/", None, _MS_REC | _MS_PRIVATE, None))
    call(libc.mount(os.fsencode(root), os.fsencode(folder), None, _MS_BIND | _MS_REC, None))
    os.chdir(folder)


def main(owner: int, status: int, root: str, command: list[str]) -> None:
    """Run the command to its end and report how it went."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    try:
        if root:
            show_in_place_of(os.getcwd(), root)
        container = _Container(owner, command)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        os.write(status, f"failed {command[0]}: {reason}\n".encode())
        return
    os.write(status, b"started\n")
    os.write(status, f"exit {container.run()}\n".encode())


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4:])
