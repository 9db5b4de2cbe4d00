"""`sandbox up`, `status` and `down` as a person types them, on Airflow 3 and on Airflow 2.11."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import sqlite3
import stat
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from kedro_airflow_k8s.sandbox.locks import is_free
from kedro_airflow_k8s.sandbox.up import Sandbox, Service, stop_sandbox
from tests.airflow.sandbox.cluster.cluster_client import wait_for
from tests.airflow.sandbox.services_project import (
    Rest,
    alive,
    call,
    command,
    left_of,
    make_counting_project,
    options,
    processes_of,
    sandbox_of,
    start_with,
)
from tests.support.airflow_environments import AIRFLOW_PYTHONS
from tests.support.kedro_projects import ProjectFolder


@dataclass(frozen=True)
class Started:
    """A project whose sandbox was started, and what the two commands that did it have said."""

    project: ProjectFolder
    said: tuple[str, str]

    @property
    def sandbox(self) -> Sandbox:
        return sandbox_of(self.project)

    def services(self) -> dict[str, Service]:
        return {service.name: service for service in self.sandbox.services}


@pytest.fixture(scope="module", params=AIRFLOW_PYTHONS)
def started(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Started]:
    """A sandbox of each Airflow, in a folder with a blank; two people start it at once."""
    project = make_counting_project(tmp_path_factory.mktemp("a user's folder") / "project")
    up = command("sandbox", "up", "--airflow-python", request.param)
    try:
        both = [subprocess.Popen(up, **options(project)) for _ in range(2)]
        said = [process.communicate()[0] for process in both]
        assert [process.returncode for process in both] == [0, 0], "\n".join(said)
        yield Started(project, (said[0], said[1]))
    finally:
        stop_sandbox(project.path, print)


def run_once(started: Started, dag_id: str) -> str:
    """Run the pipeline to success under a DAG id of its own, and return the id of the run."""
    options = ("-p", "counting", "-d", dag_id, "-w", "10")
    ran = call(started.project, "run-once", "--sandbox", *options)

    assert ran.returncode == 0, ran.stdout
    (run_id,) = Rest(started.sandbox).states(dag_id)
    assert Rest(started.sandbox).states(dag_id) == {run_id: "success"}
    return run_id


def test_up_says_where_airflow_is_and_how_to_log_in(started: Started) -> None:
    sandbox = started.sandbox

    for said in started.said:
        assert f"Web page: {sandbox.host}\n" in said
        assert f"DAG folder: {sandbox.output}\n" in said
        assert f"Log in as {sandbox.username} with the password {sandbox.password}\n" in said
    assert Rest(sandbox).get("dags", password="wrong").status_code in (401, 403)
    assert sandbox.password not in repr(sandbox)


def test_the_web_page_takes_the_password(started: Started) -> None:
    rest = Rest(started.sandbox)

    assert rest.signs_in(started.sandbox.password)
    assert not rest.signs_in("wrong")


def test_two_ups_at_once_and_one_more_start_everything_once(started: Started) -> None:
    # Whichever came first has started it, and the other has waited.
    assert sum("The sandbox is already running." in said for said in started.said) == 1
    before = started.services()

    again = call(started.project, "sandbox", "up")

    assert again.returncode == 0, again.stdout
    assert "The sandbox is already running." in again.stdout
    assert started.services() == before


def test_status_shows_the_services_and_that_all_run(started: Started) -> None:
    shown = call(started.project, "sandbox", "status")

    assert shown.returncode == 0, shown.stdout
    for service in started.services().values():
        assert f"{service.name}: running, process {service.pid}" in shown.stdout
    assert "kubernetes" in started.services()


def test_the_sandbox_is_for_this_user_on_this_machine_alone(started: Started) -> None:
    listening = [
        connection.laddr.ip
        for process in processes_of(started.sandbox)
        for connection in process.net_connections()
        if connection.status == psutil.CONN_LISTEN
    ]
    assert set(listening) == {"127.0.0.1"}
    folder = started.project.path / ".airflow-sandbox"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    secret = [started.sandbox.password.encode(), b'"token":']
    for file in folder.rglob("*"):
        if file.is_file() and any(text in file.read_bytes() for text in secret):
            assert stat.S_IMODE(file.stat().st_mode) == 0o600, file


def test_git_does_not_see_the_sandbox(started: Started) -> None:
    git = ["git", "-C", str(started.project.path)]
    subprocess.run([*git, "init", "-q"], check=True)
    seen = subprocess.run(
        [*git, "status", "--porcelain", "-uall"], check=True, capture_output=True, text=True
    )
    shutil.rmtree(started.project.path / ".git")
    assert "pyproject.toml" in seen.stdout
    assert ".airflow-sandbox" not in seen.stdout


def test_a_dag_runs_to_success_with_the_projects_present_code(started: Started) -> None:
    # The pods' image was made before this.
    module = started.project.path / "src/shop/pipelines/counting/__init__.py"
    module.write_text(module.read_text().replace("[1, 2, 3]", "[1, 2, 3, 40]"))

    run_id = run_once(started, "changed")

    rest = Rest(started.sandbox)
    assert "THE TOTAL IS 46" in rest.log("changed", run_id, "add")

    # A run without an upload, as those of the schedule are.
    module.write_text(module.read_text().replace("40]", "400]"))
    ran = call(started.project, "trigger", "--sandbox", "-d", "changed", "-w", "10")

    assert ran.returncode == 0, ran.stdout
    (next_id,) = rest.states("changed").keys() - {run_id}
    log = rest.log("changed", next_id, "add")
    assert "THE TOTAL IS 406" in log
    assert "Sandbox: the pod runs the project as of 20" in log


def test_a_service_that_is_killed_is_named_by_status_and_started_again_by_up(
    started: Started,
) -> None:
    sandbox, before = started.sandbox, started.services()
    os.kill(before["scheduler"].pid, signal.SIGKILL)
    wait_for(lambda: started.services()["scheduler"].exit_code)

    shown = call(started.project, "sandbox", "status")

    assert shown.returncode == 1, shown.stdout
    assert f"Error: scheduler (process {before['scheduler'].pid}, exit code 137)" in shown.stdout
    assert "sandbox up` starts the sandbox again" in shown.stdout
    assert str(before["scheduler"].log) in shown.stdout
    assert "Traceback (most recent call last)" not in shown.stdout

    repaired = call(started.project, "sandbox", "up")

    assert repaired.returncode == 0, repaired.stdout
    assert "The sandbox runs without scheduler" in repaired.stdout
    after = started.services()
    assert after.keys() == before.keys()
    assert not {s.pid for s in after.values()} & {s.pid for s in before.values()}
    assert all(service.running for service in after.values())
    assert started.sandbox.host == sandbox.host
    assert started.sandbox.password == sandbox.password


def test_another_connection_or_python_is_refused_while_the_sandbox_runs(
    started: Started, tmp_path: Path
) -> None:
    other = shutil.copy(shutil.which("true") or "", tmp_path / "python")
    refused = call(started.project, "sandbox", "up", "--airflow-python", other)
    assert refused.returncode == 1, refused.stdout
    assert f"another value of the Python with Airflow: {started.sandbox.state.spec.python}" in (
        refused.stdout
    )
    started.project.config("run_config: {kubernetes_conn_id: elsewhere}", env="other")
    refused = call(started.project, "-e", "other", "run-once", "--sandbox", "-p", "counting")
    assert refused.returncode == 1, refused.stdout
    assert "another value of run_config.kubernetes_conn_id: kubernetes_default" in refused.stdout
    assert all(service.running for service in started.services().values())


def test_two_projects_have_a_sandbox_each_and_down_stops_one_of_them(
    started: Started, tmp_path: Path
) -> None:
    first = processes_of(started.sandbox)
    project = make_counting_project(tmp_path / "other")
    try:
        up = call(project, "sandbox", "up", "--airflow-python", started.sandbox.state.spec.python)
        assert up.returncode == 0, up.stdout
        second = sandbox_of(project)
        assert second.host != started.sandbox.host
        assert second.password != started.sandbox.password
        assert Rest(second).get("dags").json()["dags"] == []
        own = processes_of(second)
        assert own.isdisjoint(first)

        down = call(project, "sandbox", "down")
    finally:
        stop_sandbox(project.path, print)

    assert down.returncode == 0, down.stdout
    assert alive(own) == set()
    assert left_of(project.path) == []
    assert is_free(int(second.host.rpartition(":")[2]))
    # Those that Airflow starts and ends by itself, to look at a file say, come and go.
    assert {psutil.Process(service.pid) for service in started.services().values()} <= alive(first)
    again = call(project, "sandbox", "down")
    assert again.returncode == 0
    assert "is not running" in again.stdout


def test_what_has_run_is_still_there_after_down_and_up_and_what_had_not_ended_has_failed(
    started: Started,
) -> None:
    before = started.sandbox
    run_id = run_once(started, "kept")
    (started.project.path / ".airflow-sandbox/dags/mine.txt").touch()
    assert stop_sandbox(started.project.path, print)
    (database,) = (started.project.path / ".airflow-sandbox").glob("airflow-*/airflow.db")
    with contextlib.closing(sqlite3.connect(database)) as records, records:
        # As if the run were under way: to stop one in the middle takes much longer.
        records.execute(
            "UPDATE dag_run SET state = 'running', end_date = NULL WHERE dag_id = 'kept'"
        )
        records.execute(
            "UPDATE task_instance SET state = 'running' WHERE task_id = 'add' AND dag_id = 'kept'"
        )

    python = before.state.spec.python
    up = call(started.project, "sandbox", "up", "--airflow-python", python)

    assert up.returncode == 0, up.stdout
    assert "1 DAG run that did not end" in up.stdout
    assert started.sandbox.password == before.password
    assert Rest(started.sandbox).states("kept") == {run_id: "failed"}
    tasks = Rest(started.sandbox).task_states("kept", run_id)
    assert (tasks["make"], tasks["add"]) == ("success", "failed")
    assert (started.sandbox.output / "mine.txt").exists()


def test_a_service_that_cannot_start_is_named_with_its_log_and_nothing_is_left(
    tmp_path: Path,
) -> None:
    project = make_counting_project(tmp_path / "project")

    up = start_with(project, AIRFLOW__CORE__EXECUTOR="NoSuchExecutor")

    assert up.returncode == 1, up.stdout
    assert re.search(r"cannot start: [\w-]+ has ended with exit code 1", up.stdout)
    assert "NoSuchExecutor" in up.stdout
    assert left_of(project.path) == []
    folder = project.path / ".airflow-sandbox"
    assert not (folder / "state.json").exists()
    assert not (folder / "kubernetes").exists()
    assert (folder / "logs/scheduler.log").exists()
