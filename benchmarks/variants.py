"""The import of a DAG with a feature against that of the same DAG without it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from benchmarks.dags import NODES, STEPS, parse, ratios, row
from benchmarks.environments import child_environment
from benchmarks.projects import CONFIG, nodes, write_project
from benchmarks.results import Section, Verdict
from benchmarks.timing import Command, run, spread

IMPORT_RATIO = 1.15
WITHOUT = "without.py"

ASSETS, MADE = "with.py", "without_and_made.py"
ASSETS_CATALOG = """\
"{name}":
  type: json.JSONDataset
  filepath: s3://warehouse/{name}.json
"""
ASSETS_NOTE = f"""\
As the DAG in Airflow: CPU milliseconds of forks, best and median; sizes in KB. Each node makes one
asset, and most read one. In `{MADE}`, the DAG without assets is followed by a list of
the same assets, which no task has: the difference is Airflow's own constructor, which checks each
URI."""

GROUPED_NODES = 2000
ONE_GROUP, CHAINS = "one_visible_group.py", "visible_groups_of_five.py"
GROUPS_NOTE = f"""\
As the DAG in Airflow: CPU milliseconds of forks, best and median; sizes in KB. In `{WITHOUT}`
each node has a pod. In `{ONE_GROUP}` one pod runs all of them and each has its task;
in `{CHAINS}` a pod runs each chain of five, so that there are {GROUPED_NODES // 5} more
tasks, those of the pods."""


def assets_section(folder: Path, rounds: int, advance: Callable[[], None]) -> Section:
    """Import and serialisation of a DAG with and without assets."""
    project = write_project(folder, NODES)
    (project / "conf/base/catalog.yml").write_text(ASSETS_CATALOG, encoding="utf-8")
    dags = _compile(project, {WITHOUT: "assets: false", ASSETS: "assets: true"})
    uris = [f"s3://warehouse/{node.output}.json" for node in nodes(NODES)]
    imports = "from airflow.providers.common.compat.sdk import Asset"
    made = f"\n{imports}\n\nMADE = [Asset(uri) for uri in {uris}]\n"
    (dags / MADE).write_text((dags / WITHOUT).read_text() + made, encoding="utf-8")
    found = parse(folder, rounds, *(dags / name for name in (WITHOUT, ASSETS, MADE)))
    advance()
    return Section(
        f"Assets in a DAG, {NODES} nodes",
        [ASSETS_NOTE, f"{rounds} rounds."],
        ["DAG", "import", "serialise", "size, KB"],
        _rows(dags, found),
        [_verdict(f"import of the DAG with {NODES} assets / without", found, ASSETS)],
    )


def visible_section(folder: Path, rounds: int, advance: Callable[[], None]) -> Section:
    """Import and serialisation of a DAG with and without visible groups."""
    project = write_project(folder, GROUPED_NODES)
    # What has no entry stays in memory, so `by: memory` makes a group of each chain.
    (project / "conf/base/catalog.yml").write_text("{}\n", encoding="utf-8")
    grouping = "grouping: {{__default__: {{by: {}, nodes: visible}}}}"
    settings = {
        WITHOUT: "grouping: none",
        ONE_GROUP: grouping.format("pipeline"),
        CHAINS: grouping.format("memory"),
    }
    dags = _compile(project, settings)
    found = parse(folder, rounds, *(dags / name for name in settings))
    advance()
    of_one, of_chains = (
        _verdict(f"import of the DAG, {GROUPED_NODES} nodes, {what} / without", found, name)
        for what, name in (("one visible group", ONE_GROUP), ("visible groups of five", CHAINS))
    )
    return Section(
        f"Visible groups in a DAG, {GROUPED_NODES} nodes",
        [GROUPS_NOTE, f"{rounds} rounds."],
        ["DAG", "import", "serialise", "size, KB"],
        _rows(dags, found),
        [of_one, of_chains],
    )


def _compile(project: Path, settings: Mapping[str, str]) -> Path:
    """Compile the project once for each file, with a line of `run_config`; return the folder."""
    dags = project.parent / "dags"
    dags.mkdir()
    for name, setting in settings.items():
        text = CONFIG.replace("run_config:\n", f"run_config:\n  {setting}\n")
        (project / "conf/base/airflow-k8s.yaml").write_text(text, encoding="utf-8")
        command = (sys.executable, "-m", "kedro", "airflow-k8s", "compile")
        run(Command("compile", command, project, child_environment()))
        (compiled,) = (project / "dags").glob("*.py")
        (dags / name).write_bytes(compiled.read_bytes())
    return dags


def _rows(dags: Path, found: dict[str, Any]) -> list[list[str]]:
    """Return the rows of all files, then those of each one against the file without."""
    rows = [row(dags / name, found) for name in found]
    for name in found:
        if name != WITHOUT:
            of_both = [f"{spread(ratios(found, step, name, WITHOUT)).median:.2f}" for step in STEPS]
            rows.append([f"{Path(name).stem} / {Path(WITHOUT).stem}", *of_both, ""])
    return rows


def _verdict(what: str, found: dict[str, Any], name: str) -> Verdict:
    ratio = spread(ratios(found, "import", name, WITHOUT)).median
    return Verdict(f"{what} (CPU time)", ratio, IMPORT_RATIO, "of it")
