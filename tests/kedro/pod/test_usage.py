"""What a pod says that it has used, against what the kernel counts for the whole process."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from kedro_airflow_k8s.pod.environment import REASON_VARIABLE
from tests.kedro.pod.kedro_processes import kedro_arguments, pod_environment
from tests.support.airflow_environments import EXAMPLES
from tests.support.kedro_projects import ProjectFolder, project_fixture

__all__ = ["project_fixture"]

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="pods run on Linux")

WITHIN = 0.1
FORKS = """
import os, subprocess, sys
from kedro.pipeline import node, pipeline

FILE = open("unclosed", "w")
CHILD = "x = [bytearray(2**20) for _ in range(300)]; sum(range(20_000_000))"

def start_children():
    FILE.write("flushed")
    subprocess.run([sys.executable, "-c", CHILD], check=True)
    if os.fork() == 0:
        sys.exit(0)
    os.wait()
    return 1

def register_pipelines():
    return {"__default__": pipeline([node(start_children, None, "made", name="start_children")])}
"""


# Small, as the kernel counts the memory of the process that starts another for that one too.
LAUNCHER = """
import json, os, sys, time
start = time.monotonic()
process = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ)
_, status, used = os.wait4(process, 0)
wall = time.monotonic() - start
cpu = used.ru_utime + used.ru_stime
with open("counted", "w") as file:
    json.dump({"memory": used.ru_maxrss * 1024, "cpu": cpu, "wall": wall}, file)
sys.exit(os.waitstatus_to_exitcode(status))
"""


def run(project: Path, *arguments: str) -> tuple[dict[str, float], dict[str, float], str]:
    """Run Kedro as a pod does; return what it has left, what the kernel counts, and the log."""
    launcher = [sys.executable, "-I", "-S", "-c", LAUNCHER]
    done = subprocess.run(
        [*launcher, sys.executable, *kedro_arguments("run", *arguments)],
        cwd=project,
        env=pod_environment({REASON_VARIABLE: str(project / "left")}),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    left, counted = ((project / name).read_text() for name in ("left", "counted"))
    return json.loads(left), json.loads(counted), done.stdout


@pytest.mark.parametrize("node", ["clean_companies", "clean_reviews"])
def test_of_a_short_node_memory_cpu_and_time_are_those_of_the_whole_process(
    tmp_path: Path, node: str
) -> None:
    project = shutil.copytree(
        EXAMPLES / "spaceflights", tmp_path / "project", ignore=shutil.ignore_patterns(".venv*")
    )

    left, counted, log = run(project, f"--nodes=data_processing.{node}")

    for figure, value in counted.items():
        assert left[figure] == pytest.approx(value, rel=WITHIN), figure
    last = log.splitlines()[-1]
    assert re.fullmatch(
        r"Used: \d+ MiB of memory at its peak, [\d.]+ s CPU, [\d.]+ s in all, [\d.]+ MB read, .*",
        last,
    )
    assert f"{left['cpu']:.1f} s CPU, {left['wall']:.1f} s in all" in last


def test_child_processes_count_and_leave_nothing_themselves(project: ProjectFolder) -> None:
    project.registry(FORKS)
    project.write("conf/base/catalog.yml", "")

    left, counted, log = run(project.path)

    for figure, value in counted.items():
        assert left[figure] == pytest.approx(value, rel=WITHIN), figure
    assert left["memory"] > 300 * 2**20
    assert log.count("Used: ") == 1
    assert (project.path / "unclosed").read_text().endswith("flushed")
