"""Checks of tasks and their machines: what they find, and what they let pass."""

from __future__ import annotations

from typing import Any

import pytest

from kedro_airflow_k8s.checks.subject import Order
from tests.support.checked import check, node, only, shown, subject

BRANCHES = [
    node("load", "", "raw"),
    node("left", "raw", "l", "resources.left"),
    node("right", "raw", "r", "resources.right"),
    node("join", "l r", "result"),
]
LINE = [
    node("load", "", "raw", "resources.left"),
    node("left", "raw", "l", "resources.right"),
]


def selectors(**entries: dict[str, str]) -> dict[str, Any]:
    """`resources` with these node selectors."""
    return {name: {"node_selectors": labels} for name, labels in entries.items()}


def split(nodes: Any, resources: Any, **volume: Any) -> list[tuple[str, str, str]]:
    found = check(nodes, {}, resources=resources, volume=volume)
    return [entry for entry in shown(found) if entry[0] == "split-claim"]


def test_tasks_at_the_same_time_whose_machines_contradict_cannot_share_a_claim() -> None:
    resources = selectors(left={"pool": "a"}, right={"pool": "b"}, __default__={})
    found = [f for f in check(BRANCHES, {}, resources=resources) if f.is_error]
    finding = only(found, "split-claim")
    assert finding.where == "run_config.resources.left and run_config.resources.right"
    for word in ("'left'", "'right'", "'a'", "'b'", "pool", "ReadWriteOnce"):
        assert word in finding.problem
    assert "startup_time" in finding.consequence


def test_visible_nodes_of_one_pod_have_the_machine_of_that_pod() -> None:
    resources = selectors(left={"pool": "a"}, right={"disk": "ssd"})
    visible = {"__default__": {"by": "pipeline", "nodes": "visible"}}

    assert check(BRANCHES, {}, resources=resources, grouping=visible) == []


def test_tasks_one_after_the_other_whose_machines_contradict_are_a_doubt() -> None:
    resources = selectors(left={"pool": "a"}, right={"pool": "b"})
    finding = only(check(LINE, {}, resources=resources), "split-claim")
    assert finding.severity == "warning"
    assert "zone" in finding.consequence


def test_different_labels_at_the_same_time_are_a_doubt() -> None:
    resources = selectors(left={"pool": "a"}, right={"disk": "ssd"})
    found = split(BRANCHES, resources)
    assert [severity for _, severity, _ in found] == ["warning"]
    assert split(LINE, resources) == []


def test_a_label_that_only_one_task_asks_for_is_a_doubt() -> None:
    resources = selectors(left={"pool": "a"}, right={})
    assert [severity for _, severity, _ in split(BRANCHES, resources)] == ["warning"]
    finding = only(check(BRANCHES, {}, resources=resources), "split-claim")
    assert "any labels" in finding.problem
    assert "schedule_timeout" in finding.consequence


@pytest.mark.parametrize(
    "volume",
    [
        {"disabled": True},
        {"access_modes": ["ReadWriteMany"]},
        {"access_modes": ["ReadWriteMany", "ReadWriteOnce"]},
    ],
)
def test_pods_without_a_claim_for_one_machine_may_be_anywhere(volume: dict[str, Any]) -> None:
    resources = selectors(left={"pool": "a"}, right={"pool": "b"})
    assert split(BRANCHES, resources, **volume) == []


@pytest.mark.parametrize(
    "volume",
    [
        {"same_node": False},
        {"same_node": True, "access_modes": ["ReadWriteMany"]},
        {"access_modes": ["ReadWriteOncePod"]},
    ],
)
def test_a_disk_of_one_machine_stays_one_whatever_is_said_of_pods(volume: dict[str, Any]) -> None:
    resources = selectors(left={"pool": "a"}, right={"pool": "b"})
    assert len(split(BRANCHES, resources, **volume)) == 1


def test_equal_selectors_are_fine_and_so_are_entries_that_no_task_has() -> None:
    resources = selectors(left={"pool": "a"}, right={"pool": "a"}, other={"pool": "b"})
    assert split(BRANCHES, resources) == []


def test_one_pod_at_a_time_is_a_doubt_where_tasks_can_run_at_the_same_time() -> None:
    volume = {"access_modes": ["ReadWriteOncePod"]}
    plain = [node(n.name, " ".join(n.inputs), " ".join(n.outputs)) for n in BRANCHES]
    finding = only(check(plain, {}, volume=volume), "read-write-once-pod")
    assert finding.severity == "warning"
    assert check(plain[:2], {}, volume=volume) == []
    assert check(plain, {}, volume=volume, grouping="pipeline") == []


def test_the_order_of_tasks_follows_their_data() -> None:
    nodes = [
        node("a", "", "x@pandas"),
        node("b", "x@spark", "y"),
        node("c", "", "z"),
        node("d", "y z"),
    ]
    tasks = subject(nodes).plan.tasks
    order = Order(tasks)
    ids = [task.task_id for task in tasks]
    at = {task_id: ids.index(task_id) for task_id in ids}
    assert not order.is_chain
    assert order.at_once([at["a"]], [at["b"], at["d"]]) is None
    assert order.at_once([at["d"]], [at["a"], at["b"], at["c"]]) is None
    assert order.at_once([at["a"], at["b"]], [at["c"]]) == (at["a"], at["c"])
    assert Order(tasks[:1]).is_chain
    assert Order([]).is_chain


def test_ids_that_differ_only_by_a_hash_are_a_warning() -> None:
    nodes = [node("same.name", "", "x"), node("same", "", "y"), node("same.name.deep", "x y")]
    assert check(nodes, {}) == []
    # Neither can be an id, and both are spelled the same way except the hash.
    found = check([node("a<b>", "", "x"), node("a(b)", "x")], {})
    assert found == []


def test_a_node_named_like_a_task_of_the_dag_gets_a_hash() -> None:
    finding = only(check([node("create_volume")], {}), "id-collision")
    assert finding.severity == "warning"
    assert finding.where.startswith("task 'create_volume-")
    assert "'create_volume'" in finding.problem
