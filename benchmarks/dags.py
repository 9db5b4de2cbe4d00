"""The compiled DAG in Airflow against the one that an expert would write by hand."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.environments import REPOSITORY, Environments, child_environment
from benchmarks.errors import BenchmarkError
from benchmarks.handwritten import handwritten_dag
from benchmarks.projects import nodes, write_project
from benchmarks.results import Section, Verdict, milliseconds
from benchmarks.timing import Command, run, spread

NODES = 500
IMPORT_RATIO = 1.1
SIZE_KB = 100
OURS, BARE = "compiled.py", "handwritten.py"
STEPS = ("import", "serialize")

NOTES = """\
CPU milliseconds, best and median; sizes in KB of 1000 bytes. As in Airflow's dag-processor, a
parent has imported the `airflow` modules that the files import, and each parse is a fork of it
without byte code of the file, by Airflow's own `BundleDagBag` and `DagSerialization`. The files
take turns.

The hand-written DAG (`benchmarks/handwritten.py`) has bare KubernetesPodOperators, shared
settings in `default_args`, and the same tasks, groups, edges, pods, resources and `doc_md`: task
ids, edges and `doc_md` are compared before anything is timed. Its volume is made and deleted by
the provider's KubernetesCreateResourceOperator and KubernetesDeleteResourceOperator."""


def dag_section(
    made: Environments, folder: Path, rounds: int, advance: Callable[[], None]
) -> Section:
    """Import, serialisation and size of both, 500 nodes."""
    project = write_project(folder, NODES)
    compiler = (str(made.plugin / "bin" / "kedro"), "airflow-k8s", "compile")
    run(Command("compile", compiler, project, child_environment()))
    (compiled,) = (project / "dags").glob("*.py")
    dags = folder / "dags"
    dags.mkdir()
    ours, bare = dags / OURS, dags / BARE
    ours.write_bytes(compiled.read_bytes())
    bare.write_text(handwritten_dag(nodes(NODES)), encoding="utf-8")
    found = parse(folder, rounds, ours, bare)
    advance()
    _check_same(found[OURS], found[BARE])

    ratio = {step: spread(ratios(found, step, OURS, BARE)) for step in STEPS}
    sizes = ours.stat().st_size, bare.stat().st_size
    rows = [row(bare, found), row(ours, found)]
    shown = [f"{ratio[step].median:.2f}" for step in STEPS]
    rows.append(["compiled / handwritten", *shown, f"{sizes[0] / sizes[1]:.2f}"])
    per_node = (
        f"Per node the compiled file has {sizes[0] / NODES:.0f} bytes; the names of the node, its"
        f" inputs and its output, each once, have {_names_length(NODES):.0f}. {rounds} rounds."
    )
    what = f"import of the DAG / hand-written, {NODES} nodes (CPU time)"
    return Section(
        f"The DAG in Airflow, {NODES} nodes",
        [NOTES, per_node],
        ["DAG", "import", "serialise", "size, KB"],
        rows,
        [
            Verdict(what, ratio["import"].median, IMPORT_RATIO, "of it"),
            Verdict(f"size of the DAG file, {NODES} nodes", sizes[0] / 1000, SIZE_KB, "KB"),
        ],
    )


def ratios(found: dict[str, Any], step: str, one: str, other: str) -> list[float]:
    """Return what a step takes of one file against another, in each round."""
    pairs = zip(found[one]["rounds"], found[other]["rounds"], strict=True)
    return [first[step] / second[step] for first, second in pairs]


def row(file: Path, found: dict[str, Any]) -> list[str]:
    """Return the row of a file in the table of a section."""
    costs = [spread([cost[step] for cost in found[file.name]["rounds"]]) for step in STEPS]
    times = [f"{milliseconds(cost.best)}, {milliseconds(cost.median)}" for cost in costs]
    return [file.stem, *times, f"{file.stat().st_size / 1000:.1f}"]


def parse(folder: Path, rounds: int, *files: Path) -> dict[str, Any]:
    """Return what `parse_dags.py` measures of files, by name."""
    answer = folder / "parsed.json"
    arguments = (
        *(sys.executable, "-m", "benchmarks.parse_dags", str(answer), str(rounds)),
        *(str(file) for file in files),
    )
    environment = child_environment(
        AIRFLOW_HOME=str(folder / "airflow"),
        AIRFLOW__CORE__LOAD_EXAMPLES="False",
        AIRFLOW__LOGGING__LOGGING_LEVEL="WARNING",
    )
    run(Command("Airflow's parsing", arguments, REPOSITORY, environment))
    found: dict[str, Any] = json.loads(answer.read_text(encoding="utf-8"))
    return found


def _check_same(ours: dict[str, Any], bare: dict[str, Any]) -> None:
    for what in ("tasks", "edges", "docs"):
        if ours[what] != bare[what]:
            raise BenchmarkError(f"The hand-written DAG has other {what} than the compiled one.")


def _names_length(count: int) -> float:
    made = nodes(count)
    names = (name for node in made for name in (node.name, *node.inputs, node.output))
    return sum(map(len, names)) / count
