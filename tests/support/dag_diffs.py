"""Two DAG files, and what is said of their difference."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from kedro_airflow_k8s.dag import render
from kedro_airflow_k8s.deploy.diff import DagDiff, compare
from kedro_airflow_k8s.plan.build import build_plan
from kedro_airflow_k8s.project.entities import PipelineNode, ProjectPipeline
from kedro_airflow_k8s.upload import StoredFile
from tests.support.compiled_dags import compiled_dag
from tests.support.strategies import (
    IMAGE,
    config_of,
)

PLACE = "s3://bucket/dags/shop.py"

LOAD = PipelineNode("load", outputs=("orders",), doc="Load the orders.")
CLEAN = PipelineNode("clean", inputs=("orders",), outputs=("clean_orders",))
TRAIN = PipelineNode("train", inputs=("clean_orders", "params:depth"), outputs=("model",))
NODES = (LOAD, CLEAN, TRAIN)


def source(*nodes: PipelineNode, project: dict[str, Any] | None = None, **run_config: Any) -> str:
    """The text of a DAG, of the three nodes above if none are given."""
    found = ProjectPipeline("shop", "local", True, "__default__", nodes or NODES, "0a1b2c")
    config = config_of({"image": IMAGE, **run_config})
    return render.render_dag(build_plan(replace(found, **(project or {})), config)).source


def diff(old: str | bytes | None, new: str) -> DagDiff:
    """What an upload of a text would change where another one is."""
    data = old.encode() if isinstance(old, str) else old
    size = None if data is None else len(data)
    return compare(compiled_dag("shop", source=new), StoredFile(PLACE, size, data))


def said(old: str | bytes | None, new: str) -> list[str]:
    """The lines, without the title and the headings of sections."""
    found = [line.text for line in diff(old, new).summary]
    assert found, "there is a difference"
    return [text.strip() for text in found[1:] if text.startswith("  ") or text[-1] != ":"]


def config_said(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    return said(source(**old), source(**new))
