"""`python -m benchmarks`: measure everything but whole runs, and write RESULTS.md."""

from __future__ import annotations

import argparse
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from benchmarks import runs
from benchmarks.airflow_server import server_section
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
from benchmarks.variants import assets_section, visible_section

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
        choices=["commands", "imports", "mlflow", "runs"],
        help="this part alone, with all its rounds, and the report to the terminal only; that of"
        " `runs` to a file of its own",
    )
    arguments = parser.parse_args()
    quick, only = arguments.quick, arguments.only
    console = Console(stderr=True)
    start = time.monotonic()
    sections: list[Section] = []
    measure = {
        None: _measure,
        "commands": _measure_commands,
        "imports": _measure_imports,
        "mlflow": _measure_mlflow,
        "runs": _measure_runs,
    }[only]
    options = "".join((", --quick" if quick else "", f", --only {only}" if only else ""))
    versions = ""
    try:
        with tempfile.TemporaryDirectory(prefix="kedro-airflow-k8s-bench-") as folder:
            versions = measure(Path(folder), quick, console, sections)
    except BenchmarkError as error:
        console.print(str(error), style="red", markup=False)
        raise SystemExit(1) from None
    finally:
        if sections and not versions:
            # They took minutes, but the file is for whole measurements.
            print(report(sections, "not asked", (time.monotonic() - start) / 60, options))
    text = report(sections, versions, (time.monotonic() - start) / 60, options)
    place = "on-cluster" if runs.has_cluster() else "in-sandbox"
    files = {None: RESULTS, "runs": RESULTS.with_name(RUNS_RESULTS.format(place))}
    if quick or only not in files:
        print(text)
    else:
        files[only].write_text(text, encoding="utf-8")
    for verdict in (verdict for section in sections for verdict in section.verdicts):
        console.print(f"{verdict.what}: {verdict.text.replace('*', '')}", highlight=False)


def _measure(folder: Path, quick: bool, console: Console, sections: list[Section]) -> str:
    compile_rounds = QUICK_ROUNDS if quick else COMPILE_ROUNDS
    overhead_rounds = QUICK_OVERHEAD_ROUNDS if quick else OVERHEAD_ROUNDS
    mlflow_rounds = QUICK_MLFLOW_ROUNDS if quick else MLFLOW_ROUNDS
    dag_rounds = QUICK_DAG_ROUNDS if quick else DAG_ROUNDS
    server_rounds = QUICK_SERVER_ROUNDS if quick else SERVER_ROUNDS
    data_rounds = QUICK_INTERMEDIATE_ROUNDS if quick else INTERMEDIATE_ROUNDS
    grouping_rounds = QUICK_GROUPING_ROUNDS if quick else GROUPING_ROUNDS
    start_rounds = QUICK_GROUPING_ROUNDS if quick else START_ROUNDS
    with _progress(console) as progress:
        advance = _advance(progress, "environments", 1)
        made = make_environments(folder)
        advance()
        advance = _advance(progress, "compile", _compiles(compile_rounds))
        sections.append(compile_section(made, folder / "projects", compile_rounds, advance))
        advance = _advance(progress, "compile, MLflow", 3 * (mlflow_rounds + 1))
        sections.append(mlflow_section(folder / "mlflow", mlflow_rounds, advance))
        advance = _advance(progress, "help and run", 9 * (overhead_rounds + 1))
        sections.append(overhead_section(made, folder / "others", overhead_rounds, advance))
        advance = _advance(progress, "DAG in Airflow", 3)
        sections.append(dag_section(made, folder / "dag", dag_rounds, advance))
        sections.append(assets_section(folder / "assets", dag_rounds, advance))
        sections.append(visible_section(folder / "visible", dag_rounds, advance))
        advance = _advance(progress, "intermediate data", (len(WAYS) + 1) * data_rounds)
        sections.append(intermediate_section(folder / "data", data_rounds, advance, quick))
        total = len(GROUPINGS) * grouping_rounds + 2 * start_rounds
        advance = _advance(progress, "groupings, start of a node", total)
        sections.append(grouping_section(folder / "groupings", grouping_rounds, advance))
        sections.append(start_section(folder / "start", start_rounds, advance))
        advance = _advance(progress, "sandbox up, run-once", 2 * server_rounds + 2 - quick)
        sections.append(server_section(folder / "server", server_rounds, advance, not quick))
    return _versions(made)


def _measure_imports(folder: Path, quick: bool, console: Console, sections: list[Section]) -> str:
    rounds = QUICK_DAG_ROUNDS if quick else DAG_ROUNDS
    with _progress(console) as progress:
        advance = _advance(progress, "imports", 2)
        sections.append(assets_section(folder / "assets", rounds, advance))
        sections.append(visible_section(folder / "visible", rounds, advance))
    return _versions_of([(Path(sys.executable), ["kedro", *AIRFLOW])])


def _measure_mlflow(folder: Path, quick: bool, console: Console, sections: list[Section]) -> str:
    rounds = QUICK_MLFLOW_ROUNDS if quick else MLFLOW_ROUNDS
    with _progress(console) as progress:
        advance = _advance(progress, "compile, MLflow", 3 * (rounds + 1))
        sections.append(mlflow_section(folder / "mlflow", rounds, advance))
    return _versions_of([(mlflow_python(), ["kedro", "kedro-mlflow", "mlflow"])])


def _measure_commands(folder: Path, quick: bool, console: Console, sections: list[Section]) -> str:
    compile_rounds = QUICK_ROUNDS if quick else COMPILE_ROUNDS
    overhead_rounds = QUICK_OVERHEAD_ROUNDS if quick else OVERHEAD_ROUNDS
    with _progress(console) as progress:
        made = make_environments(folder)
        total = _compiles(compile_rounds) + 9 * (overhead_rounds + 1)
        advance = _advance(progress, "commands", total)
        sections.append(compile_section(made, folder / "projects", compile_rounds, advance))
        sections.append(overhead_section(made, folder / "others", overhead_rounds, advance))
    return _versions(made)


def _measure_runs(folder: Path, quick: bool, console: Console, sections: list[Section]) -> str:
    """Measure runs in the sandbox or, where KUBECONFIG is set as for `make e2e`, on the cluster."""
    rounds = QUICK_RUNS_ROUNDS if quick else RUNS_ROUNDS
    section = runs.runs_section
    with _progress(console) as progress:
        advance = _advance(progress, "runs", None)
        if not runs.has_cluster():
            with runs.sandbox(folder / "runs") as place:
                rival = rival_run(place, folder / "rival")
                sections.append(section(place, "sandbox", rounds, advance, rival))
                if not quick:
                    sections.append(load_section(place, advance))
        else:
            with runs.on_cluster(folder / "runs") as cluster:
                where, rival = "cluster, Airflow's defaults", rival_run(cluster, folder / "rival")
                sections.append(section(cluster, where, rounds, advance, rival))
                sections.append(stages_section(cluster, advance))
            with runs.on_cluster(folder / "often", **{IDLE: OFTEN}) as cluster:
                where = f"cluster, scheduler_idle_sleep_time {OFTEN}"
                short = {runs.SPACEFLIGHTS: rounds[runs.SPACEFLIGHTS]}
                sections.append(section(cluster, where, short, advance))
    return _versions_of([(Path(sys.executable), ["kedro", *AIRFLOW])])


def _progress(console: Console) -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    return Progress(*columns, console=console)


def _advance(progress: Progress, what: str, total: int | None) -> Callable[[], None]:
    """Show a part with so many steps; return what is to be called after each."""
    task = progress.add_task(what, total=total)
    return lambda: progress.advance(task)


def _compiles(rounds: Mapping[int, int]) -> int:
    """Return how many commands the section of `compile` runs."""
    return sum(3 * (times + 1) for times in rounds.values())


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
