"""Whatever the pipeline and the grouping, the tasks of visible nodes wait as Kedro's nodes do."""

from __future__ import annotations

from typing import get_args

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from kedro_airflow_k8s.config.tasks import GroupingMode
from kedro_airflow_k8s.dag.render import render_dag
from kedro_airflow_k8s.errors import PlanError
from kedro_airflow_k8s.plan.build import Plan, build_plan
from kedro_airflow_k8s.project.entities import PipelineNode, ProjectPipeline
from tests.support.strategies import IMAGE, config_of, findable, plain_nodes, upstream_of

# Kedro warns of such namespaces and takes them.
pytestmark = pytest.mark.filterwarnings("ignore:Namespace ':UserWarning")


@st.composite
def plans(draw: st.DrawFn) -> tuple[tuple[PipelineNode, ...], Plan]:
    """A pipeline with visible nodes, and the plan of its DAG."""
    nodes = draw(plain_nodes())
    found = findable(ProjectPipeline("my_package", "local", True, "__default__", nodes, "0a1b2c"))
    assume(found.nodes)
    grouping = {"by": draw(st.sampled_from(get_args(GroupingMode))), "nodes": "visible"}
    config = config_of({"image": IMAGE, "grouping": {"__default__": grouping}})
    try:
        return tuple(found.nodes), build_plan(found, config)
    except PlanError as error:
        if error.code == "group-cycle":
            assume(False)
        raise


@given(plans())
def test_each_node_has_one_task_that_waits_for_what_kedro_waits_for(
    planned: tuple[tuple[PipelineNode, ...], Plan],
) -> None:
    nodes, plan = planned
    tasks = plan.tasks
    of_node = {task.nodes[0]: index for index, task in enumerate(tasks) if task.nodes}
    assert sorted(of_node) == sorted(node.name for node in nodes)
    assert all(len(task.nodes) == 1 or task.runs for task in tasks)
    for name, before in upstream_of(nodes).items():
        task = tasks[of_node[name]]
        wanted = {of_node[other] for other in before}
        assert wanted <= set(task.upstream)
        # A node that waits for no other of its pod begins when the pod does.
        pods = [each for each in tasks if task.pod and each.task_id == task.pod]
        assert set(task.upstream) - wanted <= {i for pod in pods for i in pod.upstream}


@given(plans())
def test_each_pod_runs_the_nodes_that_name_it_when_all_that_they_read_from_others_is_there(
    planned: tuple[tuple[PipelineNode, ...], Plan],
) -> None:
    nodes, plan = planned
    tasks = plan.tasks
    before = upstream_of(nodes)
    of_node = {name: index for index, task in enumerate(tasks) for name in task.nodes}
    for index, task in enumerate(tasks):
        assert all(other < index for other in task.upstream)
        members = {name for each in tasks for name in each.nodes if each.pod == task.task_id}
        assert members == set(task.runs)
        outside = {of_node[name] for member in members for name in before[member] - members}
        if task.runs:
            assert set(task.upstream) == outside
            assert len(members) > 1
    assert len({task.task_id for task in tasks}) == len(tasks)
    assert ("SharedPodOperator" in render_dag(plan).source) == plan.shows_nodes
