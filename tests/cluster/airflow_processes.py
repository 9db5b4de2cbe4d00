"""The processes of the tests' Airflow, which is the sandbox's, to be killed."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil

from kedro_airflow_k8s.sandbox.folder import SandboxFolder, SandboxState
from kedro_airflow_k8s.sandbox.processes import runs
from tests.cluster.runs import Airflow
from tests.support.waiting import wait_until

_started: dict[Path, dict[str, int]] = {}
"""The services that these tests have started, by the project of their sandbox."""


def kill_task(airflow: Airflow, run_id: str, task_id: str) -> None:
    """Kill the process that executes a task, as soon as there is one."""
    wait_until(lambda: _kill_task(airflow, run_id, task_id), f"a process of {task_id}")


def _kill_task(airflow: Airflow, run_id: str, task_id: str) -> bool:
    wanted = {f"run_id={run_id}", f"task_id={task_id}"}
    for worker in _processes(airflow):
        with suppress(psutil.Error):  # It has ended meanwhile.
            # What watches over the process writes the log of the task.
            if any(wanted <= {*Path(file.path).parts} for file in worker.open_files()):
                for process in worker.children():
                    process.kill()
                    return True
    return False


def restart(airflow: Airflow, service: str) -> None:
    """Kill a service of Airflow, without a chance to clean up, and start another."""
    first, *_ = (process for process in _processes(airflow) if service in process.cmdline())
    python, environment, folder = first.cmdline()[0], first.environ(), first.cwd()
    first.kill()
    first.wait()
    sandbox = SandboxFolder(airflow.project.path)
    wait_until(lambda: service in _state(sandbox).ended, f"a record of the end of the {service}")
    with sandbox.log(service).open("ab") as log:
        new = subprocess.Popen(
            # What the sandbox starts as its scheduler fails the runs that have not ended.
            [python, "-m", "airflow", service, "--skip-serve-logs"],
            env=environment,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    # Commands of the plugin refuse a sandbox of which a service has ended.
    state = _state(sandbox)
    # When it records an end, the sandbox forgets which services were started here.
    others = _started.setdefault(airflow.project.path, {})
    others[service] = new.pid
    services = {**state.services, **others}
    sandbox.write_state(state.model_copy(update={"ended": {}, "services": services}))


def _state(sandbox: SandboxFolder) -> SandboxState:
    state = sandbox.read_state()
    assert state is not None
    return state


def _processes(airflow: Airflow) -> Iterator[psutil.Process]:
    folder = SandboxFolder(airflow.project.path).path
    return (process for process in psutil.process_iter() if runs(process.pid, folder))
