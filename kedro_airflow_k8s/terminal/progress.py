"""What the plugin has done and what it waits for, on the screen."""

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
from rich.text import Text

LOG_WIDTH = 120
"""Columns where there is no terminal."""

REPEAT_SECONDS = 30.0
"""Without a terminal, a wait that goes on is shown again after this time."""


def standard_console() -> Console:
    """Return the console on standard output."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        # Names and marks that the terminal's encoding lacks must not end the command.
        sys.stdout.reconfigure(errors="replace")
    # Texts from elsewhere may hold `:100:`, which is not an emoji.
    console = Console(highlight=False, emoji=False)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = LOG_WIDTH
    return console


@dataclass(frozen=True)
class Clock:
    """Seconds since some moment, and a way to let them pass."""

    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep


class _Wait:
    """A wait that shows how long it lasts whenever the terminal draws it."""

    def __init__(self, text: str, since: float, clock: Clock) -> None:
        self._text, self._since, self._clock = text, since, clock

    def __rich__(self) -> Text:
        return Text(f"{self._text} ({int(self._clock.now() - self._since)} s)")


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
        """Write a warning."""
        self.console.print(f"[yellow]Warning: {escape(text)}[/]", soft_wrap=True)

    def waiting(self, text: str, since: float) -> None:
        """Show what is waited for; `since` is the clock's time at which that began."""
        seconds = int(self.clock.now() - since)
        if self.console.is_terminal:
            wait = _Wait(text, since, self.clock)
            if self._status is None:
                self._status = self.console.status(wait)
                self._status.start()
            self._status.update(wait)
            return
        shown, when = self._wait or ("", 0.0)
        if text != shown or self.clock.now() - when >= REPEAT_SECONDS:
            self._wait = (text, self.clock.now())
            self.say(f"{text} ({seconds} s)" if seconds else text)

    def done(self) -> None:
        """End the wait that is shown."""
        if self._status is not None:
            self._status.stop()
        self._status = self._wait = None
