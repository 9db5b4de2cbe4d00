"""The same project gives the same DAG in every process, whatever order Python keeps sets in."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]
EXAMPLE = ROOT / "examples" / "spaceflights"

COMPILE = """
import sys
from pathlib import Path
from typing import TypeGuard
from kedro.framework.startup import bootstrap_project
from kedro_airflow_k8s.compile import compile_pipelines
from kedro_airflow_k8s.project.reader import KedroProject

project = KedroProject(bootstrap_project(Path.cwd()))
names = project.pipeline_names()
compiled = compile_pipelines(
    project, project.config(), names, checks=False, warn=lambda message: None
)
sys.stdout.buffer.write("".join(dag.source for dag in compiled).encode())
"""


def test_a_project_gives_the_same_bytes_in_each_process(tmp_path: Path) -> None:
    copy = tmp_path / "project"
    ignored = shutil.ignore_patterns("dags", "logs", "__pycache__")
    shutil.copytree(EXAMPLE, copy, ignore=ignored)
    sources = set()
    for seed in ("0", "1", "4242"):
        environment = {**os.environ, "PYTHONHASHSEED": seed, "KEDRO_LOGGING_CONFIG": ""}
        done = subprocess.run(
            [sys.executable, "-c", COMPILE],
            cwd=copy,
            env={**environment, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            check=True,
        )
        sources.add(done.stdout[done.stdout.index(b'"""Airflow DAG') :])
    (source,) = sources
    assert source.count(b"with DAG(") > 1


def test_groups_do_not_depend_on_the_order_in_which_python_keeps_sets() -> None:
    script = (
        "from kedro_airflow_k8s.plan.grouping import group_nodes\n"
        "from kedro_airflow_k8s.project.entities import PipelineNode as N\n"
        "nodes = [N(f'n{i}', 'ab'[i % 2], inputs=tuple(f'd{j}' for j in range(i - 3, i)),"
        " outputs=(f'd{i}',), tags=('airflow-k8s.group.g',) if i in (4, 5) else ())"
        " for i in range(30)]\n"
        "for mode in ('none', 'memory', 'pipeline'):\n"
        "    for memory in ('d1', 'd7', 'd20'):\n"
        "        print(group_nodes(nodes, mode, memory.__eq__, 'p'))\n"
        "try:\n    group_nodes(nodes, 'namespace', bool, 'p')\n"
        "except Exception as error:\n    print(error)\n"
    )
    seen = {
        subprocess.run(
            [sys.executable, "-c", script],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2", "3")
    }
    assert len(seen) == 1
    assert "The tag 'airflow-k8s.group.g' makes" in seen.pop()
