"""What the tasks of a DAG run, read, make and need."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from kedro_airflow_k8s.errors import PlanError
from kedro_airflow_k8s.plan.build import Plan, build_plan
from kedro_airflow_k8s.plan.tasks import Task
from kedro_airflow_k8s.project.entities import CatalogEntry, PipelineNode, ProjectPipeline
from tests.support.strategies import IMAGE, config_of

MAKE = PipelineNode("make", inputs=("raw",), outputs=("x", "report"))
USE = PipelineNode("use", inputs=("x", "params:a"), outputs=("y",))
END = PipelineNode("end", inputs=("y", "x"), outputs=("z",))
CHAIN = (MAKE, USE, END)


def planned(
    nodes: Sequence[PipelineNode] = CHAIN,
    *,
    pipeline: str = "__default__",
    catalog: Mapping[str, CatalogEntry] | None = None,
    smaller: Mapping[str, frozenset[str]] | None = None,
    **run_config: Any,
) -> Plan:
    found = ProjectPipeline(
        package_name="flights",
        env="local",
        is_default_env=True,
        name=pipeline,
        nodes=tuple(nodes),
        commit="0a1b2c",
        catalog=catalog or {},
        smaller=smaller or {},
    )
    return build_plan(found, config_of({"image": IMAGE, **run_config}))


def tagged(node: PipelineNode, *tags: str) -> PipelineNode:
    return PipelineNode(node.name, node.namespace, node.inputs, node.outputs, tags)


def only(plan: Plan) -> Task:
    (task,) = plan.tasks
    return task


# What a task reads and makes.


def test_a_task_of_several_nodes_takes_what_they_do_not_make_themselves() -> None:
    task = only(planned(grouping="pipeline"))

    assert task.nodes == ("make", "use", "end")
    assert task.inputs == ("raw", "params:a")


def test_a_task_of_several_nodes_makes_what_others_read_and_what_no_one_reads() -> None:
    first, second = planned(
        (tagged(MAKE, "airflow-k8s.group.g"), tagged(USE, "airflow-k8s.group.g"), END)
    ).tasks

    assert (first.nodes, first.outputs) == (("make", "use"), ("x", "report", "y"))
    assert (second.nodes, second.outputs) == (("end",), ("z",))
    assert only(planned(grouping="pipeline")).outputs == ("report", "z")


def test_two_ways_to_read_a_dataset_are_one_dataset() -> None:
    nodes = (
        PipelineNode("write", outputs=("t@pandas",)),
        PipelineNode("read", inputs=("t@spark",), outputs=("z",)),
    )
    task = only(planned(nodes, grouping="pipeline"))

    assert (task.inputs, task.outputs) == ((), ("z",))


def test_a_task_of_several_nodes_tells_what_each_of_them_does() -> None:
    nodes = (
        PipelineNode("a", outputs=("x",), doc="Make x.\n\nOut of nothing."),
        PipelineNode("b", inputs=("x",), outputs=("y",)),
        PipelineNode("c", inputs=("y",), outputs=("z",), doc="Make z."),
    )

    assert only(planned(nodes, grouping="pipeline")).doc == "- `a`: Make x.\n- `c`: Make z."


# How they are grouped.


def test_each_pipeline_is_grouped_in_its_own_way() -> None:
    grouping = {"train": "pipeline", "__default__": "none"}

    assert len(planned(pipeline="train", grouping=grouping).tasks) == 1
    assert len(planned(pipeline="other", grouping=grouping).tasks) == 3
    assert len(planned(pipeline="other", grouping={"train": "pipeline"}).tasks) == 3


def test_nodes_joined_by_data_that_the_catalog_does_not_keep_share_a_pod() -> None:
    catalog = {
        "x": CatalogEntry("pandas.CSVDataset", path="data/x.csv"),
        "y": CatalogEntry("MemoryDataset", in_memory=True),
    }

    plan = planned(grouping="memory", catalog=catalog)

    assert [task.nodes for task in plan.tasks] == [("make",), ("use", "end")]


def test_a_task_never_has_the_id_of_another_a_group_or_a_task_of_ours() -> None:
    group = "airflow-k8s.group"
    nodes = (
        tagged(MAKE, f"{group}.end"),
        tagged(USE, f"{group}.delete_volume"),
        PipelineNode("end", inputs=("y", "x"), outputs=("z",)),
        PipelineNode("n.end", "end", inputs=("z",)),
    )

    ids = planned(nodes).task_ids

    assert len(set(ids)) == len(ids) == 7


def test_groups_that_the_user_named_and_that_wait_for_each_other_are_refused() -> None:
    nodes = (tagged(MAKE, "airflow-k8s.group.g"), USE, tagged(END, "airflow-k8s.group.g"))

    with pytest.raises(PlanError, match=r"(?s)make.*use.*end") as refused:
        planned(nodes)

    assert refused.value.code == "group-cycle"


# What their pods need.


def test_a_task_of_several_nodes_has_the_most_that_one_of_them_asks_for() -> None:
    nodes = (tagged(MAKE, "resources.big"), tagged(USE, "resources.wide"), END)
    entries = {
        "__default__": {"requests": {"cpu": "1"}},
        "big": {"requests": {"memory": "2Gi"}, "labels": {"a": "b"}},
        "wide": {"requests": {"cpu": "3", "memory": "512Mi"}},
    }

    plan = planned(nodes, grouping="pipeline", resources=entries)

    assert only(plan).resources == "__default__ + big + wide"
    assert plan.pods.resources[only(plan).resources] == {
        "labels": {"a": "b"},
        "container_resources": {"requests": {"cpu": "3", "memory": "2Gi"}},
    }
    assert plan.pods.resources.keys() == {"__default__", "__default__ + big + wide"}


def test_nodes_of_a_task_may_ask_for_an_entry_while_others_ask_for_none() -> None:
    nodes = (tagged(MAKE, "resources.big"), USE, END)
    entry = {"limits": {"memory": "1Gi"}, "labels": {"a": "b"}}

    plan = planned(nodes, grouping="pipeline", resources={"big": entry})

    # To have no limit is more than any; what Kubernetes would set aside for the limit, it still is.
    assert plan.pods.resources == {
        "__default__ + big": {
            "labels": {"a": "b"},
            "container_resources": {"requests": {"memory": "1Gi"}},
        }
    }


def test_nodes_of_a_task_that_must_be_on_different_machines_are_refused() -> None:
    nodes = (tagged(MAKE, "resources.a"), tagged(USE, "resources.b"), END)
    entries = {
        "a": {"node_selectors": {"pool": "gpu"}},
        "b": {"node_selectors": {"pool": "cpu"}},
    }

    with pytest.raises(PlanError, match="pool") as refused:
        planned(nodes, grouping="pipeline", resources=entries)

    assert refused.value.code == "resources-contradict"


# Which pipeline their pods run.


def test_a_pod_runs_the_smallest_pipeline_that_has_all_its_nodes() -> None:
    smaller = {
        "most": frozenset({"make", "use"}),
        "a_same": frozenset({"use", "end"}),
        "one": frozenset({"make"}),
    }

    plan = planned(smaller=smaller)

    assert {task.nodes: task.pipeline for task in plan.tasks} == {
        ("make",): "one",
        ("use",): "a_same",
        ("end",): "a_same",
    }
    # Named all the same: the image may have got more nodes since.
    assert not any(task.whole_pipeline for task in plan.tasks)
    assert only(planned(smaller=smaller, grouping="pipeline")).pipeline == "__default__"


def test_nodes_that_do_not_fit_a_command_line_are_refused_with_the_way_out() -> None:
    nodes = [PipelineNode(f"{'n' * 200}{i}", "a", outputs=(f"d{i}",)) for i in range(700)]
    nodes.append(PipelineNode("last"))
    mine = frozenset(node.name for node in nodes[:-1])

    with pytest.raises(PlanError, match=r"'a' has 700 nodes.*register a pipeline"):
        planned(nodes, grouping="namespace")

    task = planned(nodes, grouping="namespace", smaller={"whole": mine}).tasks[0]
    assert (task.pipeline, task.whole_pipeline) == ("whole", True)
    assert planned(nodes, grouping="pipeline").tasks[0].whole_pipeline


# What tasks pass on.


def test_data_on_object_storage_is_deleted_at_the_end_of_the_run() -> None:
    plan = planned(intermediate_data="s3://bucket/x", volume={"disabled": True})

    assert plan.storage.intermediate_data == f"s3://bucket/x/{plan.storage.owned}"
    assert plan.end_ids == ("delete_intermediate_data",)


def test_the_volume_goes_after_the_pod_that_deletes_the_data_and_mounts_it() -> None:
    plan = planned(intermediate_data="s3://bucket/x", volume={"skip_init": True})

    assert plan.end_ids == ("delete_intermediate_data", "delete_volume")


def test_data_on_object_storage_stays_if_the_user_says_so() -> None:
    plan = planned(
        intermediate_data="s3://bucket/x", keep_intermediate_data=True, volume={"disabled": True}
    )

    assert plan.storage.intermediate_data is not None
    assert "delete_intermediate_data" not in plan.task_ids


def test_without_a_volume_and_a_store_tasks_pass_nothing_on() -> None:
    plan = planned(volume={"disabled": True})

    assert plan.storage.intermediate_data is None


def test_a_task_names_what_it_passes_on_only_where_the_pod_cannot_know() -> None:
    makes = PipelineNode("makes", outputs=("read", "unread"))
    inner = PipelineNode("inner", inputs=("read",), outputs=("last",))
    outer = PipelineNode("outer", inputs=("read", "last"))

    alone = planned((makes, inner, outer))
    assert [task.passes_on for task in alone.tasks] == [("read",), None, None]
    assert [task.upstream for task in alone.tasks] == [(), (0,), (0, 1)]
    end = planned((PipelineNode("end", outputs=("result",)),))
    assert only(end).passes_on == ()


def test_of_a_task_of_several_nodes_only_what_others_read_is_passed_on() -> None:
    nodes = (
        PipelineNode("a.x", "a", outputs=("both", "inside")),
        PipelineNode("a.y", "a", inputs=("both", "inside"), outputs=("out",)),
        PipelineNode("b.z", "b", inputs=("both", "out")),
    )

    first, second = planned(nodes, grouping="namespace").tasks

    assert first.passes_on == ("both", "out")
    assert second.passes_on is None
    assert second.upstream == (0,)


# Nodes that share a pod and have tasks of their own.

VISIBLE = {"__default__": {"by": "tag", "nodes": "visible"}}


def visible_plan() -> Plan:
    first = PipelineNode("first", outputs=("raw",))
    shared = (tagged(node, "airflow-k8s.group.prepare") for node in CHAIN)
    last = PipelineNode("last", inputs=("y",))
    return planned([first, *shared, last], grouping=VISIBLE)


def test_a_visible_group_has_a_task_for_its_pod_and_one_for_each_node() -> None:
    tasks = {task.task_id: task for task in visible_plan().tasks}

    assert list(tasks) == [
        "first",
        *("prepare.pod", "prepare.make", "prepare.use", "prepare.end"),
        "last",
    ]
    assert tasks["prepare.pod"].runs == ("make", "use", "end")
    assert tasks["prepare.pod"].nodes == ()
    assert {task.pod for task_id, task in tasks.items() if task.nodes and "." in task_id} == {
        "prepare.pod"
    }


def test_tasks_of_other_groups_wait_for_the_node_that_makes_their_data_not_for_the_pod() -> None:
    tasks = visible_plan().tasks
    upstream = {task.task_id: {tasks[index].task_id for index in task.upstream} for task in tasks}

    assert upstream == {
        "first": set(),
        "prepare.pod": {"first"},
        "prepare.make": {"first"},
        "prepare.use": {"prepare.make"},
        "prepare.end": {"prepare.make", "prepare.use"},
        "last": {"prepare.use"},
    }


def test_the_pod_of_a_visible_group_stores_what_others_read_and_its_nodes_alone_all() -> None:
    tasks = {task.task_id: task for task in visible_plan().tasks}

    assert tasks["prepare.pod"].passes_on == ("y",)
    assert tasks["prepare.make"].passes_on == ("x",)
    assert tasks["prepare.end"].passes_on == ()


def test_pods_run_their_nodes_with_the_runner_of_the_grouping() -> None:
    threads = {"by": "pipeline", "runner": "thread", "max_workers": 3}

    assert visible_plan().runner == ("--runner=SequentialRunner",)
    assert planned(grouping={"__default__": threads}).runner == (
        "--runner=ThreadRunner",
        "--max-workers=3",
    )
    assert planned(grouping="pipeline").runner == ()
    assert planned(grouping={"__default__": {**threads, "by": "none"}}).runner == ()
