"""What ends a command from outside: Ctrl-C, `kill`, a closed terminal."""

from __future__ import annotations

import math
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

REPEAT_SECONDS = 1.0
"""For how long after a signal others are ignored."""


@contextmanager
def interrupted_by_signals() -> Iterator[None]:
    """Let SIGTERM and SIGHUP do what Ctrl-C does, so that a command ends in order.

    `timeout` sends a signal twice: the second one must not interrupt what the first one began.
    """
    # Ignored signals stay ignored, as `nohup` requires.
    signals = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    heard = [s for s in signals if signal.getsignal(s) != signal.SIG_IGN]
    interrupted_at = -math.inf

    def interrupt(_signum: int, _frame: FrameType | None) -> None:
        nonlocal interrupted_at
        now = time.monotonic()
        if now - interrupted_at > REPEAT_SECONDS:
            interrupted_at = now
            raise KeyboardInterrupt

    before = {s: signal.signal(s, interrupt) for s in heard}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
