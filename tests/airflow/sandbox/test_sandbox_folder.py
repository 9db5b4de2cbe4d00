"""What is known of a sandbox that was started, after all that can happen to a laptop."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import pytest

from kedro_airflow_k8s.errors import SandboxError
from kedro_airflow_k8s.sandbox.airflow_server import Keys
from kedro_airflow_k8s.sandbox.background import BackgroundProcess, start_in_background
from kedro_airflow_k8s.sandbox.folder import SandboxFolder, SandboxState, write_private
from kedro_airflow_k8s.sandbox.processes import ProcessId
from kedro_airflow_k8s.sandbox.services import find_sandbox, stop_sandbox
from tests.airflow.sandbox.services_project import command, left_of, make_counting_project, options

VERSION = "3.3.2"


@dataclass(frozen=True)
class Kept:
    """A project with one service of a sandbox: a process that does nothing."""

    project: Path
    service: BackgroundProcess

    def forget(self, service: BackgroundProcess) -> None:
        """Let another process be the one that was started."""
        folder = SandboxFolder(self.project)
        state = folder.read_state()
        assert state is not None
        folder.write_state(replace(state, services={"scheduler": service}))


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[Kept]:
    project = tmp_path / "project"
    project.mkdir()
    folder = SandboxFolder(project)
    folder.create()
    folder.airflow_home(VERSION).mkdir()
    write_private(folder.keys_file(VERSION), json.dumps(asdict(Keys.random())))
    service = start_in_background(
        [sys.executable, "-c", "import time; time.sleep(1000)"],
        os.environ,
        folder.path,
        folder.service("scheduler"),
    )
    (tmp_path / "short").mkdir()
    state = SandboxState(
        project=str(project),
        python=sys.executable,
        version=VERSION,
        port=8080,
        connection="kubernetes_default",
        home="/home/kedro",
        secrets="",
        temporary=str(tmp_path / "short"),
        services={"scheduler": service},
    )
    folder.write_state(state)
    yield Kept(project, service)
    service.kill()


def test_a_sandbox_is_found_until_it_is_stopped(kept: Kept) -> None:
    found = find_sandbox(kept.project)
    assert found is not None
    found.check()

    said: list[str] = []
    assert stop_sandbox(kept.project, said.append)

    assert len(said) == 1
    assert not kept.service.running
    assert find_sandbox(kept.project) is None
    assert found.services == ()
    with pytest.raises(SandboxError, match="was stopped"):
        found.check()
    assert not stop_sandbox(kept.project, said.append)
    assert not (kept.project.parent / "short").exists()


def test_a_sandbox_whose_folder_is_deleted_ends_by_itself(kept: Kept) -> None:
    shutil.rmtree(kept.project / ".airflow-sandbox")

    assert not stop_sandbox(kept.project, print)

    assert kept.service.keeper.ends_within(20)
    assert not kept.service.running


def test_down_ends_what_runs_without_a_record(kept: Kept) -> None:
    (kept.project / ".airflow-sandbox/state.json").unlink()
    said: list[str] = []

    assert stop_sandbox(kept.project, said.append)

    assert said == ["What ran without a record in state.json ends now."]
    assert kept.service.keeper.ends_within(20)
    assert not kept.service.running
    assert not stop_sandbox(kept.project, said.append)


def test_where_no_sandbox_ever_was_nothing_is_made(tmp_path: Path) -> None:
    assert find_sandbox(tmp_path) is None
    assert not stop_sandbox(tmp_path, print)
    assert list(tmp_path.iterdir()) == []


def test_after_a_restart_of_the_machine_nothing_is_taken_for_a_service_and_nothing_is_killed(
    kept: Kept,
) -> None:
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(1000)"]) as foreign:
        # The machine has given the numbers to another process.
        earlier = ProcessId(foreign.pid, "before the restart")
        kept.forget(BackgroundProcess(earlier, earlier, kept.service.folder))
        found = find_sandbox(kept.project)
        assert found is not None
        assert [service.running for service in found.services] == [False]
        with pytest.raises(SandboxError, match=rf"scheduler \(process {foreign.pid}\)"):
            found.check()

        assert stop_sandbox(kept.project, print)

        assert foreign.poll() is None
        foreign.kill()


def test_a_project_that_was_moved_while_its_sandbox_ran_can_only_stop_it(
    kept: Kept, tmp_path: Path
) -> None:
    moved = kept.project.rename(tmp_path / "moved")

    places = f"from {re.escape(str(kept.project))} to {re.escape(str(moved))}"
    with pytest.raises(SandboxError, match=places):
        find_sandbox(moved)
    assert kept.service.running

    assert stop_sandbox(moved, print)
    assert not kept.service.running


def test_a_file_that_says_nothing_sensible_is_named(kept: Kept) -> None:
    file = kept.project / ".airflow-sandbox/state.json"
    for text in ("", "{}", "[]", '{"services": {"scheduler": {}}}', '{"services": []}'):
        file.write_text(text)
        with pytest.raises(SandboxError, match=rf"{re.escape(str(file))} .*Delete it, then"):
            find_sandbox(kept.project)


@pytest.mark.parametrize("content", [None, "", "[]", '{"password": "hush"}'])
def test_a_log_in_that_is_lost_is_named_with_the_way_out_and_not_made_anew(
    kept: Kept, content: str | None
) -> None:
    folder = SandboxFolder(kept.project)
    file = folder.keys_file(VERSION)
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
    assert not kept.service.running


@pytest.mark.parametrize("place", ["", "lock"])
def test_down_names_what_is_in_the_way_of_the_sandboxs_files(tmp_path: Path, place: str) -> None:
    path = tmp_path / ".airflow-sandbox"
    if place:
        (path / place).mkdir(parents=True)
    else:
        path.touch()

    with pytest.raises(SandboxError, match=re.escape(f"cannot use {path}: ")):
        stop_sandbox(tmp_path, print)


def test_down_stops_what_runs_even_where_a_file_cannot_be_deleted(kept: Kept) -> None:
    kubeconfig = kept.project / ".airflow-sandbox/kubeconfig"
    kubeconfig.mkdir()

    with pytest.raises(SandboxError, match=re.escape(str(kubeconfig))):
        stop_sandbox(kept.project, print)

    assert not kept.service.running


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


@pytest.mark.parametrize("name", ["100%", "who?", "$HOME"])
def test_a_folder_that_airflow_would_misread_is_refused(tmp_path: Path, name: str) -> None:
    project = tmp_path / name
    project.mkdir()
    with pytest.raises(SandboxError, match="Rename the folder"):
        SandboxFolder(project).create()
    assert list(project.iterdir()) == []
