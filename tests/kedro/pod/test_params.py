"""Hostile values reach the node of a Kedro run in a pod."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.kedro.pod.kedro_processes import pod_environment
from tests.unit.pod.test_params import HOSTILE

KEDROS = {
    "this one": sys.executable,
    **{name: os.environ.get(name) for name in ("KEDRO_1_0_PYTHON", "KEDRO_1_5_PYTHON")},
}

PIPELINES = """
import json
from kedro.pipeline import node, pipeline

def write(values, nested, kept):
    print("FOUND", json.dumps([values, nested, kept]))

def register_pipelines():
    inputs = ["params:values", "params:dag_run.run_id", "params:kept"]
    return {"__default__": pipeline([node(write, inputs, None, name="write")])}
"""


@pytest.mark.parametrize("kedro", KEDROS)
def test_hostile_values_reach_the_node_of_a_kedro_run(tmp_path: Path, kedro: str) -> None:
    python = KEDROS[kedro]
    if python is None:
        pytest.skip(f"{kedro} names no Python with that Kedro")
    texts = {f"v{i}": text for i, text in enumerate(HOSTILE) if text != "???"}
    if kedro == "KEDRO_1_0_PYTHON":
        # Before 1.3 a backslash stays before each `${`.
        texts = {name: text for name, text in texts.items() if "${" not in text}
    for folder in ("conf/base", "conf/local", "src/tiny"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "pyproject.toml").write_text(
        '[tool.kedro]\npackage_name = "tiny"\nproject_name = "tiny"\nkedro_init_version = "1.0.0"\n'
    )
    (tmp_path / "conf" / "base" / "parameters.yml").write_text("kept: 1\nvalues: {v0: 1}\n")
    (tmp_path / "conf" / "base" / "catalog.yml").touch()
    (tmp_path / "src" / "tiny" / "__init__.py").touch()
    (tmp_path / "src" / "tiny" / "settings.py").touch()
    (tmp_path / "src" / "tiny" / "pipeline_registry.py").write_text(PIPELINES)
    params = {"macros": {"dag_run.run_id": "a+b:c"}, "conf": {"values": texts}}

    done = subprocess.run(
        [python, "-m", "kedro_airflow_k8s.pod", "run", "--nodes=write"],
        cwd=tmp_path,
        env=pod_environment({"KEDRO_AIRFLOW_K8S_PARAMS": json.dumps(params)}),
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("FOUND ")]
    found, run_id, kept = json.loads(line.removeprefix("FOUND "))
    if "v0" not in texts:
        assert found.pop("v0") == 1  # of the project
    assert ({**texts, **found}, run_id, kept) == (texts, "a+b:c", 1)
