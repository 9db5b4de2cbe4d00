"""Runs `kedro airflow-k8s sandbox run` on copies of the examples, for tests."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from tests.support.airflow_environments import EXAMPLES

NODES = "src/every_key/pipelines/letter/nodes.py"
HOSTILE = 'a,b ${x} {{ ds }} "q" \\ 0123 %'


def copy_of(example: str, folder: Path) -> Path:
    return Path(
        shutil.copytree(
            EXAMPLES / example,
            folder / "project",
            ignore=shutil.ignore_patterns("__pycache__", "dags"),
        )
    )


def environment(project: Path) -> dict[str, str]:
    temporary = project.parent / "tmp"
    temporary.mkdir(exist_ok=True)
    return {
        **os.environ,
        "TMPDIR": str(temporary),
        "KEDRO_DISABLE_TELEMETRY": "1",
        "AIRFLOW_VAR_ENV": HOSTILE,
        "AIRFLOW_VAR_REGION": "eu",
        "COLUMNS": "200",
    }


def command(*arguments: str | Path) -> list[str | Path]:
    return [sys.executable, "-m", "kedro", "airflow-k8s", "sandbox", "run", *arguments]


def sandbox_run(project: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(*arguments),
        cwd=project,
        env=environment(project),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


def leftovers(project: Path) -> list[str]:
    """What a run has left in the temporary folder, and the processes it has left."""
    temporary = project.parent / "tmp"
    files = [path.name for path in temporary.iterdir() if path.name.startswith("kedro-airflow")]
    marker = f"{temporary}/kedro-airflow-k8s-".encode()
    processes = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # It has ended, or is not ours to see.
            if marker in (process / "environ").read_bytes():
                processes.append((process / "cmdline").read_bytes().decode(errors="replace"))
    return files + processes


def replace_node(project: Path, function: str, statement: str) -> None:
    """Let a node's function do something else."""
    nodes = project / NODES
    assert f"def {function}(" in nodes.read_text()
    with nodes.open("a") as file:
        file.write(f"\n\ndef {function}(*inputs):\n    {statement}\n")


def kept_log(project: Path, output: str) -> str:
    """The logs that a run has kept."""
    found = re.search(r"^Logs of all tasks: (.*)$", output, re.MULTILINE)
    assert found is not None
    assert found[1].startswith(".airflow-sandbox/runs/")
    assert (project / found[1]).stat().st_mode & 0o777 == 0o600
    return (project / found[1]).read_text()


def final_states(output: str) -> dict[str, str]:
    """The last state that was printed of each task."""
    return dict(
        re.findall(r"^([\w.-]+): ((?:upstream |up for )?[a-z]+)(?: \(|$|,)", output, re.MULTILINE)
    )
