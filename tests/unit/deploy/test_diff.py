"""What is said of the difference between two DAG files: all of it, and the tasks."""

from __future__ import annotations

import re
from dataclasses import replace

from kedro_airflow_k8s.project.entities import PipelineNode
from tests.support.dag_diffs import CLEAN, LOAD, NODES, PLACE, TRAIN, diff, said, source
from tests.support.strategies import (
    IMAGE,
)

# Nothing, or everything.


def test_the_same_bytes_are_no_difference() -> None:
    found = diff(source(), source())
    assert found.same
    assert (found.words, found.lines) == ((), ())


def test_where_no_file_is_the_new_dag_is_described() -> None:
    found = diff(None, source(cron_expression="@daily", volume={"size": "2Gi"}))
    assert not found.same
    assert found.lines == ()
    assert [line.text for line in found.words] == [
        f"New DAG shop with 1 task: {PLACE} is not there yet.",
        "  + schedule: @daily",
        "  + start date: 2021-01-01 UTC",
        "  + pipeline: __default__",
        "  + environment: local",
        f"  + image: {IMAGE}",
        "  + volume of each run: 2Gi, ReadWriteOnce, /home/kedro_docker/data",
    ]


def test_a_new_commit_alone_is_said_as_such() -> None:
    old, new = source(), source(project={"commit": "ffeedd-dirty"})
    assert said(old, new) == ["Only the commit differs: 0a1b2c -> ffeedd-dirty."]
    assert '+        "commit_sha:ffeedd-dirty",' in [line.text for line in diff(old, new).lines]


def test_a_new_commit_is_told_before_what_else_changes() -> None:
    new = source(project={"commit": "ffeedd"}, image="x:2")
    assert said(source(), new) == ["~ commit: 0a1b2c -> ffeedd", f"~ image: {IMAGE} -> x:2"]


def test_a_fingerprint_that_somebody_changed_is_no_other_dag() -> None:
    old = re.sub(r"fingerprint:\w+", "fingerprint:000000000000", source())
    assert said(old, source()) == ["Only the fingerprint of the text differs."]


def test_comments_and_layout_are_told_from_what_has_a_meaning() -> None:
    old = source().replace("IMAGE = ", "# Somebody's remark.\nIMAGE  =  ")
    assert said(old, source()) == ["Only comments, layout or the order of statements differ."]


# Tasks.


def test_a_new_node_is_a_task_with_what_it_waits_for() -> None:
    report = PipelineNode("report", inputs=("model", "orders"))
    assert said(source(), source(*NODES, report)) == [
        "+ report: runs node report; waits for train, load"
    ]
    assert said(source(*NODES, report), source()) == ["- report: ran node report"]


def test_a_task_that_reads_something_else_waits_for_other_tasks() -> None:
    train = replace(TRAIN, inputs=("orders", "params:depth"))
    assert said(source(), source(LOAD, CLEAN, train)) == [
        "~ train: now reads orders; no longer reads clean_orders; now waits for load;{}".format(
            " no longer waits for clean"
        )
    ]


def test_a_task_waits_for_another_that_took_over_what_it_reads() -> None:
    load = replace(LOAD, outputs=("orders", "clean_orders"))
    assert said(source(), source(load, replace(CLEAN, outputs=("c",)), TRAIN)) == [
        "~ load: now makes clean_orders",
        "~ clean: now makes c; no longer makes clean_orders",
        "~ train: now waits for load; no longer waits for clean",
    ]


def test_a_new_task_between_two_others_is_waited_for() -> None:
    between = PipelineNode("scale", inputs=("clean_orders",), outputs=("scaled",))
    train = replace(TRAIN, inputs=("scaled", "params:depth"))
    assert said(source(), source(LOAD, CLEAN, between, train)) == [
        "+ scale: runs node scale; waits for clean",
        "~ train: now reads scaled; no longer reads clean_orders; now waits for scale;{}".format(
            " no longer waits for clean"
        ),
    ]


def test_transcoded_names_are_one_dataset() -> None:
    load = replace(LOAD, outputs=("orders@pandas",))
    clean = replace(CLEAN, inputs=("orders@spark",))
    assert said(source(), source(load, clean, TRAIN)) == [
        "~ load: now makes orders@pandas; no longer makes orders",
        "~ clean: now reads orders@spark; no longer reads orders",
    ]


def test_the_order_of_inputs_matters_to_the_text_only() -> None:
    train = replace(TRAIN, inputs=TRAIN.inputs[::-1])
    assert said(source(), source(LOAD, CLEAN, train)) == ["~ train: its inputs in another order"]


def test_the_documentation_of_a_task_is_not_repeated() -> None:
    load = replace(LOAD, doc="Load the orders.\n\n" + "Long.\n" * 50)
    assert said(source(), source(load, CLEAN, TRAIN)) == ["~ load: other documentation"]


def test_documentation_that_several_tasks_share_is_found() -> None:
    old = [replace(node, doc="One.", function="f") for node in NODES]
    new = [replace(node, doc="Two.", function="f") for node in NODES]
    assert "DOC_F" in source(*old)
    assert said(source(*old), source(*new)) == [
        f"~ {node.name}: other documentation" for node in NODES
    ]


def test_a_task_that_moves_to_a_task_group_keeps_its_history_of_differences() -> None:
    clean = replace(CLEAN, name="prepare.clean", namespace="prepare")
    assert said(source(), source(LOAD, clean, TRAIN)) == [
        "+ prepare.clean: runs node prepare.clean; waits for load",
        "- clean: ran node clean",
        "~ train: now waits for prepare.clean; no longer waits for clean",
    ]


def test_a_task_of_the_same_node_with_another_id_is_that_task() -> None:
    # A second node whose id would be the same takes a suffix, which depends on the order.
    old = source().replace('"train", ["clean_orders', '"train", ["clean_orders')
    new = source()
    assert '"train", ["clean_orders", "params:depth"], ["model"]' in new
    old = new.replace('["model"])', '["model"], task_id="training")')
    assert said(old, new) == ["~ train: was training until now"]


def test_nodes_that_are_joined_in_one_task_are_found_again() -> None:
    tag = ("airflow-k8s.group.prepare",)
    old, new = source(), source(replace(LOAD, tags=tag), replace(CLEAN, tags=tag), TRAIN)
    assert said(old, new) == [
        "+ prepare: runs nodes load, clean (until now in load, clean)",
        "- load: ran node load (from now on in prepare)",
        "- clean: ran node clean (from now on in prepare)",
        "~ train: now waits for prepare; no longer waits for clean",
    ]
    assert said(new, old) == [
        "+ load: runs node load (until now in prepare)",
        "+ clean: runs node clean (until now in prepare); waits for load",
        "- prepare: ran nodes load, clean (from now on in load, clean)",
        "~ train: now waits for clean; no longer waits for prepare",
    ]


def test_one_change_of_many_tasks_is_told_once() -> None:
    nodes = [PipelineNode(f"n{index}", outputs=(f"d{index}",)) for index in range(9)]
    tagged = [replace(node, tags=("resources.big",)) for node in nodes]
    resources = {"big": {"requests": {"cpu": "4"}}}
    assert said(source(*nodes, resources=resources), source(*tagged, resources=resources)) == [
        "~ 9 tasks: resources: __default__ -> big (n0, n1, n2, n3, n4 and 4 more)",
        "+ resources big: requests.cpu=4",
    ]


def test_tasks_in_another_order_run_as_before() -> None:
    nodes = [PipelineNode(name, outputs=(f"made by {name}",)) for name in "abc"]
    assert said(source(*nodes), source(*nodes[::-1])) == [
        "~ the tasks stand in another order in the file; they run as before"
    ]
