"""All processes of a sandbox are found and killed, and no others."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from kedro_airflow_k8s.errors import SandboxError
from kedro_airflow_k8s.sandbox import processes
from kedro_airflow_k8s.sandbox.processes import environment_of, kill_all, runs
from tests.airflow.sandbox.cluster.cluster_client import wait_for

SLEEP = "import time; time.sleep(1000)"
# Starts a child, and a grandchild in a session of its own whose parent has ended.
FAMILY = """
import subprocess, sys
sleep = [sys.executable, "-c", "import time; time.sleep(1000)"]
orphan = (
    "import subprocess as s;"
    "print(s.Popen(%r, start_new_session=True, stdout=s.DEVNULL).pid)"
)
child = subprocess.Popen(sleep)
made = subprocess.run([sys.executable, "-c", orphan % sleep], stdout=subprocess.PIPE, text=True)
print(child.pid, made.stdout.strip(), flush=True)
child.wait()
"""
# Starts a process with another environment, as a pod has, which ends when its stdin does.
POD = """
import subprocess, sys
pod = [sys.executable, "-c", "import sys; sys.stdin.read(); open(sys.argv[1], 'w').close()"]
child = subprocess.Popen([*pod, sys.argv[1]], stdin=subprocess.PIPE, env={})
print(child.pid, flush=True)
child.wait()
"""


class Processes:
    """Processes that a test has started for sandboxes, all of them gone at its end."""

    def __init__(self) -> None:
        self.started: list[subprocess.Popen[str]] = []
        self.children: list[psutil.Process] = []

    def start(self, folder: Path, code: str, *arguments: str | Path) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", code, *arguments],
            env={**os.environ, **environment_of(folder)},
            stdout=subprocess.PIPE,
            text=True,
        )
        self.started.append(process)
        return process

    def children_of(self, process: subprocess.Popen[str]) -> list[psutil.Process]:
        """Read the ids that a process prints."""
        assert process.stdout is not None
        found = [psutil.Process(int(pid)) for pid in process.stdout.readline().split()]
        self.children += found
        return found


@pytest.fixture(name="mine")
def _mine() -> Iterator[Processes]:
    mine = Processes()
    yield mine
    for child in alive(mine.children):
        child.kill()
    for process in mine.started:
        process.kill()
        process.communicate()


def alive(family: list[psutil.Process]) -> list[psutil.Process]:
    return [p for p in family if p.is_running() and p.status() != psutil.STATUS_ZOMBIE]


def test_all_that_was_started_is_killed_also_where_the_parent_has_ended(
    mine: Processes, tmp_path: Path
) -> None:
    parent = mine.start(tmp_path, FAMILY)
    family = mine.children_of(parent)
    assert runs(parent.pid, tmp_path)
    assert len(alive(family)) == 2

    assert kill_all(tmp_path)

    assert alive(family) == []
    # A zombie, since this process has not collected it.
    assert not runs(parent.pid, tmp_path)
    assert not kill_all(tmp_path)


def test_what_is_left_by_a_process_that_was_killed_is_found(
    mine: Processes, tmp_path: Path
) -> None:
    parent = mine.start(tmp_path, FAMILY)
    family = mine.children_of(parent)
    parent.kill()
    parent.wait()
    assert len(alive(family)) == 2

    assert kill_all(tmp_path)

    assert alive(family) == []


def test_processes_of_others_are_left_alone(mine: Processes, tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "other"):
        mine.start(folder, FAMILY)
    ours, others = (mine.children_of(process) for process in mine.started)
    theirs = mine.started[1]
    # As if the machine had given this number to another process since.
    assert not runs(theirs.pid, tmp_path)
    assert not runs(os.getpid(), tmp_path)

    assert kill_all(tmp_path)

    assert alive(ours) == []
    assert theirs.poll() is None
    assert alive(others) == others


def test_pods_end_by_themselves_and_are_waited_for(mine: Processes, tmp_path: Path) -> None:
    ended = tmp_path / "ended"
    pods = mine.children_of(mine.start(tmp_path, POD, ended))

    assert kill_all(tmp_path)

    assert alive(pods) == []
    assert ended.exists()


def test_a_process_that_does_not_end_is_named(
    mine: Processes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "_KILL_SECONDS", 0.5)
    stubborn = POD.replace("sys.stdin.read()", "__import__('time').sleep(1000)")
    (pod,) = mine.children_of(mine.start(tmp_path, stubborn, tmp_path / "ended"))

    with pytest.raises(SandboxError, match=f"do not end: .*{pod.pid}"):
        kill_all(tmp_path)


def test_a_process_that_changes_its_title_is_found(mine: Processes, tmp_path: Path) -> None:
    # Airflow does that; it is written over the environment that other processes see.
    code = f"import setproctitle; setproctitle.setproctitle('x' * 5000); print(0); {SLEEP}"
    process = mine.start(tmp_path, code.replace("print(0)", "print(0, flush=True)"))
    assert process.stdout is not None
    process.stdout.readline()

    assert runs(process.pid, tmp_path)
    assert kill_all(tmp_path)
    assert wait_for(lambda: process.poll() is not None)
