"""Where nodes stand: namespaces are groups, and every id is valid, unique and stable."""

from __future__ import annotations

import re
from collections.abc import Iterable

import pytest
from hypothesis import example, given

from kedro_airflow_k8s.config.own_names import digest
from kedro_airflow_k8s.plan import names
from kedro_airflow_k8s.plan.task_groups import (
    GROUPS_DEPTH,
    GROUPS_LENGTH,
    Group,
    Place,
    places,
    tree,
)
from kedro_airflow_k8s.project.entities import PipelineNode
from tests.support.strategies import plain_nodes

VOLUME_TASKS = ("create_volume", "data_volume_init", "delete_volume")


def node(name: str) -> PipelineNode:
    return PipelineNode(name, name.rpartition(".")[0] or None)


def place_of(*nodes: PipelineNode) -> dict[str, Place]:
    return {n.name: p for n, p in zip(nodes, places(nodes, VOLUME_TASKS), strict=True)}


def group_ids(found: Iterable[Place]) -> set[str]:
    return {
        ".".join(place.groups[: depth + 1]) for place in found for depth in range(len(place.groups))
    }


def all_ids(found: Iterable[Place]) -> set[str]:
    """Those of tasks and groups, and the two that Airflow gives each group."""
    found = list(found)
    groups = group_ids(found)
    return {
        *(place.task_id for place in found),
        *groups,
        *(f"{group}.{end}_join_id" for group in groups for end in ("upstream", "downstream")),
    }


def test_the_levels_of_a_namespace_are_groups_in_groups() -> None:
    found = place_of(node("load"), node("price.clean"), node("price.model.train"))
    assert found == {
        "load": Place((), "load"),
        "price.clean": Place(("price",), "clean"),
        "price.model.train": Place(("price", "model"), "train"),
    }
    assert [place.task_id for place in found.values()] == list(found)


def test_a_dot_in_a_name_makes_no_group() -> None:
    assert places([PipelineNode("a.b")], ()) == (Place((), "a.b"),)
    assert places([PipelineNode("ns.a.b", "ns")], ()) == (Place(("ns",), "a.b"),)


def test_a_node_of_the_name_of_a_group_or_of_a_volumes_task_gets_a_hash() -> None:
    found = place_of(node("a"), node("a.b"), node("create_volume"))
    assert found["a"].task_id == f"a-{digest('a')}"
    assert found["a.b"].task_id == "a.b"
    assert found["create_volume"].task_id == f"create_volume-{digest('create_volume')}"


@pytest.mark.parametrize("end", ["upstream_join_id", "downstream_join_id"])
def test_a_node_does_not_take_an_id_that_airflow_has_for_its_group(end: str) -> None:
    found = place_of(node(f"a.{end}"))[f"a.{end}"]
    assert found == Place(("a",), f"{end}-{digest(f'a.{end}')}")


def test_names_that_differ_in_case_or_punctuation_only_are_kept_apart() -> None:
    twins = ["Same-Name", "same-name", "same_name", "same.name", "SAME_NAME", "same--name"]
    found = place_of(*(PipelineNode(name) for name in twins))
    assert [found[name].task_id for name in twins[:-1]] == twins[:-1]
    assert found["same--name"].task_id == f"same-name-{digest('same--name')}"


def test_forty_levels_are_as_many_groups_as_fit_and_nothing_is_lost() -> None:
    levels = [f"level{number}" for number in range(40)]
    names_ = [".".join([*levels[:depth], "node"]) for depth in range(1, 41)]
    found = place_of(*map(node, names_))
    assert max(len(place.groups) for place in found.values()) == GROUPS_DEPTH
    assert len(all_ids(found.values())) == len(names_) + 3 * GROUPS_DEPTH
    assert all(place.task_id == name for name, place in found.items() if len(name) < 250)


def test_long_levels_stop_making_groups_before_ids_get_too_long() -> None:
    deep = node(".".join(["x" * 60] * 8 + ["n"]))
    (found,) = places([deep], ())
    assert found.groups == ("x" * 60, "x" * 60)
    assert len(found.task_id) == names.TASK_ID_LENGTH


@given(plain_nodes())
@example((node("a"), node("a.b"), node("a-a.b"), node("a.a-b")))
def test_ids_are_valid_unique_and_the_same_in_any_order(
    nodes: tuple[PipelineNode, ...],
) -> None:
    found = place_of(*nodes)
    groups = group_ids(found.values())
    assert len(all_ids([*found.values()])) == len(nodes) + 3 * len(groups)
    assert not all_ids(found.values()) & set(VOLUME_TASKS)
    for place in found.values():
        assert re.fullmatch(r"[A-Za-z0-9_.-]{1,250}", place.task_id)
        assert len(place.groups) <= GROUPS_DEPTH
        assert all(re.fullmatch(r"[A-Za-z0-9_-]+", label) for label in place.groups)
    assert all(len(group) <= GROUPS_LENGTH + 10 for group in groups)
    assert place_of(*reversed(nodes)) == found
    shuffled = sorted(nodes, key=lambda n: digest(n.name))
    assert place_of(*shuffled) == found


@given(plain_nodes())
@example((node("a"), node("a.b"), node("b")))
def test_other_nodes_change_an_id_only_by_taking_it(nodes: tuple[PipelineNode, ...]) -> None:
    together = place_of(*nodes)
    alone = {n.name: place_of(n)[n.name] for n in nodes}
    for name, place in alone.items():
        others = all_ids(other for key, other in alone.items() if key != name)
        if place.task_id not in others:
            assert together[name] == place


@given(plain_nodes())
def test_the_tree_holds_every_task_once_and_in_its_groups(nodes: tuple[PipelineNode, ...]) -> None:
    found = places(nodes, ())

    def walk(group: Group[PipelineNode], path: tuple[str, ...]) -> Iterable[tuple[object, str]]:
        yield from ((path, task.name) for task in group.tasks)
        labels = [inner.label for inner in group.groups]
        assert len(labels) == len(set(labels))
        for inner in group.groups:
            yield from walk(inner, (*path, inner.label))

    held = list(walk(tree(found, nodes), ()))
    assert sorted(held, key=lambda pair: pair[1]) == sorted(
        ((place.groups, n.name) for place, n in zip(found, nodes, strict=True)),
        key=lambda pair: pair[1],
    )
