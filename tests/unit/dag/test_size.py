"""The DAG of a large project whose nodes have settings of every kind stays small."""

from __future__ import annotations

from typing import Any

import yaml

from benchmarks.projects import CONFIG, nodes
from kedro_airflow_k8s.config.load import load_config
from kedro_airflow_k8s.dag.render import render_dag
from kedro_airflow_k8s.plan.build import build_plan
from kedro_airflow_k8s.project.entities import PipelineNode, ProjectPipeline

NODES, ENTRIES = 500, 20
MOST_BYTES = 110_000


def entry(index: int) -> dict[str, Any]:
    """Settings that no other entry has; every fourth has an image and rights of its own."""
    image = {"image": f"registry.example.com/retail-forecasting-{index}:1.0"}
    return {
        "requests": {"cpu": f"{100 + index}m", "memory": f"{index + 1}Gi"},
        "limits": {"memory": f"{index + 2}Gi"},
        "labels": {"team": f"team-{index}"},
        "retries": index + 1,
        "pool": f"pool_{index}",
        **(image if index % 4 == 0 else {}),
    }


def test_500_nodes_in_20_entries_are_less_than_110_kb() -> None:
    made = tuple(
        PipelineNode(
            node.name,
            node.namespace,
            node.inputs,
            (node.output,),
            (f"resources.size-{index % ENTRIES}",),
            node.function,
            node.doc,
        )
        for index, node in enumerate(nodes(NODES))
    )
    settings = yaml.safe_load(CONFIG)
    settings["run_config"]["resources"] = {f"size-{i}": entry(i) for i in range(ENTRIES)}
    pipeline = ProjectPipeline(
        "retail-forecasting", "local", True, "__default__", made, "none", parameters={}
    )
    source = render_dag(build_plan(pipeline, load_config(settings, "airflow-k8s.yaml"))).source

    assert source.count('resources="size-') == NODES
    assert source.count('"pool": "pool_') == ENTRIES
    assert len(source.encode()) < MOST_BYTES
