"""Makes SIGTERM stop a process at once, as an error that cleaning up hears of.

Kubernetes sends it to process 1 of a container, for which Linux has no default action: Kedro alone
would go on for the whole grace period after Airflow has given the task up.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from types import FrameType

LOOK_SECONDS = 0.1
"""Between two looks at whether a process that was asked to stop is still at work."""

PATIENCE_SECONDS = 3.0
"""How long code that is in the way of stopping is let finish what it does."""


class TaskTerminated(Exception):
    """Kubernetes asked the pod to stop, for instance because Airflow killed its task."""


def run_until_stopped(command: Callable[[], object]) -> None:
    """Run a command in the main thread; SIGTERM ends it and the process, with exit code 1.

    It arrives in the command as TaskTerminated, wherever it is, and again when the command catches
    that and continues. `except`, `finally` and Kedro's hooks may clean up meanwhile.
    """
    stop = _Stop()
    stop.listen()
    try:
        command()
    except SystemExit as end:
        stop.over = True
        if not stop.asked:
            raise
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
    except TaskTerminated as end:
        stop.over = True
        print(f"TaskTerminated: {end}", file=sys.stderr)
    except BaseException:
        stop.over = True
        if not stop.asked:
            raise
        sys.excepthook(*sys.exc_info())
    stop.over = True
    if stop.asked:
        # Not sys.exit, which would wait for the threads in which nodes still run.
        atexit._run_exitfuncs()  # noqa: SLF001 - what sys.exit calls, after that wait
        _leave()


class _Stop:
    """What becomes of SIGTERM while a command runs.

    Attributes:
        asked: Whether it has come.
        over: Whether the command has ended.
    """

    def __init__(self) -> None:
        self.asked = False
        self.over = False
        self._answers = 0
        self._raised_at = 0.0

    def listen(self) -> None:
        """Take the signal over, in this process and not in its children."""
        readable, writable = os.pipe()
        os.set_blocking(writable, False)
        signal.signal(signal.SIGTERM, self._answer)
        # Python writes there at once; the handler waits until the main thread is out of C code.
        signal.set_wakeup_fd(writable, warn_on_full_buffer=False)
        masks = threading.local()
        os.register_at_fork(
            before=lambda: _block(masks),
            after_in_parent=lambda: _unblock(masks),
            after_in_child=lambda: self._forget(masks),
        )
        threading.Thread(
            target=self._watch, args=(readable,), name="kedro-airflow-k8s-stop", daemon=True
        ).start()

    def _forget(self, masks: threading.local) -> None:
        """Let those who end a child process, such as pools of workers, end it as they know."""
        if signal.getsignal(signal.SIGTERM) == self._answer:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            signal.set_wakeup_fd(-1)
        _unblock(masks)

    def _answer(self, signum: int, frame: FrameType | None) -> None:
        """Handle the signal, in the main thread."""
        self._answers += 1
        if self.over:
            if not self.asked:
                # Only threads that Python waits for are left.
                _leave()
            return
        if self.asked and not self._is_in_the_way(frame):
            return
        self.asked = True
        self._raised_at = time.monotonic()
        _kill_children()
        raise TaskTerminated(f"The pod was asked to stop ({signal.Signals(signum).name}).")

    def _is_in_the_way(self, frame: FrameType | None) -> bool:
        """Whether the main thread, once told, is at something else than cleaning up."""
        if not _is_terminated(sys.exc_info()[1]):
            return True  # Other code has caught the exception and continued.
        if _in_hook(frame):
            return False
        waited = time.monotonic() - self._raised_at
        return waited > PATIENCE_SECONDS or _waits_for_others(frame)

    def _watch(self, readable: int) -> None:
        """Ask again until the command has ended, and end the process if it does not answer."""
        while signal.SIGTERM not in os.read(readable, 512):
            pass
        main = threading.main_thread().ident or 0
        questions, unanswered_since = 1, time.monotonic()
        while not self.over and signal.getsignal(signal.SIGTERM) == self._answer:
            time.sleep(LOOK_SECONDS)
            # Hooks that clean up are let alone: C code of theirs need not expect signals.
            cleans_up = self.asked and _in_hook(sys._current_frames().get(main))  # noqa: SLF001 - read, as debuggers do
            if self._answers >= questions or cleans_up:
                unanswered_since = time.monotonic()
                if not cleans_up:
                    questions = self._answers + 1
                    signal.pthread_kill(main, signal.SIGTERM)
            elif time.monotonic() - unanswered_since > PATIENCE_SECONDS and not self.over:
                _end_without_answer()


def _block(masks: threading.local) -> None:
    """Keep a signal from a child process for as long as it has our handler."""
    masks.before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])


def _unblock(masks: threading.local) -> None:
    signal.pthread_sigmask(signal.SIG_SETMASK, masks.before)


def _is_terminated(error: BaseException | None) -> bool:
    """Whether an exception is TaskTerminated, or came up while that was handled."""
    seen: set[int] = set()
    found = [error]
    while found:
        one = found.pop()
        if one is None or id(one) in seen:
            continue
        if isinstance(one, TaskTerminated):
            return True
        seen.add(id(one))
        found += [one.__cause__, one.__context__]
    return False


def _in_hook(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_globals.get("__name__", "").startswith("pluggy"):
            return True
        frame = frame.f_back
    return False


def _waits_for_others(frame: FrameType | None) -> bool:
    """Whether the end of other threads or processes is waited for, as runners do with nodes."""
    while frame is not None:
        module = frame.f_globals.get("__name__", "")
        if frame.f_code.co_name in ("join", "shutdown") and module.startswith(
            ("concurrent.futures", "multiprocessing", "threading")
        ):
            return True
        frame = frame.f_back
    return False


def _kill_children() -> None:
    """End the processes in which ParallelRunner runs nodes: it would wait for them."""
    # Without the module there are none, and the import is slow.
    multiprocessing = sys.modules.get("multiprocessing")
    if multiprocessing is not None:
        for child in multiprocessing.active_children():
            with contextlib.suppress(ValueError):  # Closed meanwhile.
                child.kill()


def _end_without_answer() -> None:
    text = (
        "The pod was asked to stop (SIGTERM). A node is in code that Python cannot interrupt, so "
        "the process ends here, without hooks.\n"
    )
    os.write(2, text.encode())
    _kill_children()
    _leave()


def _leave() -> None:
    """End the process with what was printed, and without waiting for any thread."""
    _kill_children()
    # In a thread: another thread may hold the lock of a stream whose reader is gone.
    flushing = threading.Thread(target=_flush, daemon=True)
    flushing.start()
    flushing.join(timeout=1)
    os._exit(1)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError, RuntimeError, AttributeError):
            stream.flush()
