"""A PartitionedDataset of Kedro gets the one partition of a run: by path, suffix or name."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.kedro.pod.kedro_processes import pod_environment

PIPELINES = """
from kedro.pipeline import Pipeline, node

def count(by_path, by_suffix, every, key):
    numbers = {
        "by_path": {name: load() for name, load in by_path.items()},
        "by_suffix": {name: load() for name, load in by_suffix.items()},
        "by_name": every[key](),
    }
    print("FOUND", numbers)
    return {"north": 10, "south": 20}, {"orders": 30}, {key: 40}

def register_pipelines():
    outputs = ["made_by_path", "made_by_suffix", "made"]
    inputs = ["by_path", "by_suffix", "every", "params:day"]
    return {"__default__": Pipeline([node(count, inputs, outputs, name="count")])}
"""
CATALOG = """
_parts: &parts
  type: partitions.PartitionedDataset
  dataset: json.JSONDataset
by_path:
  <<: *parts
  path: data/regions/${runtime_params:day,2026-01-31}
  filename_suffix: .json
by_suffix:
  <<: *parts
  path: data/days
  filename_suffix: -${runtime_params:day,2026-01-31}.json
every:
  <<: *parts
  path: data/every
  filename_suffix: .json
made_by_path:
  <<: *parts
  path: data/made_regions/${runtime_params:day,2026-01-31}
  filename_suffix: .json
made_by_suffix:
  <<: *parts
  path: data/made_days
  filename_suffix: -${runtime_params:day,2026-01-31}.json
made:
  <<: *parts
  path: data/made
  filename_suffix: .json
"""
DAYS = ("2026-01-30", "2026-01-31")


@pytest.fixture(name="project")
def _project(tmp_path: Path) -> Path:
    for folder in ("conf/base", "conf/local", "src/tiny"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "pyproject.toml").write_text(
        '[tool.kedro]\npackage_name = "tiny"\nproject_name = "tiny"\nkedro_init_version = "1.0.0"\n'
    )
    (tmp_path / "conf/base/parameters.yml").write_text("day: 2026-01-31\n")
    (tmp_path / "conf/base/catalog.yml").write_text(CATALOG)
    for name in ("__init__.py", "settings.py"):
        (tmp_path / "src/tiny" / name).touch()
    (tmp_path / "src/tiny/pipeline_registry.py").write_text(PIPELINES)
    for number, day in enumerate(DAYS, 1):
        for place in (f"regions/{day}/north", f"days/orders-{day}", f"every/{day}"):
            write(tmp_path, place, number)
    for place in (f"made_regions/{DAYS[1]}/west", f"made_days/orders-{DAYS[1]}", f"made/{DAYS[1]}"):
        write(tmp_path, place, 0)
    return tmp_path


def write(project: Path, place: str, number: int) -> None:
    file = project / f"data/{place}.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(number))


def written(project: Path, folder: str) -> dict[str, Any]:
    files = sorted((project / "data" / folder).rglob("*.json"))
    return {str(file.relative_to(project / "data")): json.loads(file.read_text()) for file in files}


def test_a_run_reads_and_writes_its_own_partition_and_leaves_the_others(project: Path) -> None:
    params = json.dumps({"macros": {"day": "2026-01-30"}})
    done = subprocess.run(
        [sys.executable, "-m", "kedro_airflow_k8s.pod", "run", "--nodes=count"],
        cwd=project,
        env=pod_environment({"KEDRO_AIRFLOW_K8S_PARAMS": params}),
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert (
        "FOUND {'by_path': {'north': 1}, 'by_suffix': {'orders': 1}, 'by_name': 1}" in done.stdout
    )
    assert written(project, "made_regions") == {
        "made_regions/2026-01-30/north.json": 10,
        "made_regions/2026-01-30/south.json": 20,
        "made_regions/2026-01-31/west.json": 0,
    }
    assert written(project, "made_days") == {
        "made_days/orders-2026-01-30.json": 30,
        "made_days/orders-2026-01-31.json": 0,
    }
    assert written(project, "made") == {"made/2026-01-30.json": 40, "made/2026-01-31.json": 0}


def test_on_a_machine_without_airflow_kedro_takes_the_default(project: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "kedro", "run"],
        cwd=project,
        env=pod_environment({}),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert (
        "FOUND {'by_path': {'north': 2}, 'by_suffix': {'orders': 2}, 'by_name': 2}" in done.stdout
    )
