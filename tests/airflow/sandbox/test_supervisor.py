"""What runs in the background of a sandbox, after all that can happen to a laptop."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

import psutil
import pytest

from kedro_airflow_k8s.errors import SandboxError
from kedro_airflow_k8s.sandbox import supervisor
from kedro_airflow_k8s.sandbox.folder import SandboxFolder
from kedro_airflow_k8s.sandbox.processes import kill_all
from kedro_airflow_k8s.sandbox.up import find_sandbox, stop_sandbox
from tests.airflow.sandbox.cluster.cluster_client import wait_for
from tests.airflow.sandbox.services_project import command, left_of, make_counting_project, options
from tests.airflow.sandbox.supervised import SLEEP, VERSION, Supervised, supervised

STARTER = """
import sys
from pathlib import Path
from tests.airflow.sandbox.supervised import start
start(Path(sys.argv[1]), "import time; print(1, flush=True); time.sleep(1000)")
"""


def ended_of(kept: Supervised) -> Mapping[str, int]:
    return kept.now().ended


@pytest.fixture(name="kept")
def _kept(tmp_path: Path) -> Iterator[Supervised]:
    with supervised(tmp_path / "project") as kept:
        yield kept


def test_services_run_on_when_the_command_that_started_them_has_ended(tmp_path: Path) -> None:
    project = tmp_path / "project"
    project.mkdir()
    try:
        subprocess.run([sys.executable, "-c", STARTER, project], check=True)
        found = find_sandbox(project)
        assert found is not None
        found.check()
        (scheduler, kubernetes) = found.services
        assert wait_for(scheduler.log.read_text) == "1\n"
        assert "Kubernetes API at http://127.0.0.1" in kubernetes.log.read_text()
        assert psutil.Process(scheduler.pid).terminal() is None
    finally:
        assert stop_sandbox(project, print)
    assert left_of(project) == []


def test_a_sandbox_is_found_until_it_is_stopped(kept: Supervised) -> None:
    found = find_sandbox(kept.project)
    assert found is not None
    found.check()

    said: list[str] = []
    assert stop_sandbox(kept.project, said.append)

    assert len(said) == 1
    assert left_of(kept.project) == []
    assert find_sandbox(kept.project) is None
    assert found.services == ()
    with pytest.raises(SandboxError, match="was stopped"):
        found.check()
    assert not stop_sandbox(kept.project, said.append)
    assert not (kept.project.parent / "short").exists()


@pytest.mark.parametrize("deleted", ["", "state.json"])
def test_a_sandbox_whose_files_are_deleted_ends_by_itself(kept: Supervised, deleted: str) -> None:
    path = kept.folder.path / deleted
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()

    assert kept.supervisor.wait(20) == 0

    assert left_of(kept.project) == []
    assert not (kept.project.parent / "short").exists()
    assert not stop_sandbox(kept.project, print)


def test_a_sandbox_ends_by_itself_when_its_project_is_moved(
    kept: Supervised, tmp_path: Path
) -> None:
    moved = kept.project.rename(tmp_path / "moved")

    assert find_sandbox(moved) is None
    assert kept.supervisor.wait(20) == 0

    assert left_of(kept.project) == []


def test_a_copy_of_the_project_has_no_sandbox_and_does_not_stop_the_other_one(
    kept: Supervised, tmp_path: Path
) -> None:
    ignored = shutil.ignore_patterns("kubernetes")
    copy = shutil.copytree(kept.project, tmp_path / "copy", ignore=ignored)

    assert find_sandbox(copy) is None
    stop_sandbox(copy, print)

    found = find_sandbox(kept.project)
    assert found is not None
    found.check()


def test_a_terminated_supervisor_ends_the_services(kept: Supervised) -> None:
    kept.supervisor.terminate()

    assert kept.supervisor.wait(20) == 0
    assert left_of(kept.project) == []
    found = find_sandbox(kept.project)
    assert found is not None
    assert [service.running for service in found.services] == [False, False]


def test_down_finds_the_services_of_a_supervisor_that_was_killed(kept: Supervised) -> None:
    kept.supervisor.kill()
    kept.supervisor.wait()
    found = find_sandbox(kept.project)
    assert found is not None
    assert [service.running for service in found.services] == [True, False]
    with pytest.raises(SandboxError, match=r"^kubernetes \(process \d+\) of the sandbox does not"):
        found.check()

    assert stop_sandbox(kept.project, print)

    assert left_of(kept.project) == []


def test_how_a_service_ends_is_known(kept: Supervised) -> None:
    pid = kept.state.services["scheduler"]
    os.kill(pid, signal.SIGKILL)

    wait_for(partial(ended_of, kept))

    assert kept.now().ended == {"scheduler": 128 + signal.SIGKILL}
    found = find_sandbox(kept.project)
    assert found is not None
    named = rf"^scheduler \(process {pid}, exit code 137\) of the sandbox does not run"
    with pytest.raises(SandboxError, match=named):
        found.check()


def test_the_log_of_the_last_start_is_kept_and_belongs_to_the_user_alone(tmp_path: Path) -> None:
    project = tmp_path / "project"
    log = SandboxFolder(project).log("scheduler")
    for text in ("one", "two", "three"):
        with supervised(project, f"print('{text}')") as kept:
            wait_for(partial(ended_of, kept))

    assert log.read_text() == "three\n"
    assert log.with_name("scheduler.log.1").read_text() == "two\n"
    assert log.stat().st_mode & 0o077 == 0


def test_where_no_sandbox_ever_was_nothing_is_made(tmp_path: Path) -> None:
    assert find_sandbox(tmp_path) is None
    assert not stop_sandbox(tmp_path, print)
    assert list(tmp_path.iterdir()) == []


def test_after_a_restart_of_the_machine_nothing_is_taken_for_a_service_and_nothing_is_killed(
    kept: Supervised,
) -> None:
    with subprocess.Popen([sys.executable, "-c", SLEEP]) as foreign:
        # The machine has given the number to another process.
        services = {"scheduler": foreign.pid}
        kept.supervisor.kill()
        kill_all(kept.folder.path)
        kept.folder.write_state(kept.state.model_copy(update={"services": services}))
        found = find_sandbox(kept.project)
        assert found is not None
        assert [service.running for service in found.services] == [False]
        with pytest.raises(SandboxError, match=rf"scheduler \(process {foreign.pid}\)"):
            found.check()

        assert stop_sandbox(kept.project, print)

        assert foreign.poll() is None
        foreign.kill()


@pytest.mark.parametrize(
    "text", ["", "{}", "[]", '{"services": {"scheduler": {}}}', '{"services": []}']
)
def test_a_changed_record_is_named_and_down_stops_what_runs(kept: Supervised, text: str) -> None:
    file = kept.folder.state_file
    file.write_text(text)

    with pytest.raises(SandboxError, match=rf"{re.escape(str(file))} .*sandbox down, then"):
        find_sandbox(kept.project)

    assert stop_sandbox(kept.project, print)
    assert left_of(kept.project) == []
    assert find_sandbox(kept.project) is None


@pytest.mark.parametrize("content", [None, "", "[]", '{"password": ["hush"]}'])
def test_a_log_in_that_is_lost_is_named_with_the_way_out_and_not_made_again(
    kept: Supervised, content: str | None
) -> None:
    file = kept.folder.keys_file(VERSION)
    file.unlink()
    if content is None:
        file.parent.rmdir()
    else:
        file.write_text(content)

    with pytest.raises(SandboxError, match=rf"{re.escape(str(file))} any more.* down, ") as caught:
        find_sandbox(kept.project)

    assert "hush" not in str(caught.value)
    assert file.exists() == (content is not None)
    assert stop_sandbox(kept.project, print)
    assert left_of(kept.project) == []


@pytest.mark.parametrize("place", ["", "lock"])
def test_down_names_what_is_in_the_way_of_the_sandboxs_files(tmp_path: Path, place: str) -> None:
    path = tmp_path / ".airflow-sandbox"
    if place:
        (path / place).mkdir(parents=True)
    else:
        path.touch()

    with pytest.raises(SandboxError, match=re.escape(f"cannot use {path}: ")):
        stop_sandbox(tmp_path, print)


def test_down_stops_what_runs_even_where_a_file_cannot_be_deleted(kept: Supervised) -> None:
    kept.folder.kubeconfig.unlink()
    kept.folder.kubeconfig.mkdir()

    with pytest.raises(SandboxError, match=re.escape(str(kept.folder.kubeconfig))):
        stop_sandbox(kept.project, print)

    assert left_of(kept.project) == []


def test_an_interrupted_up_says_that_nothing_runs(tmp_path: Path) -> None:
    project = make_counting_project(tmp_path / "project")
    folder = SandboxFolder(project.path)
    folder.create()
    with folder.lock(print), subprocess.Popen(command("sandbox", "up"), **options(project)) as up:
        assert up.stdout is not None
        # It gets no further than this while the test has the lock.
        waits = next(line for line in up.stdout if "Waiting for another command" in line)

        up.terminate()
        said = waits + up.stdout.read()

    assert up.returncode == 130, said
    assert "Interrupted: the sandbox was not started. Nothing runs that did not run" in said
    assert "Traceback" not in said
    assert left_of(project.path) == []


def test_the_secrets_are_in_no_argument_of_a_process(kept: Supervised) -> None:
    keys = kept.folder.read_keys(VERSION)
    shown = " ".join(psutil.Process(kept.supervisor.pid).cmdline())
    assert json.loads(kept.folder.keys_file(VERSION).read_text()) == keys.model_dump()
    assert not [secret for secret in keys.model_dump().values() if secret in shown]


@pytest.mark.parametrize("name", ["100%", "who?", "$HOME"])
def test_a_folder_that_airflow_would_misread_is_refused(tmp_path: Path, name: str) -> None:
    project = tmp_path / name
    project.mkdir()
    with pytest.raises(SandboxError, match="Rename the folder"):
        SandboxFolder(project).create()
    assert list(project.iterdir()) == []


def test_the_supervisor_starts_without_kedro() -> None:
    code = f"import sys, {supervisor.__name__}; print('kedro' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout == "False\n"
