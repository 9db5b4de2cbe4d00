"""The example that logs to MLflow, for a cluster, with pipelines of faults beside it."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.cluster.project import EXAMPLE, HOLD, REGISTRY, ClusterProject, copy_of_example

MLFLOW_EXAMPLE = EXAMPLE.parent / "mlflow"

_TRY_FAILURE = """
from kedro.pipeline import Node, Pipeline
from coffee.gate import hold


def fail(days):
    raise ValueError("no coffee today")


def create_pipeline():
    return Pipeline([
        Node(fail, "params:days", "early_error", name="fail"),
        Node(hold, "params:seed", "late_error", name="hold"),
        Node(lambda *_: 0.0, ["early_error", "late_error"], "last_error", name="after"),
    ])
"""
_TRY_HOLD = """
from kedro.pipeline import Node, Pipeline
from coffee.gate import hold


def create_pipeline():
    return Pipeline([Node(hold, "params:seed", "late_error", name="hold")])
"""


def make_mlflow_project(path: Path) -> ClusterProject:
    """Make the project in a new folder."""
    project = copy_of_example(MLFLOW_EXAMPLE, path)
    # The example leaves its image to its users; the other one tells how they make it.
    shutil.copy(EXAMPLE / "Dockerfile", path)
    project.write("src/coffee/pipeline_registry.py", REGISTRY)
    project.write("src/coffee/gate.py", HOLD)
    for name, text in (("try_failure", _TRY_FAILURE), ("try_hold", _TRY_HOLD)):
        project.write(f"src/coffee/pipelines/{name}/__init__.py", text)
    return project
