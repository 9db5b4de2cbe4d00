"""What `sandbox up` leaves in the background, and that `down` ends all of it and nothing else."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from kedro_airflow_k8s.errors import SandboxError
from kedro_airflow_k8s.sandbox import processes
from kedro_airflow_k8s.sandbox.background import (
    BackgroundProcess,
    exit_code,
    start_in_background,
)
from kedro_airflow_k8s.sandbox.processes import ProcessId
from tests.airflow.sandbox.cluster.cluster_client import wait_for

# Starts a child, and a grandchild in a session of its own whose parent is gone.
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


class Background:
    """Commands in the background of a test, all of them gone at its end."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.files = folder / "service"
        self.started: list[BackgroundProcess] = []

    def start(self, code: str) -> BackgroundProcess:
        process = start_in_background(
            [sys.executable, "-c", code], os.environ, self.folder, self.files
        )
        self.started.append(process)
        return process

    @property
    def log(self) -> str:
        return Path(f"{self.files}.log").read_text()

    def family(self) -> tuple[BackgroundProcess, list[psutil.Process]]:
        """A command that runs, and what it has started."""
        process = self.start(FAMILY)
        pids = wait_for(lambda: self.log.split() if self.log.endswith("\n") else None)
        return process, [psutil.Process(int(pid)) for pid in pids]


@pytest.fixture
def background(tmp_path: Path) -> Iterator[Background]:
    made = Background(tmp_path)
    yield made
    for process in made.started:
        process.kill()


def alive(family: list[psutil.Process]) -> list[psutil.Process]:
    return [p for p in family if p.is_running() and p.status() != psutil.STATUS_ZOMBIE]


def test_a_command_runs_on_when_the_one_that_started_it_has_ended(tmp_path: Path) -> None:
    code = (
        "import json, os, pathlib, sys\n"
        "from kedro_airflow_k8s.sandbox.background import start_in_background\n"
        "folder = pathlib.Path(sys.argv[1])\n"
        "command = [sys.executable, '-c', 'import time; print(1, flush=True); time.sleep(1000)']\n"
        "process = start_in_background(command, os.environ, folder, folder / 'service')\n"
        "print(json.dumps(process.to_json()))\n"
    )
    starter = subprocess.run(
        [sys.executable, "-c", code, tmp_path], check=True, capture_output=True, text=True
    )
    process = BackgroundProcess.from_json(json.loads(starter.stdout))
    try:
        assert wait_for((tmp_path / "service.log").read_text) == "1\n"
        assert process.running
        assert psutil.Process(process.main.pid).terminal() is None
    finally:
        process.kill()
    assert not process.running


def test_kill_ends_all_that_a_command_has_started(background: Background) -> None:
    process, family = background.family()

    process.kill()

    assert not process.running
    assert alive(family) == []
    process.kill()  # Twice does no harm.


def test_what_a_command_has_started_ends_with_it_and_the_exit_code_is_known(
    background: Background,
) -> None:
    process, family = background.family()
    assert exit_code(background.files) is None

    process.main.send(signal.SIGKILL)

    assert wait_for(lambda: exit_code(background.files)) == 128 + signal.SIGKILL
    assert not process.running
    assert alive(family) == []


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells the session of a process")
@pytest.mark.parametrize("victims", [("keeper",), ("keeper", "main")])
def test_kill_finds_what_is_left_where_somebody_has_killed_the_first_processes(
    background: Background, victims: tuple[str, ...]
) -> None:
    process, (child, _) = background.family()
    orphan = background.log.split()[1]
    for victim in victims:
        psutil.Process(getattr(process, victim).pid).kill()
        assert getattr(process, victim).ends_within(20)
    assert alive([child]) == [child]

    process.kill()

    assert not process.running
    assert alive([child]) == []
    psutil.Process(int(orphan)).kill()  # In a session of its own, and nobody knows whose it was.


def test_a_process_that_got_the_number_later_is_left_alone(background: Background) -> None:
    process, family = background.family()
    earlier = ProcessId(process.main.pid, f"not {process.main.started}")
    keeper = ProcessId(process.keeper.pid, f"not {process.keeper.started}")

    replace(process, main=earlier, keeper=keeper).kill()

    assert process.running
    assert alive(family) == family


def test_an_end_that_nobody_saw_has_no_exit_code(background: Background) -> None:
    assert exit_code(background.files) is None
    process = background.start("raise SystemExit(3)")
    assert process.keeper.ends_within(20)
    assert exit_code(background.files) == 3


def test_a_command_ends_with_all_it_has_started_when_its_status_file_is_deleted(
    background: Background,
) -> None:
    process, family = background.family()

    Path(f"{background.files}.status").unlink()

    assert process.keeper.ends_within(20)
    assert not process.running
    assert alive(family) == []


def test_a_command_runs_on_when_its_folder_is_moved(background: Background) -> None:
    process = background.start("import time; time.sleep(1000)")
    background.folder.rename(background.folder.with_name("moved"))
    keeper = psutil.Process(process.keeper.pid)
    before = keeper.num_ctx_switches().voluntary

    # It has looked at its file when it waits again, twice to be sure.
    wait_for(lambda: keeper.num_ctx_switches().voluntary > before + 1)

    assert process.keeper.is_alive()
    assert process.running


def test_a_program_that_is_not_there_is_named(background: Background) -> None:
    with pytest.raises(SandboxError, match="/nowhere/airflow: No such file"):
        start_in_background(["/nowhere/airflow"], os.environ, background.folder, background.files)


def test_the_log_of_the_last_start_is_kept_and_belongs_to_the_user_alone(
    background: Background,
) -> None:
    for text in ("one", "two", "three"):
        assert background.start(f"print('{text}')").keeper.ends_within(20)

    assert background.log == "three\n"
    assert Path(f"{background.files}.log.1").read_text() == "two\n"
    assert Path(f"{background.files}.log").stat().st_mode & 0o077 == 0


def test_without_proc_the_ps_command_tells_processes_apart(
    background: Background, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(processes, "_BOOT", tmp_path / "nothing")
    process = background.start("import time; time.sleep(1000)")

    assert process.running
    assert not ProcessId(process.main.pid, "Thu Jan  1 00:00:00 1970").is_alive()
    process.kill()
    assert not process.running
