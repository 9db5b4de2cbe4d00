"""The import of a DAG whose tasks make assets against that of the same DAG without."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from benchmarks.dags import NODES, parse, ratios, row
from benchmarks.environments import child_environment
from benchmarks.projects import CONFIG, nodes, write_project
from benchmarks.results import Section, Verdict
from benchmarks.timing import Command, run, spread

IMPORT_RATIO = 1.15
STEPS = ("import", "serialize")
WITHOUT, WITH, MADE = "without.py", "with.py", "without_and_made.py"

CATALOG = """\
"{name}":
  type: json.JSONDataset
  filepath: s3://warehouse/{name}.json
"""

NOTES = f"""\
As the DAG in Airflow: CPU milliseconds of forks, best and median; sizes in KB. Each node makes one
asset, and most read one. In `{MADE}`, the DAG without assets is followed by a list of
the same assets, which no task has: the difference is Airflow's own constructor, which checks each
URI."""


def assets_section(folder: Path, rounds: int, advance: Callable[[], None]) -> Section:
    """Import and serialisation of a DAG with and without assets."""
    project = write_project(folder, NODES)
    (project / "conf/base/catalog.yml").write_text(CATALOG, encoding="utf-8")
    dags = folder / "dags"
    dags.mkdir()
    for name, setting in ((WITHOUT, "false"), (WITH, "true")):
        text = CONFIG.replace("run_config:\n", f"run_config:\n  assets: {setting}\n")
        (project / "conf/base/airflow-k8s.yaml").write_text(text, encoding="utf-8")
        command = (sys.executable, "-m", "kedro", "airflow-k8s", "compile")
        run(Command("compile", command, project, child_environment()))
        (compiled,) = (project / "dags").glob("*.py")
        (dags / name).write_bytes(compiled.read_bytes())
    uris = [f"s3://warehouse/{node.output}.json" for node in nodes(NODES)]
    imports = "from airflow.providers.common.compat.sdk import Asset"
    made = f"\n{imports}\n\nMADE = [Asset(uri) for uri in {uris}]\n"
    (dags / MADE).write_text((dags / WITHOUT).read_text() + made, encoding="utf-8")
    files = [dags / name for name in (WITHOUT, WITH, MADE)]
    found = parse(folder, rounds, *files)
    advance()
    shown = {
        name: {step: spread(ratios(found, step, name, WITHOUT)) for step in STEPS}
        for name in (WITH, MADE)
    }
    rows = [row(file, found) for file in files]
    for name, each in shown.items():
        of_both = [f"{each[step].median:.2f}" for step in STEPS]
        rows.append([f"{Path(name).stem} / {Path(WITHOUT).stem}", *of_both, ""])
    return Section(
        f"Assets in a DAG, {NODES} nodes",
        [NOTES, f"{rounds} rounds."],
        ["DAG", "import", "serialise", "size, KB"],
        rows,
        [
            Verdict(
                f"import of the DAG with {NODES} assets / without (CPU time)",
                shown[WITH]["import"].median,
                IMPORT_RATIO,
                "of it",
            )
        ],
    )
