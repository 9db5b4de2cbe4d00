"""What an MLflow run for each DAG run adds to the text of a DAG."""

from __future__ import annotations

import builtins
import symtable
from collections.abc import Iterator

import pytest

from kedro_airflow_k8s.dag.render import render_dag
from kedro_airflow_k8s.plan.build import build_plan
from kedro_airflow_k8s.project.entities import PipelineNode, ProjectPipeline
from tests.support.strategies import IMAGE, config_of

KINDS = ("none", "connection", "vars", "google")


def source(authentication: str | None) -> str:
    """The text of a DAG, with MLflow if credentials for it are named."""
    pipeline = ProjectPipeline("shop", "local", True, "__default__", (PipelineNode("n"),), "none")
    mlflow = {
        "enabled": authentication is not None,
        "tracking_uri": "https://mlflow.example.com",
        "authentication": authentication or "none",
    }
    return render_dag(build_plan(pipeline, config_of({"image": IMAGE, "mlflow": mlflow}))).source


def used(table: symtable.SymbolTable) -> Iterator[str]:
    """The names of the module that a scope and those inside it use."""
    for symbol in table.get_symbols():
        if symbol.is_referenced() and (symbol.is_global() or table.get_type() == "module"):
            yield symbol.get_name()
    for inner in table.get_children():
        yield from used(inner)


@pytest.mark.parametrize("kind", KINDS)
def test_the_dag_defines_all_that_it_uses_and_no_other_kind_of_credentials(kind: str) -> None:
    table = symtable.symtable(source(kind), "dag.py", "exec")
    bound = {s.get_name() for s in table.get_symbols() if s.is_assigned() or s.is_imported()}
    bound |= {s.get_name() for s in table.get_symbols() if s.is_namespace()}

    assert {*used(table)} - bound - {*dir(builtins)} <= {"__doc__"}
    kinds = {f"mlflow_{kind}" for kind in KINDS} & bound
    assert kinds == ({f"mlflow_{kind}"} if kind != "none" else set())


def test_mlflow_adds_at_most_150_lines() -> None:
    without = len(source(None).splitlines())

    assert len(source("none").splitlines()) <= without + 150


def test_a_node_that_is_called_mlflow_does_not_take_the_name_of_the_experiment() -> None:
    pipeline = ProjectPipeline(
        "shop", "local", True, "__default__", (PipelineNode("mlflow"),), "none"
    )
    run = {"image": IMAGE, "mlflow": {"enabled": True, "tracking_uri": "https://m.example.com"}}
    text = render_dag(build_plan(pipeline, config_of(run))).source

    assert text.count("    mlflow = ") == 1
    assert 'kedro_task("mlflow")' in text
