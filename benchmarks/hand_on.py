"""One step of the measurement in `intermediate.py`, in a process of its own.

Usage: hand_on.py save|load pickle|pickle+fsync|plugin|nothing FOLDER MEGABYTES
Prints JSON: seconds of the step, peak memory of the process in bytes.
"""

from __future__ import annotations

import json
import os
import pickle
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd  # type: ignore[import-untyped]

from kedro_airflow_k8s.pod.intermediate_data import IntermediateDataset

COLUMNS = 16


def make_frame(megabytes: int) -> Any:
    """Numbers that no storage compresses, in as many columns as a usual table has."""
    rows = megabytes * 1_000_000 // COLUMNS // 8
    numbers = np.random.default_rng(0).random((rows, COLUMNS))
    columns = [f"column_{number}" for number in range(COLUMNS)]
    # Without a copy, which would hide what saving takes.
    return pd.DataFrame(numbers, columns=columns, copy=False)


def save_pickle(frame: Any, folder: Path, sync: bool) -> None:
    """What a user writes by hand."""
    with (folder / "frame.pickle").open("wb") as file:
        pickle.dump(frame, file)
        if sync:
            file.flush()
            os.fsync(file.fileno())


def load_pickle(folder: Path) -> Any:
    """The other end of it."""
    with (folder / "frame.pickle").open("rb") as file:
        return pickle.load(file)


def main() -> None:
    step, how, where, megabytes = sys.argv[1:]
    folder = Path(where)
    dataset = IntermediateDataset("frame", where)
    saves: dict[str, Callable[[Any], None]] = {
        "pickle": lambda frame: save_pickle(frame, folder, False),
        "pickle+fsync": lambda frame: save_pickle(frame, folder, True),
        "plugin": dataset.save,
        "nothing": lambda _: None,
    }
    loads: dict[str, Callable[[], Any]] = {
        "pickle": lambda: load_pickle(folder),
        "pickle+fsync": lambda: load_pickle(folder),
        "plugin": dataset.load,
        "nothing": lambda: make_frame(0),
    }
    frame: Any = make_frame(int(megabytes)) if step == "save" else None
    start = time.perf_counter()
    if step == "save":
        saves[how](frame)
    else:
        frame = loads[how]()
    seconds = time.perf_counter() - start
    # Linux counts in KiB, macOS in bytes.
    unit = 1 if sys.platform == "darwin" else 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    print(json.dumps([seconds, peak]))


if __name__ == "__main__":
    main()
