"""The text of a DAG: always the same for the same plan, however large, and pleasant to read."""

from __future__ import annotations

import ast
import builtins
import re
from dataclasses import replace
from itertools import combinations, pairwise
from pathlib import Path
from typing import TypeGuard

import pytest

from kedro_airflow_k8s.dag.render import render_dag
from kedro_airflow_k8s.plan.build import build_plan
from kedro_airflow_k8s.project.entities import PipelineNode, ProjectPipeline
from tests.support.dag_source import bound, imported
from tests.support.recorded_dag import run_dag_file
from tests.support.strategies import IMAGE, config_of

ROOT = Path(__file__).parents[3]
EXAMPLE = ROOT / "examples" / "spaceflights"


def pipeline_of(*nodes: PipelineNode, **changes: str) -> ProjectPipeline:
    return replace(
        ProjectPipeline(
            "flights", "local", True, "__default__", nodes, "0a1b2c", parameters={"a": 1}
        ),
        **changes,  # type: ignore[arg-type]
    )


def rendered(pipeline: ProjectPipeline, **run_config: object) -> str:
    return render_dag(build_plan(pipeline, config_of({"image": IMAGE, **run_config}))).source


def fingerprint(source: str) -> str:
    (found,) = re.findall('"fingerprint:([0-9a-f]{12})"', source)
    return str(found)


NODES = PipelineNode("a", doc="Text."), PipelineNode("ns.b", "ns", doc="Text.")


def test_one_plan_gives_the_same_bytes_each_time() -> None:
    plan = build_plan(pipeline_of(*NODES), config_of({"image": IMAGE}))
    assert len({render_dag(plan).source for _ in range(3)}) == 1


def test_the_fingerprint_changes_with_the_content_and_only_then() -> None:
    base = pipeline_of(*NODES)
    again = fingerprint(rendered(base))
    assert again == fingerprint(rendered(base))
    others = [
        rendered(base, description="other"),
        rendered(base, image="other:1"),
        rendered(replace(base, commit="1a1b2c")),
        rendered(replace(base, env="other", is_default_env=True)),
        rendered(pipeline_of(*NODES, PipelineNode("c"))),
        rendered(pipeline_of(replace(NODES[0], doc="Other."), NODES[1])),
    ]
    assert len({again, *map(fingerprint, others)}) == 1 + len(others)


def test_a_value_that_looks_like_a_fingerprint_is_left_alone() -> None:
    source = rendered(pipeline_of(*NODES), experiment_name="x", description="fingerprint:")
    dag = run_dag_file(source)
    assert dag.keywords["description"] == "fingerprint:"
    assert dag.keywords["tags"][-1] == f"fingerprint:{fingerprint(source)}"


@pytest.mark.parametrize("namespaced", [False, True])
def test_a_chain_of_five_thousand_nodes_is_a_dag(namespaced: bool) -> None:
    space = "ns." if namespaced else ""
    nodes = [
        PipelineNode(
            f"{space}n{index}",
            "ns" if namespaced else None,
            inputs=(f"d{index - 1}",) if index else (),
            outputs=(f"d{index}",),
        )
        for index in range(5000)
    ]
    dag = run_dag_file(rendered(pipeline_of(*nodes), volume={"disabled": True}))
    assert list(dag.tasks) == [node.name for node in nodes]
    assert dag.edges == {(a.name, b.name) for a, b in pairwise(nodes)}


def test_five_thousand_nodes_side_by_side_are_a_dag() -> None:
    wide = [PipelineNode(f"n{index}", outputs=(f"d{index}",)) for index in range(5000)]
    last = PipelineNode("last", inputs=tuple(f"d{index}" for index in range(5000)))
    dag = run_dag_file(rendered(pipeline_of(*wide, last), volume={"skip_init": True}))
    assert len(dag.tasks) == 5003
    assert {(node.name, "last") for node in wide} < dag.edges
    assert {("create_volume", node.name) for node in wide} < dag.edges
    # When one of them fails, the last task has ended before the others.
    assert {(name, "delete_volume") for name in dag.tasks if name[0] in "nl"} < dag.edges
    assert len(dag.edges) == 15001


def test_a_dataset_read_in_another_way_still_orders_its_tasks() -> None:
    nodes = [
        PipelineNode("write", outputs=("table@pandas",)),
        PipelineNode("read", inputs=("table@spark", "params:x", "parameters")),
        PipelineNode("other", inputs=("table_of_others",)),
    ]
    dag = run_dag_file(rendered(pipeline_of(*nodes), volume={"disabled": True}))
    assert dag.edges == {("write", "read")}


def test_a_namespace_of_forty_levels_is_still_python() -> None:
    levels = [f"l{number}" for number in range(40)]
    nodes = [
        PipelineNode(".".join([*levels[:depth], "n"]), ".".join(levels[:depth]))
        for depth in range(1, 41)
    ]
    dag = run_dag_file(rendered(pipeline_of(*nodes), volume={"disabled": True}))
    assert list(dag.tasks) == [node.name for node in nodes]
    assert dag.group_ids == [".".join(levels[:depth]) for depth in range(1, 11)]


def test_the_file_says_what_it_is_and_how_to_change_it() -> None:
    source = rendered(pipeline_of(*NODES, name='train""" \\ {{ x }}', env="prod"))
    first, *rest = source.splitlines()
    assert first == (
        '"""Airflow DAG of the Kedro pipeline `train??? ? ?? x ??` of project `flights`.'
    )
    said = " ".join(rest[1:3])
    assert "environment `prod`" in said
    assert "compile again" in said


def test_what_airflow_stores_with_the_tasks_tells_the_fingerprint() -> None:
    dag = run_dag_file(rendered(pipeline_of(*NODES)))
    (tag,) = [tag for tag in dag.keywords["tags"] if tag.startswith("fingerprint:")]
    assert tag in dag.keywords["doc_md"].split()


FEATURES: tuple[dict[str, object], ...] = (
    {"volume": {"disabled": True}},
    {"macro_params": ["ds"]},
    {"trigger_params": ["a"]},
    {"date_param": "run_date"},
    {"partitioned": "daily"},
    {"timezone": "Europe/Paris"},
    {"external_dependencies": [{"dag_id": "up"}]},
    {"external_dependencies": [{"dag_id": "up", "execution_delta": 5}]},
    {"resources": {"__default__": {"labels": {"a": "b"}}}},
    {"resources": {"__default__": {"limits": {"cpu": "1"}}}},
)


@pytest.mark.parametrize("count", range(3))
def test_a_dag_imports_what_it_uses_and_nothing_more(count: int) -> None:
    for features in combinations(FEATURES, count):
        run_config = {key: value for feature in features for key, value in feature.items()}
        if {"partitioned", "external_dependencies"} <= run_config.keys():
            continue  # A run of a partition has no date for which another DAG has one.
        for nodes in (NODES, NODES[:1]):
            tree = ast.parse(rendered(pipeline_of(*nodes), **run_config))
            used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
            assert set(imported(ast.walk(tree))) <= used | {"annotations"}
            top = [node for node in tree.body if isinstance(node, ast.Assign | ast.With)]
            loaded = {node.id for part in top for node in ast.walk(part) if is_name(node)}
            # A variable of a comprehension is bound in it.
            assert loaded <= {*bound(tree), *dir(builtins), "task"}


def is_name(node: ast.AST) -> TypeGuard[ast.Name]:
    return isinstance(node, ast.Name)


def test_lines_fit_the_page() -> None:
    source = rendered(
        pipeline_of(*NODES),
        description="A text that is " + "rather long, " * 20,
        macro_params=["ds"],
        external_dependencies=[{"dag_id": "up"}],
    )
    long = [line for line in source.splitlines() if len(line) > 100]
    assert [line for line in long if "description=" not in line and "noqa" not in line] == []


def test_a_storage_task_is_set_up_and_torn_down_around_the_nodes() -> None:
    dag = run_dag_file(rendered(pipeline_of(*NODES), volume={"mount_path": "/data"}))
    create, delete = dag.tasks["create_volume"], dag.tasks["delete_volume"]
    fill = dag.tasks["data_volume_init"]
    assert (create.role, fill.role, delete.role) == ("setup", "setup", "teardown")
    assert delete.setups is create
    command = ["python", "-m", "kedro_airflow_k8s.pod"]
    assert fill.keywords["arguments"] == [*command, "fill-volume", "/data", "/mnt/kedro-data"]
    (mount,) = fill.keywords["volume_mounts"]
    assert mount.keywords == {"name": "data", "mount_path": "/mnt/kedro-data"}
    (mount,) = dag.tasks["a"].keywords["volume_mounts"]
    assert mount.keywords == {"name": "data", "mount_path": "/data"}
    assert create.keywords["manifests"] == delete.keywords["manifests"]


def test_no_task_overrides_the_entrypoint_of_the_image() -> None:
    dag = run_dag_file(rendered(pipeline_of(*NODES)))
    assert not any("cmds" in task.keywords for task in dag.tasks.values())
