"""What it saves to group nodes, and to run the smallest pipeline, on examples/spaceflights."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import yaml

from benchmarks.environments import REPOSITORY, child_environment
from benchmarks.errors import BenchmarkError
from benchmarks.results import Section
from kedro_airflow_k8s.pod.environment import CONTRACT, CONTRACT_VARIABLE

EXAMPLE = REPOSITORY / "examples" / "spaceflights"
GROUPINGS = ("none", "memory", "namespace", "pipeline")
NODE = "data_processing.clean_companies"
SMALLEST, WHOLE = "data_processing", "__default__"

GROUPING_NOTE = """\
`kedro airflow-k8s sandbox run` of examples/spaceflights (13 nodes), from start to exit, on this
machine: real Airflow, pods that are processes, one task after another. Median of {rounds} rounds
that take turns. A cluster adds to each pod what it takes to schedule it and to start its
container. `kedro run` in one process: {plain:.1f} s."""
START_NOTE = """\
From the start of the process that a pod runs until its node begins, for `{node}` of
examples/spaceflights, whose pipelines import pandas, one of them scikit-learn. Median of {rounds}
rounds that take turns, byte code compiled."""

# Runs as a hook of the example, in place of the node.
STOPWATCH = """

import os, time
from pathlib import Path
from kedro.framework.hooks import hook_impl


class Stopwatch:
    @hook_impl
    def before_node_run(self):
        Path(os.environ["STOPWATCH"]).write_text(str(time.time()))
        os._exit(0)


HOOKS = (Stopwatch(),)
"""


def grouping_section(folder: Path, rounds: int, advance: Callable[[], None]) -> Section:
    """Pods and time of a whole run, for each way to group."""
    projects = {grouping: _project(folder / grouping, grouping) for grouping in GROUPINGS}
    seconds: dict[str, list[float]] = {grouping: [] for grouping in GROUPINGS}
    pods = {}
    command = (sys.executable, "-m", "kedro", "airflow-k8s", "sandbox", "run")
    for number in range(rounds):
        shift = number % len(GROUPINGS)
        for grouping in (*GROUPINGS[shift:], *GROUPINGS[:shift]):
            taken, output = _timed(command, projects[grouping])
            seconds[grouping].append(taken)
            found = re.search(r"(\d+) pods? ran", output)
            if found is None:
                raise BenchmarkError(f"sandbox run did not say how many pods ran:\n{output}")
            pods[grouping] = found[1]
            advance()
    plain, _ = _timed((sys.executable, "-m", "kedro", "run"), projects["none"])
    base = median(seconds["none"])
    rows = [
        [f"`{name}`", pods[name], f"{median(s):.1f}", f"{median(s) / base:.2f}"]
        for name, s in seconds.items()
    ]
    return Section(
        "Grouping",
        [GROUPING_NOTE.format(rounds=rounds, plain=plain)],
        ["grouping", "pods, with that of data_volume_init", "seconds", "of `none`"],
        rows,
        [],
    )


def start_section(folder: Path, rounds: int, advance: Callable[[], None]) -> Section:
    """Time until a node begins, with the smallest pipeline and with the whole."""
    project = _project(folder, "none")
    with (project / "src/spaceflights/settings.py").open("a", encoding="utf-8") as settings:
        settings.write(STOPWATCH)
    compiled = (sys.executable, "-m", "compileall", "-q", "src")
    subprocess.run(compiled, cwd=project, env=child_environment(), check=True)
    found: dict[str, list[float]] = {SMALLEST: [], WHOLE: []}
    for _ in range(rounds):
        for pipeline, taken in found.items():
            options = ("run", f"--pipelines={pipeline}", f"--nodes={NODE}")
            watch = folder / "stopwatch"
            begin = time.time()
            _timed(
                (sys.executable, "-m", "kedro_airflow_k8s.pod", *options),
                project,
                **{CONTRACT_VARIABLE: CONTRACT, "STOPWATCH": str(watch)},
            )
            taken.append(float(watch.read_text()) - begin)
            advance()
    base = median(found[WHOLE])
    rows = [
        [f"`{name}`", f"{median(s):.2f}", f"{median(s) / base:.2f}"] for name, s in found.items()
    ]
    return Section(
        "From the start of a pod to the start of its node",
        [START_NOTE.format(node=NODE, rounds=rounds)],
        ["pipeline", "seconds", f"of `{WHOLE}`"],
        rows,
        [],
    )


def _project(folder: Path, grouping: str) -> Path:
    """A copy of the example, grouped so."""
    without = shutil.ignore_patterns("__pycache__", "dags", "0[2-8]_*", ".airflow-sandbox")
    shutil.copytree(EXAMPLE, folder, ignore=without)
    path = folder / "conf/base/airflow-k8s.yaml"
    config = yaml.safe_load(path.read_text(encoding="utf-8"))
    config["run_config"]["grouping"] = grouping
    path.write_text(yaml.safe_dump(config), encoding="utf-8")
    return folder


def _timed(command: tuple[str, ...], project: Path, **variables: str) -> tuple[float, str]:
    start = time.perf_counter()
    done = subprocess.run(
        command,
        cwd=project,
        env=child_environment(**variables),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    taken = time.perf_counter() - start
    if done.returncode:
        raise BenchmarkError(f"{' '.join(command[-3:])} failed:\n{done.stdout[-2000:]}")
    return taken, done.stdout
