"""What people wait for at a real Airflow: `sandbox up`, and a new DAG until its run is there."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from benchmarks.environments import child_environment
from benchmarks.projects import write_project
from benchmarks.results import Section, Verdict
from benchmarks.timing import Command, Cost, run

UP, ASKED, WAITED = (
    "`sandbox up`, until Airflow is ready",
    "`run-once` of a new DAG, until the run is triggered",
    "the same without asking Airflow to look for the file",
)
UP_SECONDS, TRIGGER_SECONDS = 30.0, 10.0

NOTE = (
    "Seconds by the clock, whole commands, Airflow 3 of the lock file on this machine (SQLite,"
    " LocalExecutor), a project of 10 nodes. For `run-once` the scan of the DAG folder and the"
    " writing of DAGs have the values that Airflow comes with (`refresh_interval` 300 s,"
    " `bundle_refresh_check_interval` 5 s, `min_file_process_interval` 30 s,"
    " `min_serialized_dag_update_interval` 30 s), and one DAG is known already. Without the request"
    " the wait depends on when the last scan was: at most 300 s, here measured once, right after"
    " one. The first `up`, which also makes the database, is not counted."
)
STOCK = {
    "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "300",
    "AIRFLOW__DAG_PROCESSOR__BUNDLE_REFRESH_CHECK_INTERVAL": "5",
    "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "30",
    "AIRFLOW__CORE__MIN_SERIALIZED_DAG_UPDATE_INTERVAL": "30",
    "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "1",
}
SECRETS = """
apiVersion: v1
kind: Secret
metadata: {name: warehouse}
stringData: {password: example}
"""
"""The Secret of the generated projects, without which the sandbox accepts no DAG of theirs."""

# The command has no option for settings of Airflow.
START = """
import json, sys
from pathlib import Path
from kedro.framework.startup import bootstrap_project
from kedro_airflow_k8s.project.reader import KedroProject
from kedro_airflow_k8s.sandbox.up import start_sandbox
project = KedroProject(bootstrap_project(Path.cwd()))
start_sandbox(
    project,
    secrets=Path(sys.argv[2]),
    extra_environment=json.loads(sys.argv[1]),
    say=print,
)
"""
WITHOUT_ASKING = """
import sys
from kedro.framework.cli.cli import main
from kedro_airflow_k8s.airflow_api.airflow3 import Airflow3Client
Airflow3Client.request_parsing = lambda self, dag_id: False
sys.argv[0] = "kedro"
main()
"""


def server_section(folder: Path, rounds: int, advance: Callable[[], None], plain: bool) -> Section:
    """The start of `sandbox up`, and the way of a new DAG to its first run.

    Args:
        folder: Where the project is made.
        rounds: How often each is measured.
        advance: Called after each measurement.
        plain: Whether to measure also what Airflow does unasked, which takes five minutes.
    """
    project = write_project(folder, 10)
    ups = []
    for number in range(rounds + 1):
        with _sandbox(project, _kedro(project, "sandbox", "up")) as cost:
            ups.append(cost)
        advance()
        if not number:
            ups.clear()
    secrets = folder / "secrets.yaml"
    secrets.write_text(SECRETS, encoding="utf-8")
    with _sandbox(project, _python(project, START, json.dumps(STOCK), str(secrets))):
        # With a DAG that exists, Airflow can be asked for others.
        run(_kedro(project, "upload-pipeline", "--sandbox"))
        asked, waited = _run_once(project, rounds, advance, plain)
    rows = [_row(UP, ups), _row(ASKED, asked), *([_row(WAITED, waited)] if plain else [])]
    verdicts = [
        Verdict("`sandbox up` on a warm machine", _median(ups), UP_SECONDS, "s"),
        Verdict("new DAG file to triggered run, Airflow 3", _median(asked), TRIGGER_SECONDS, "s"),
    ]
    header = ["", "best", "median", "rounds"]
    return Section("A real Airflow", [NOTE], header, rows, verdicts)


def _run_once(
    project: Path, rounds: int, advance: Callable[[], None], plain: bool
) -> tuple[list[Cost], list[Cost]]:
    """New DAGs, each of a name of its own: with and without asking Airflow to look for them."""

    def arguments(name: str) -> tuple[str, ...]:
        # Their pods would take the time of what is measured.
        return ("run-once", "--sandbox", "--no-unpause", "--dag-name", name)

    asked = []
    for number in range(rounds):
        asked.append(run(_kedro(project, *arguments(f"asked-{number}"))))
        advance()
    if not plain:
        return asked, []
    waited = run(_python(project, WITHOUT_ASKING, "airflow-k8s", *arguments("waited")))
    advance()
    return asked, [waited]


@contextmanager
def _sandbox(project: Path, up: Command) -> Iterator[Cost]:
    try:
        yield run(up)
    finally:
        run(_kedro(project, "sandbox", "down"))


def _kedro(project: Path, *arguments: str) -> Command:
    command = (sys.executable, "-m", "kedro", "airflow-k8s", *arguments)
    return Command(" ".join(arguments[:2]), command, project, child_environment())


def _python(project: Path, code: str, *arguments: str) -> Command:
    return Command(arguments[0], (sys.executable, "-c", code, *arguments), project,
                   child_environment())  # fmt: skip


def _row(title: str, costs: list[Cost]) -> list[str]:
    seconds = [cost.wall for cost in costs]
    return [title, f"{min(seconds):.1f}", f"{median(seconds):.1f}", str(len(seconds))]


def _median(costs: list[Cost]) -> float:
    return median(cost.wall for cost in costs)
