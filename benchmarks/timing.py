"""Times of whole processes, taken in interleaved rounds, because no machine is quite still."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles

from benchmarks.errors import BenchmarkError


@dataclass(frozen=True)
class Command:
    """A process to time."""

    name: str
    arguments: tuple[str, ...]
    folder: Path
    environment: Mapping[str, str]


@dataclass(frozen=True)
class Cost:
    """Seconds: by the clock, and of all processors, in user and system mode, children included."""

    wall: float
    cpu: float


Rounds = Mapping[str, Sequence[Cost]]
"""By the name of what was timed: one cost for each round, in the order of the rounds."""


@dataclass(frozen=True)
class Spread:
    """The middle half of what the rounds gave, and the least."""

    best: float
    low: float
    median: float
    high: float


def run(command: Command) -> Cost:
    """Run a command and say what it cost.

    Raises:
        BenchmarkError: If it cannot be started or fails.
    """
    with tempfile.TemporaryFile() as output:
        start = time.perf_counter()
        try:
            process = subprocess.Popen(
                command.arguments,
                cwd=command.folder,
                env=command.environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        except OSError as error:
            raise BenchmarkError(f"{command.name} does not start: {error}") from error
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - start
        # Popen would wait for a process that is no more.
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            output.seek(0)
            tail = output.read()[-2000:].decode(errors="replace")
            raise BenchmarkError(f"{command.name}: exit code {process.returncode}\n{tail}")
    return Cost(wall, usage.ru_utime + usage.ru_stime)


def interleave(
    commands: Sequence[Command], rounds: int, advance: Callable[[], None] = lambda: None
) -> dict[str, list[Cost]]:
    """The commands one after the other, and again; each round begins with another one.

    The first round only warms caches up and writes byte code: it is not counted.
    """
    costs: dict[str, list[Cost]] = {command.name: [] for command in commands}
    for number in range(rounds + 1):
        shift = number % len(commands)
        for command in (*commands[shift:], *commands[:shift]):
            cost = run(command)
            if number:
                costs[command.name].append(cost)
            advance()
    return costs


def spread(values: Sequence[float]) -> Spread:
    """Of at least two values."""
    low, _, high = quantiles(values, n=4, method="inclusive")
    return Spread(min(values), low, median(values), high)


def ratios(costs: Rounds, one: str, other: str, clock: str = "wall") -> Spread:
    """How many times as much one costs as the other in the same round."""
    return spread([a / b for a, b in _pairs(costs, one, other, clock)])


def differences(costs: Rounds, one: str, other: str, clock: str = "wall") -> Spread:
    """How many seconds more one costs than the other in the same round."""
    return spread([a - b for a, b in _pairs(costs, one, other, clock)])


def _pairs(costs: Rounds, one: str, other: str, clock: str) -> list[tuple[float, float]]:
    return [
        (getattr(a, clock), getattr(b, clock))
        for a, b in zip(costs[one], costs[other], strict=True)
    ]
