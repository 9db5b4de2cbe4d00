"""`python -m benchmarks`: measure everything but whole runs, and write RESULTS.md."""

from __future__ import annotations

import argparse
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from benchmarks import runs
from benchmarks.airflow_server import server_section
from benchmarks.assets import assets_section
from benchmarks.commands import compile_section, overhead_section
from benchmarks.dags import dag_section
from benchmarks.environments import Environments, make_environments
from benchmarks.errors import BenchmarkError
from benchmarks.groupings import GROUPINGS, grouping_section, start_section
from benchmarks.intermediate import WAYS, intermediate_section
from benchmarks.load import load_section
from benchmarks.mlflow import mlflow_python, mlflow_section
from benchmarks.results import Section, report
from benchmarks.rival import rival_run
from benchmarks.stages import stages_section

RESULTS = Path(__file__).with_name("RESULTS.md")
RUNS_RESULTS = "RESULTS-runs-{}.md"
"""The file for runs `in-sandbox` or `on-cluster`, which take longer than all else."""

# Rounds by the number of nodes: enough for a steady median, and a quarter of an hour for all except
# Airflow's own scan, which is waited for once.
COMPILE_ROUNDS = {0: 12, 10: 20, 100: 20, 1000: 12, 5000: 8}
QUICK_ROUNDS = {0: 3, 10: 3, 100: 3}
OVERHEAD_ROUNDS, QUICK_OVERHEAD_ROUNDS = 25, 3
DAG_ROUNDS, QUICK_DAG_ROUNDS = 21, 3
SERVER_ROUNDS, QUICK_SERVER_ROUNDS = 5, 1
INTERMEDIATE_ROUNDS, QUICK_INTERMEDIATE_ROUNDS = 5, 1
GROUPING_ROUNDS, START_ROUNDS, QUICK_GROUPING_ROUNDS = 2, 11, 1
MLFLOW_ROUNDS, QUICK_MLFLOW_ROUNDS = 15, 3
RUNS_ROUNDS, QUICK_RUNS_ROUNDS = {runs.SPACEFLIGHTS: 2, runs.SIXTY: 1}, {runs.SPACEFLIGHTS: 1}

AIRFLOW = ["apache-airflow", "apache-airflow-providers-cncf-kubernetes"]
IDLE, OFTEN = "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME", "0.2"
"""How long a scheduler sleeps that had nothing to do, and seconds as in the sandbox."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "--quick",
        action="store_true",
        help="few rounds, small projects, and the report to the terminal only",
    )
    parser.add_argument(
        "--only",
        choices=["assets", "commands", "mlflow", "runs"],
        help="this part alone, with all its rounds, and the report to the terminal only; that of"
        " `runs` to a file of its own",
    )
    arguments = parser.parse_args()
    quick, only = arguments.quick, arguments.only
    console = Console(stderr=True)
    start = time.monotonic()
    try:
        with tempfile.TemporaryDirectory(prefix="kedro-airflow-k8s-bench-") as folder:
            parts = {
                "assets": _measure_assets,
                "commands": _measure_commands,
                "mlflow": _measure_mlflow,
                "runs": _measure_runs,
            }
            measure = parts[only] if only else _measure
            sections, versions = measure(Path(folder), quick, console)
    except BenchmarkError as error:
        console.print(str(error), style="red", markup=False)
        raise SystemExit(1) from None
    options = "".join((", --quick" if quick else "", f", --only {only}" if only else ""))
    text = report(sections, versions, (time.monotonic() - start) / 60, options)
    place = "on-cluster" if runs.has_cluster() else "in-sandbox"
    files = {None: RESULTS, "runs": RESULTS.with_name(RUNS_RESULTS.format(place))}
    if quick or only not in files:
        print(text)
    else:
        files[only].write_text(text, encoding="utf-8")
    for verdict in (verdict for section in sections for verdict in section.verdicts):
        console.print(f"{verdict.what}: {verdict.text.replace('*', '')}", highlight=False)


def _measure(folder: Path, quick: bool, console: Console) -> tuple[list[Section], str]:
    compile_rounds = QUICK_ROUNDS if quick else COMPILE_ROUNDS
    overhead_rounds = QUICK_OVERHEAD_ROUNDS if quick else OVERHEAD_ROUNDS
    dag_rounds = QUICK_DAG_ROUNDS if quick else DAG_ROUNDS
    server_rounds = QUICK_SERVER_ROUNDS if quick else SERVER_ROUNDS
    intermediate_rounds = QUICK_INTERMEDIATE_ROUNDS if quick else INTERMEDIATE_ROUNDS
    grouping_rounds = QUICK_GROUPING_ROUNDS if quick else GROUPING_ROUNDS
    start_rounds = QUICK_GROUPING_ROUNDS if quick else START_ROUNDS
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress:
        setting_up = progress.add_task("environments", total=1)
        made = make_environments(folder)
        progress.advance(setting_up)
        total = sum(3 * (rounds + 1) for rounds in compile_rounds.values())
        compiling = progress.add_task("compile", total=total)
        overhead = progress.add_task("help and run", total=9 * (overhead_rounds + 1))
        importing = progress.add_task("DAG in Airflow", total=2)
        mlflow_rounds = QUICK_MLFLOW_ROUNDS if quick else MLFLOW_ROUNDS
        compiling_mlflow = progress.add_task("compile, MLflow", total=3 * (mlflow_rounds + 1))
        total = (len(WAYS) + 1) * intermediate_rounds
        handing_on = progress.add_task("intermediate data", total=total)
        grouping = progress.add_task(
            "groupings, start of a node", total=len(GROUPINGS) * grouping_rounds + 2 * start_rounds
        )
        serving = progress.add_task("sandbox up, run-once", total=2 * server_rounds + 2 - quick)
        sections = [
            compile_section(
                made, folder / "projects", compile_rounds, lambda: progress.advance(compiling)
            ),
            mlflow_section(
                folder / "mlflow", mlflow_rounds, lambda: progress.advance(compiling_mlflow)
            ),
            overhead_section(
                made, folder / "others", overhead_rounds, lambda: progress.advance(overhead)
            ),
            dag_section(made, folder / "dag", dag_rounds, lambda: progress.advance(importing)),
            assets_section(folder / "assets", dag_rounds, lambda: progress.advance(importing)),
            intermediate_section(
                folder / "data", intermediate_rounds, lambda: progress.advance(handing_on), quick
            ),
            grouping_section(
                folder / "groupings", grouping_rounds, lambda: progress.advance(grouping)
            ),
            start_section(folder / "start", start_rounds, lambda: progress.advance(grouping)),
            server_section(
                folder / "server", server_rounds, lambda: progress.advance(serving), not quick
            ),
        ]
    return sections, _versions(made)


def _measure_assets(folder: Path, quick: bool, console: Console) -> tuple[list[Section], str]:
    rounds = QUICK_DAG_ROUNDS if quick else DAG_ROUNDS
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress:
        importing = progress.add_task("import, assets", total=1)
        sections = [assets_section(folder / "assets", rounds, lambda: progress.advance(importing))]
    return sections, _versions_of([(Path(sys.executable), ["kedro", *AIRFLOW])])


def _measure_mlflow(folder: Path, quick: bool, console: Console) -> tuple[list[Section], str]:
    rounds = QUICK_MLFLOW_ROUNDS if quick else MLFLOW_ROUNDS
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress:
        compiling = progress.add_task("compile, MLflow", total=3 * (rounds + 1))
        sections = [mlflow_section(folder / "mlflow", rounds, lambda: progress.advance(compiling))]
    return sections, _versions_of([(mlflow_python(), ["kedro", "kedro-mlflow", "mlflow"])])


def _measure_commands(folder: Path, quick: bool, console: Console) -> tuple[list[Section], str]:
    compile_rounds = QUICK_ROUNDS if quick else COMPILE_ROUNDS
    overhead_rounds = QUICK_OVERHEAD_ROUNDS if quick else OVERHEAD_ROUNDS
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress:
        made = make_environments(folder)
        total = sum(3 * (rounds + 1) for rounds in compile_rounds.values())
        task = progress.add_task("commands", total=total + 9 * (overhead_rounds + 1))

        def advance() -> None:
            progress.advance(task)

        sections = [
            compile_section(made, folder / "projects", compile_rounds, advance),
            overhead_section(made, folder / "others", overhead_rounds, advance),
        ]
    return sections, _versions(made)


def _measure_runs(folder: Path, quick: bool, console: Console) -> tuple[list[Section], str]:
    """Measure runs in the sandbox or, where KUBECONFIG is set as for `make e2e`, on the cluster."""
    rounds = QUICK_RUNS_ROUNDS if quick else RUNS_ROUNDS
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress:
        running = progress.add_task("runs", total=None)

        def advance() -> None:
            progress.advance(running)

        if not runs.has_cluster():
            with runs.sandbox(folder / "runs") as place:
                rival = rival_run(place, folder / "rival")
                sections = [runs.runs_section(place, "sandbox", rounds, advance, rival)]
                if not quick:
                    sections.append(load_section(place, advance))
        else:
            with runs.on_cluster(folder / "runs") as cluster:
                rival = rival_run(cluster, folder / "rival")
                sections = [
                    runs.runs_section(
                        cluster, "cluster, Airflow's defaults", rounds, advance, rival
                    ),
                    stages_section(cluster, advance),
                ]
            with runs.on_cluster(folder / "often", **{IDLE: OFTEN}) as cluster:
                where = f"cluster, scheduler_idle_sleep_time {OFTEN}"
                short = {runs.SPACEFLIGHTS: rounds[runs.SPACEFLIGHTS]}
                sections.insert(1, runs.runs_section(cluster, where, short, advance))
    return sections, _versions_of([(Path(sys.executable), ["kedro", *AIRFLOW])])


def _versions(made: Environments) -> str:
    return _versions_of(
        (
            (
                made.plugin / "bin" / "python",
                ["kedro", "kedro-airflow-k8s", "pydantic", "gitpython"],
            ),
            (made.kedro_airflow / "bin" / "python", ["kedro-airflow"]),
            (Path(sys.executable), AIRFLOW),
            (mlflow_python(), ["kedro-mlflow", "mlflow"]),
        )
    )


def _versions_of(environments: Iterable[tuple[Path, Sequence[str]]]) -> str:
    code = (
        "from importlib.metadata import version; import sys;"
        "print(', '.join(f'{name} {version(name)}' for name in sys.argv[1:]))"
    )
    found = [
        subprocess.run(
            [str(python), "-c", code, *names], capture_output=True, text=True, check=True
        ).stdout.strip()
        for python, names in environments
    ]
    return f"Python {platform.python_version()}, {', '.join(found)}"


if __name__ == "__main__":
    main()
