"""The DAG of kedro-airflow in the same Airflow: its tasks run on the worker, without pods."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.environments import child_environment
from benchmarks.errors import BenchmarkError
from benchmarks.runs import FinishedRun, Place, when_ended
from kedro_airflow_k8s.airflow_api import AirflowClient


def rival_run(place: Place, folder: Path) -> FinishedRun:
    """Run the DAG that kedro-airflow creates of the project, grouped by memory, and time it.

    Args:
        place: Where it runs, and its project.
        folder: Where its DAG is made.

    Raises:
        BenchmarkError: It cannot be created, or its run fails.
    """
    create = [sys.executable, "-m", "kedro", "airflow", "create"]
    done = subprocess.run(
        [*create, "--group-by", "memory", "--target-dir", str(folder)],
        cwd=place.project,
        env=child_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise BenchmarkError(f"kedro airflow create failed:\n{done.stdout[-2000:]}{done.stderr}")
    (file,) = folder.glob("*.py")
    # Airflow runs elsewhere than in the project, whose package is not installed there.
    path = str(place.project)
    code = file.read_text("utf-8").replace("Path.cwd()", f"Path({path!r})")
    # It names a task after all its nodes; Airflow allows 250 characters.
    for number, task_id in enumerate(re.findall(r'task_id="(.{250,})"', code)):
        code = code.replace(f'"{task_id}"', f'"group-{number}"')
    start = f"import sys\n\nsys.path.insert(0, {path + '/src'!r})\n"
    (place.dags / file.name).write_text(code.replace("\n\n", f"\n\n{start}", 1), "utf-8")
    found = re.search(r'dag_id="(.+?)"', code)
    assert found is not None, "the template has it"
    return _first_run(place.client(), found[1], file.name)


def _first_run(client: AirflowClient, dag_id: str, file: str) -> FinishedRun:
    """Let the schedule `@once` start a run, and return it at its end."""
    while client.find_dag(dag_id) is None:
        if error := client.import_error(file):
            raise BenchmarkError(f"Airflow cannot import {file}:\n{error}")
        time.sleep(0.5)
    client.set_paused(dag_id, False)
    while not (runs := client.newest_runs(dag_id)):
        time.sleep(0.2)
    done = when_ended(client, dag_id, runs[0].run_id)
    states = {name: task.state for name, task in client.task_states(dag_id, done.run_id).items()}
    if set(states.values()) != {"success"}:
        raise BenchmarkError(f"tasks of the DAG of kedro-airflow have not succeeded: {states}")
    return done
