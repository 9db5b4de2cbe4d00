"""Compile every example project and write its DAGs to its `dags` folder: the golden files.

Usage: regenerate_golden.py [--check]. With --check nothing is written, and the exit code is 1 if a
golden file is not what the plugin makes now.
"""

from __future__ import annotations

import difflib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
PIPELINES = {"mlflow": ("__default__",), "spaceflights": ("__default__", "data_processing")}
"""Of an example whose other pipelines are the same once more, or cannot run alone."""


def compiled(project: Path) -> dict[str, str]:
    """The DAG files of a project, by name; compiled where there is no git repository."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder, "project")
        shutil.copytree(project, copy, ignore=shutil.ignore_patterns("dags", "__pycache__", "logs"))
        chosen = [["--pipeline", name] for name in PIPELINES.get(project.name, ())] or [["--all"]]
        for options in chosen:
            subprocess.run(
                [sys.executable, "-m", "kedro", "airflow-k8s", "compile", *options],
                cwd=copy,
                env={
                    **{k: value for k, value in os.environ.items() if not k.startswith("KEDRO_")},
                    "KEDRO_DISABLE_TELEMETRY": "1",
                    "GIT_CEILING_DIRECTORIES": folder,
                },
                check=True,
                stdout=subprocess.DEVNULL,
            )
        return {path.name: path.read_text() for path in sorted((copy / "dags").glob("*.py"))}


def main(check: bool) -> int:
    """Write or compare the golden files of all examples."""
    differences = 0
    for project in sorted(path.parent for path in EXAMPLES.glob("*/pyproject.toml")):
        golden = project / "dags"
        expected = compiled(project)
        found = {path.name: path.read_text() for path in sorted(golden.glob("*.py"))}
        for name in sorted(expected.keys() | found.keys()):
            old, new = found.get(name, ""), expected.get(name, "")
            if old == new:
                continue
            differences += 1
            label = f"examples/{project.name}/dags/{name}"
            sys.stdout.writelines(
                difflib.unified_diff(
                    old.splitlines(keepends=True), new.splitlines(keepends=True), label, label
                )
            )
        if not check:
            shutil.rmtree(golden, ignore_errors=True)
            golden.mkdir()
            for name, text in expected.items():
                (golden / name).write_text(text)
    if check and differences:
        print(f"{differences} golden DAGs differ: run `make golden` and look at the change.")
    return int(check and differences > 0)


if __name__ == "__main__":
    sys.exit(main("--check" in sys.argv[1:]))
