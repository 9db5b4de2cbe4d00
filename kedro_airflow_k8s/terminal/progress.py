"""Tells a person what the plugin has done and what it is waiting for."""

from __future__ import annotations

import io
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

from rich.console import Console
from rich.markup import escape
from rich.status import Status

LOG_WIDTH = 120
"""Columns where there is no terminal: enough for what is not broken at will."""

REPEAT_SECONDS = 30.0
"""Without a terminal, a wait that goes on is told again after this time."""


def standard_console() -> Console:
    """The console on standard output."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        # Names and marks that the terminal's encoding lacks must not end the command.
        sys.stdout.reconfigure(errors="replace")
    # Texts of others may hold `:100:`, which stands for no picture.
    console = Console(highlight=False, emoji=False)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = LOG_WIDTH
    return console


@dataclass(frozen=True)
class Clock:
    """Seconds since some moment, and a way to let them pass."""

    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep


class Progress:
    """Lines that stay, and one that shows the present wait: moving in a terminal, else repeated.

    Args:
        console: Where to write.
        clock: The time.
    """

    def __init__(self, console: Console, clock: Clock | None = None) -> None:
        self.console = console
        self.clock = clock or Clock()
        self._status: Status | None = None
        self._wait: tuple[str, float] | None = None

    def say(self, text: str) -> None:
        """Write a line."""
        self.console.print(text, markup=False, soft_wrap=True)

    def warn(self, text: str) -> None:
        """Write a line about something that may not be as the user wants it."""
        self.console.print(f"[yellow]Warning: {escape(text)}[/]", soft_wrap=True)

    def waiting(self, text: str, since: float) -> None:
        """Show what is waited for; since is the clock's time at which that began."""
        seconds = int(self.clock.now() - since)
        if self.console.is_terminal:
            shown = f"{escape(text)} ({seconds} s)"
            if self._status is None:
                self._status = self.console.status(shown)
                self._status.start()
            self._status.update(shown)
            return
        told, when = self._wait or ("", 0.0)
        if text != told or self.clock.now() - when >= REPEAT_SECONDS:
            self._wait = (text, self.clock.now())
            self.say(f"{text} ({seconds} s)" if seconds else text)

    def done(self) -> None:
        """End the wait that is shown."""
        if self._status is not None:
            self._status.stop()
        self._status = self._wait = None
