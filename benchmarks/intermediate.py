"""Data handed from task to task: the plugin's dataset against `pickle.dump` of the same object."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchmarks.environments import REPOSITORY, child_environment
from benchmarks.errors import BenchmarkError
from benchmarks.results import Section, Verdict

MEGABYTES, QUICK_MEGABYTES = 1000, 50
PICKLE, SYNCED, PLUGIN, NOTHING = "pickle", "pickle+fsync", "plugin", "nothing"
WAYS = (PICKLE, SYNCED, PLUGIN)
TITLES = {
    PICKLE: "`pickle.dump`, `pickle.load`",
    SYNCED: "the same, until the disk has it (fsync)",
    PLUGIN: "the plugin's dataset, which waits for the disk",
}
# Two processes never need the same to the byte.
TIME_RATIO, MEMORY_RATIO = 1.0, 1.01

NOTE = """\
A pandas DataFrame of random floats in 16 columns is saved by one process and loaded by another, on
this machine's disk. Seconds: the call alone, by the clock, best and median of {rounds} rounds that
take turns. The loads read what the system still has in memory. MB of 1,000,000 bytes: peak memory
of the process, less that of one that imports the same and makes the DataFrame (save) or none
(load).
The plugin's dataset writes to another name, waits until the disk has the data, and renames."""


@dataclass(frozen=True)
class Step:
    """What one process took: seconds of the call, and peak memory of the process in bytes."""

    seconds: float
    peak: int


def intermediate_section(
    folder: Path, rounds: int, advance: Callable[[], None], quick: bool = False
) -> Section:
    """Time and memory of handing a large DataFrame on."""
    megabytes = QUICK_MEGABYTES if quick else MEGABYTES
    folder.mkdir(parents=True)
    found: dict[tuple[str, str], list[Step]] = {}
    for number in range(rounds):
        shift = number % len(WAYS)
        for way in (*WAYS[shift:], *WAYS[:shift], NOTHING):
            place = folder / way
            place.mkdir(exist_ok=True)
            for step in ("save", "load"):
                found.setdefault((step, way), []).append(_step(step, way, place, megabytes))
            for file in place.iterdir():
                file.unlink()
            advance()
    extra = {
        key: median(step.peak for step in steps)
        - median(step.peak for step in found[key[0], NOTHING])
        for key, steps in found.items()
    }
    rows = [
        [
            TITLES[way],
            *(_seconds(found[step, way]) for step in ("save", "load")),
            *(f"{extra[step, way] / 1e6:.0f}" for step in ("save", "load")),
        ]
        for way in WAYS
    ]
    took = {
        way: sum(median(s.seconds for s in found[step, way]) for step in ("save", "load"))
        for way in WAYS
    }
    size = f"{megabytes / 1000:g} GB of pandas data passed on"
    peaks = {way: megabytes * 1e6 + extra["save", way] for way in WAYS}
    verdicts = [
        Verdict(
            f"{size}, time / pickle with fsync", took[PLUGIN] / took[SYNCED], TIME_RATIO, "of it"
        ),
        Verdict(
            f"{size}, peak memory of saving / pickle",
            peaks[PLUGIN] / peaks[PICKLE],
            MEMORY_RATIO,
            "of it",
        ),
        Verdict(
            f"{size}, peak memory of loading / pickle",
            extra["load", PLUGIN] / extra["load", PICKLE],
            MEMORY_RATIO,
            "of it",
        ),
    ]
    header = ["way", "save, s", "load, s", "save, MB more", "load, MB"]
    return Section(size, [NOTE.format(rounds=rounds)], header, rows, verdicts)


def _seconds(steps: list[Step]) -> str:
    taken = [step.seconds for step in steps]
    return f"{min(taken):.2f}, {median(taken):.2f}"


def _step(step: str, way: str, folder: Path, megabytes: int) -> Step:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.hand_on", step, way, str(folder), str(megabytes)],
        cwd=REPOSITORY,
        env=child_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise BenchmarkError(f"{step} by {way} failed:\n{done.stderr[-2000:]}")
    seconds, peak = json.loads(done.stdout)
    return Step(seconds, peak)
