"""Nodes share a task for a reason, and the tasks can run one after the other."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from itertools import combinations

import pytest
from hypothesis import event, given

from kedro_airflow_k8s.errors import PlanError
from kedro_airflow_k8s.plan.grouping import CYCLE_CODE, NodeGroup, group_nodes
from kedro_airflow_k8s.pod.names import is_parameter
from kedro_airflow_k8s.project.entities import PipelineNode
from tests.support.random_pipelines import MODES, RandomPipeline, random_pipelines

ALL: Callable[[str], bool] = lambda dataset: True  # noqa: E731


def node(
    name: str, inputs: str = "", outputs: str = "", group: str = "", namespace: str | None = None
) -> PipelineNode:
    """A node of the namespace in its name, if no other is given, and with the tag of a group."""
    return PipelineNode(
        name,
        namespace or name.rpartition(".")[0] or None,
        inputs=tuple(inputs.split()),
        outputs=tuple(outputs.split()),
        tags=(f"airflow-k8s.group.{group}", "zzz") if group else (),
    )


def grouped(
    *nodes: PipelineNode,
    mode: str = "none",
    memory: Callable[[str], bool] | Iterable[str] = ALL,
    pipeline: str = "__default__",
) -> list[tuple[str, str | None, str]]:
    """Name, namespace and nodes of each group."""
    in_memory = memory if callable(memory) else set(memory).__contains__
    found = group_nodes(nodes, mode, in_memory, pipeline)
    return [(g.name, g.namespace, " ".join(n.name for n in g.nodes)) for g in found]


def refusal(*nodes: PipelineNode, mode: str = "none", code: str | None = CYCLE_CODE) -> str:
    with pytest.raises(PlanError) as caught:
        grouped(*nodes, mode=mode)
    assert caught.value.code == code
    return str(caught.value)


def attempted(
    nodes: Sequence[PipelineNode], mode: str, found: RandomPipeline
) -> tuple[NodeGroup, ...] | PlanError:
    try:
        return group_nodes(nodes, mode, found.in_memory, "__default__")
    except PlanError as error:
        return error


LINE = (node("load", "", "a"), node("clean", "a", "b"), node("fit", "b", "c"))


# What shares a task.


def test_without_grouping_every_node_is_a_task_of_its_own() -> None:
    assert grouped(*LINE, node("ns.x", "c")) == [
        ("load", None, "load"),
        ("clean", None, "clean"),
        ("fit", None, "fit"),
        ("ns.x", "ns", "ns.x"),
    ]


def test_data_in_memory_joins_its_maker_and_all_its_readers() -> None:
    nodes = (*LINE, node("report", "b c", "d"))
    assert grouped(*nodes, mode="memory", memory="b") == [
        ("load", None, "load"),
        ("clean_to_report", None, "clean fit report"),
    ]
    assert grouped(*nodes, mode="memory", memory="c") == [
        ("load", None, "load"),
        ("clean", None, "clean"),
        ("fit_and_report", None, "fit report"),
    ]
    assert len(grouped(*nodes, mode="memory", memory="")) == 4


def test_a_free_input_in_memory_and_a_parameter_join_no_one() -> None:
    nodes = (node("a", "raw params:x parameters", "p"), node("b", "raw params:x parameters", "q"))
    assert len(grouped(*nodes, mode="memory")) == 2
    made = (node("a", "raw", "params:x"), node("b", "params:x", "q"))
    assert len(grouped(*made, mode="memory")) == 2


@pytest.mark.parametrize("known_by", ["t@pandas", "t@spark"])
def test_a_transcoded_dataset_joins_by_what_either_side_calls_it(known_by: str) -> None:
    nodes = (node("a", "", "t@pandas"), node("b", "t@spark", "q"))
    assert len(grouped(*nodes, mode="memory", memory=[known_by])) == 1
    assert len(grouped(*nodes, mode="memory", memory="")) == 2


def test_a_namespace_is_a_task_with_all_its_levels() -> None:
    nodes = (
        node("load", "", "a"),
        node("price.clean", "a", "b"),
        node("price.model.fit", "b", "c"),
        node("other.x", "c", "d"),
        node("price2.x", "c", "e"),
        node("price2.y", "e", "f"),
    )
    assert grouped(*nodes, mode="namespace", memory="") == [
        ("load", None, "load"),
        ("price", None, "price.clean price.model.fit"),
        ("other.x", "other", "other.x"),
        ("price2", None, "price2.x price2.y"),
    ]


@pytest.mark.parametrize(
    ("registered", "name"), [("__default__", "pipeline"), ("data_science", "data_science")]
)
def test_the_whole_pipeline_is_a_task_whatever_the_tags(registered: str, name: str) -> None:
    nodes = (node("ns.a", "", "x", "g"), node("ns.b", "x", "y", "h"), node("ns.c", "y", "", "g"))
    assert grouped(*nodes, mode="pipeline", pipeline=registered) == [(name, "ns", "ns.a ns.b ns.c")]
    assert grouped(LINE[0], mode="pipeline", pipeline=registered) == [(name, None, "load")]


@pytest.mark.parametrize("mode", ["none", "memory", "namespace"])
def test_tags_win_over_the_mode(mode: str) -> None:
    nodes = (
        node("ns.a", "", "x"),
        node("ns.b", "x", "y", "prepare"),
        node("c", "y", "z", "prepare"),
        node("ns.d", "z", "end"),
    )
    if mode == "namespace":
        nodes = (*nodes[1:3], nodes[3], node("ns.e", "end", "x2"))
        assert grouped(*nodes, mode=mode) == [
            ("prepare", None, "ns.b c"),
            ("ns", None, "ns.d ns.e"),
        ]
        return
    assert grouped(*nodes, mode=mode) == [
        ("ns.a", "ns", "ns.a"),
        ("prepare", None, "ns.b c"),
        ("ns.d", "ns", "ns.d"),
    ]


def test_a_group_by_tag_stands_in_the_namespace_that_its_nodes_share() -> None:
    nodes = (node("a.b.x", "", "p", "g"), node("a.b.c.y", "p", "q", "g"), node("a.z", "q", "", "h"))
    assert grouped(*nodes) == [("g", "a.b", "a.b.x a.b.c.y"), ("h", "a", "a.z")]


def test_the_tag_of_older_kedro_is_the_same_group() -> None:
    old = PipelineNode("a", outputs=("x",), tags=("airflow-k8s:group:g",))
    assert grouped(old, node("b", "x", "", "g")) == [("g", None, "a b")]


def test_other_tags_make_no_group() -> None:
    tags = ("airflow-k8s", "airflow-k8s.groups.g", "xairflow-k8s.group.g", "resources.group.g")
    nodes = tuple(PipelineNode(name, tags=tags) for name in "ab")
    assert len(grouped(*nodes)) == 2


@pytest.mark.parametrize("tag", ["airflow-k8s.group", "airflow-k8s.group.", "airflow-k8s:group: "])
def test_a_tag_without_a_name_is_refused(tag: str) -> None:
    message = refusal(PipelineNode("clean", tags=(tag,)), code=None)
    assert f"'clean' has the tag {tag!r} without the name of a group." in message


def test_a_node_of_two_groups_is_refused() -> None:
    tags = ("airflow-k8s.group.a", "airflow-k8s:group:b")
    message = refusal(PipelineNode("clean", tags=tags), code=None)
    assert (
        "'clean' has several tags for groups: airflow-k8s.group.a, airflow-k8s:group:b." in message
    )


def test_an_unknown_mode_is_refused_and_no_nodes_give_no_groups() -> None:
    with pytest.raises(ValueError, match=r"Unknown grouping 'nodes'\. Modes: none, memory"):
        grouped(*LINE, mode="nodes")
    for mode in MODES:
        assert grouped(mode=mode) == []


# Cycles.


def test_a_node_between_two_that_are_joined_by_memory_is_joined_too() -> None:
    nodes = (node("a", "", "m file"), node("b", "file", "file2"), node("c", "m file2", "end"))
    assert grouped(*nodes, mode="memory", memory="m") == [("a_to_c", None, "a b c")]
    apart = (node("a", "", "m file"), node("b", "file", "file2"), node("c", "m", "end"))
    assert grouped(*apart, mode="memory", memory="m") == [
        ("a_and_c", None, "a c"),
        ("b", None, "b"),
    ]


def test_namespaces_that_interrupt_each_other_are_one_task() -> None:
    nodes = (
        node("load", "", "x"),
        node("a.first", "x", "p"),
        node("b.one", "p", "q"),
        node("b.two", "p", "q2"),
        node("between", "q", "r"),
        node("a.last", "r", "s"),
        node("end", "s", "t"),
    )
    assert grouped(*nodes, mode="namespace") == [
        ("load", None, "load"),
        ("a_to_between", None, "a.first b.one b.two between a.last"),
        ("end", None, "end"),
    ]
    # `b` has only one node here, and `a` none.
    assert grouped(*nodes[1:3], nodes[4], nodes[5], mode="namespace") == [
        ("a_to_between", None, "a.first b.one between a.last")
    ]


def test_a_cycle_through_a_group_by_tag_is_refused_and_spelled_out() -> None:
    nodes = (
        node("load", "", "raw", "prepare"),
        node("ns.clean", "raw", "table"),
        node("ns.check", "raw", "checked"),
        node("fit", "table", "model", "prepare"),
        node("far", "raw", "way"),
        node("away", "way", "back"),
        node("last", "back", "end", "prepare"),
    )
    assert refusal(*nodes) == (
        "The tag 'airflow-k8s.group.prepare' makes tasks that wait for each other in a cycle:\n"
        "  'load' (group 'prepare') makes 'raw' for 'ns.clean' (in its own task)\n"
        "  'ns.clean' (in its own task) makes 'table' for 'fit' (group 'prepare')\n"
        "Add this tag to 'ns.clean', 'far', 'away', or remove it from 'load' or 'fit'."
    )
    message = refusal(*nodes, mode="namespace")
    assert "for 'ns.clean' (namespace 'ns')\n" in message
    assert "Add this tag to 'ns.clean', 'ns.check', 'far', 'away', or" in message


def test_a_cycle_of_two_groups_by_tag_is_refused_with_both() -> None:
    message = refusal(
        node("a", "", "p", "one"),
        node("b", "p", "q", "two"),
        node("c", "", "r", "two"),
        node("d", "r@x", "s", "one"),
    )
    assert "'a' (group 'one') makes 'p' for 'b' (group 'two')\n" in message
    assert "'c' (group 'two') makes 'r' for 'd' (group 'one')\n" in message
    assert (
        "Add this tag to 'b', 'c', in place of their own, or remove it from 'a' or 'd'." in message
    )


def test_a_long_cycle_through_nodes_joined_by_memory_has_a_short_message() -> None:
    nodes = (
        node("a", "", "p", "g"),
        *(node(f"m{i}", "p" if i == 0 else f"m{i}", f"m{i + 1}") for i in range(15)),
        node("z", "m15", "end", "g"),
    )
    message = refusal(*nodes, mode="memory")
    assert "for 'm0' (in a task with others)\n  'm14' (in a task with others) makes" in message
    assert "Add this tag to the 15 nodes in between, or remove" in message


@given(random_pipelines())
def test_the_fix_in_the_message_of_a_cycle_works(found: RandomPipeline) -> None:
    """With the tag on the nodes that it names, the cycle is gone."""
    for mode in MODES:
        error = attempted(found.nodes, mode, found)
        if isinstance(error, PlanError):
            event(f"{mode}: refused")
            check_advice(found, mode, error)


def check_advice(found: RandomPipeline, mode: str, error: PlanError) -> None:
    (tag,) = re.findall(r"The tag '(\S+)' makes", str(error))
    also, off = str(error).splitlines()[-1].split(", or remove it from ")
    also = also.removesuffix(", in place of their own")
    named, ends = ({*re.findall(r"'([^']+)'", part)} for part in (also, off))
    group = re.split("[.:]", tag)[-1]
    same_group = {n.name for n in found.nodes for t in n.tags if re.split("[.:]", t)[-1] == group}
    assert ends <= same_group
    if not also.endswith(" in between"):
        tagged = [replace(n, tags=(tag,)) if n.name in named else n for n in found.nodes]
        # There may be another cycle, of other groups.
        assert f"The tag {tag!r} makes" not in str(attempted(tagged, mode, found))


# Names and order.


def test_a_group_is_named_for_its_nodes_within_the_namespace_that_they_share() -> None:
    nodes = (
        node("a.b.load", "", "x"),
        node("a.b.c.clean", "x", "y"),
        node("a.b.fit", "", "p"),
        node("a.b.score", "p", "q"),
        node("a.b.report", "q", ""),
    )
    assert grouped(*nodes, mode="memory") == [
        ("a.b.load_and_c.clean", "a.b", "a.b.load a.b.c.clean"),
        ("a.b.fit_to_report", "a.b", "a.b.fit a.b.score a.b.report"),
    ]
    across = (node("a.load", "", "x"), node("ab.clean", "x", "y"))
    assert grouped(*across, mode="memory") == [("a.load_and_ab.clean", None, "a.load ab.clean")]


def test_groups_of_one_name_are_kept_apart_and_the_tag_keeps_it() -> None:
    nodes = (node("a", "", "x"), node("b", "x", "", "a"), node("a.p", "", "y"), node("a.q", "y"))
    found = [name for name, _, _ in grouped(*nodes, mode="namespace")]
    single, tag, namespace = found[0], found[1], found[2]
    assert tag == "a"
    assert re.fullmatch("a-[0-9a-f]{6}", single)
    assert re.fullmatch("a-[0-9a-f]{6}", namespace)
    assert single != namespace


def test_a_namespace_without_a_text_is_named_for_its_nodes() -> None:
    """Kedro does not look at namespaces, so that they may begin with a dot."""
    nodes = (node(".x.a", "", "p", namespace=".x"), node(".x.b", "p", "", namespace=".x"))
    assert grouped(*nodes, mode="namespace") == [(".x.a_and_b", ".x", ".x.a .x.b")]


def test_of_groups_that_could_be_next_that_of_the_first_node_is() -> None:
    nodes = (
        node("a", "", "p"),
        node("b", "", "q", "g"),
        node("c", "", "r"),
        node("d", "p", "s", "g"),
        node("e", "q", "t"),
        node("f", "", "u"),
    )
    assert [name for name, _, _ in grouped(*nodes)] == ["a", "g", "c", "e", "f"]
    late = (node("a", "", "p", "g"), node("b", "", "q"), node("c", "q", "r", "g"), node("d"))
    assert [name for name, _, _ in grouped(*late)] == ["b", "g", "d"]


# Whatever the pipeline.


def base_parts(found: RandomPipeline, mode: str) -> list[set[int]]:
    """What tags and mode put together, by joining sets until nothing changes."""
    nodes = found.nodes
    tags = [[t[18:] for t in n.tags if t.startswith("airflow-k8s")] for n in nodes]
    together = [
        (i, j) for i, j in combinations(range(len(nodes)), 2) if tags[i] and tags[i] == tags[j]
    ]
    if mode == "memory":
        together += [
            (maker, reader)
            for maker, reader, made, read in found.links()
            if not tags[maker] and not tags[reader]
            if not is_parameter(made) and {made, read} & found.memory
        ]
    if mode == "namespace":
        tops = [(n.namespace or "").split(".")[0] for n in nodes]
        together += [
            (i, j)
            for i, j in combinations(range(len(nodes)), 2)
            if tops[i] and tops[i] == tops[j] and not tags[i] and not tags[j]
        ]
    parts = [{index} for index in range(len(nodes))]
    for one, other in together:
        first, second = (next(p for p in parts if i in p) for i in (one, other))
        if first is not second:
            first |= second
            parts.remove(second)
    return parts


def waiting(found: RandomPipeline, parts: list[set[int]]) -> dict[int, set[int]]:
    """For each part, all parts that wait for it, directly or through others."""
    of = {position: index for index, part in enumerate(parts) for position in part}
    direct: dict[int, set[int]] = {index: set() for index in range(len(parts))}
    for maker, reader, _, _ in found.links():
        if of[maker] != of[reader]:
            direct[of[maker]].add(of[reader])
    changed = True
    while changed:
        changed = False
        for after in direct.values():
            more = {far for near in after for far in direct[near]}
            changed = changed or not more <= after
            after.update(more)
    return direct


def closed_parts(found: RandomPipeline, parts: list[set[int]]) -> list[set[int]]:
    """Those that wait for each other joined."""
    after = waiting(found, parts)
    joined = []
    for index, part in enumerate(parts):
        cycle = [other for other in after[index] if index in after[other]]
        joined.append(part.union(*(parts[other] for other in cycle)))
    return [part for index, part in enumerate(joined) if part not in joined[:index]]


def tag_groups(found: RandomPipeline) -> dict[str, set[int]]:
    groups: dict[str, set[int]] = {}
    for position, n in enumerate(found.nodes):
        for tag in n.tags:
            if tag.startswith("airflow-k8s"):
                groups.setdefault(tag[18:], set()).add(position)
    return groups


@given(random_pipelines())
def test_any_pipeline_is_grouped_as_coarsely_as_needed_or_refused_for_its_tags(
    found: RandomPipeline,
) -> None:
    for mode in MODES:
        check_groups(found, mode)


def check_groups(found: RandomPipeline, mode: str) -> None:
    position = {n.name: index for index, n in enumerate(found.nodes)}
    tagged = tag_groups(found) if mode != "pipeline" else {}
    parts = base_parts(found, mode) if mode != "pipeline" else [set(position.values())]
    expected = closed_parts(found, parts)
    possible = all(members in expected for members in tagged.values())
    groups = attempted(found.nodes, mode, found)
    if isinstance(groups, PlanError):
        event(f"{mode}: refused")
        assert groups.code == CYCLE_CODE
        assert not possible
        return
    assert possible
    event(f"{mode}: {'joined for a cycle' if len(expected) < len(parts) else 'grouped'}")
    members = [{position[n.name] for n in group.nodes} for group in groups]
    # Each node is in one group, and no group is larger or smaller than it has to be.
    assert sorted(map(sorted, members)) == sorted(map(sorted, expected))
    assert sum(len(group.nodes) for group in groups) == len(found.nodes)
    check_order(found, groups, members)
    check_names(found, groups, members, tagged, mode)
    if mode == "memory":
        untagged = set(position.values()).difference(*tagged.values())
        for maker, reader, made, read in found.links():
            if {made, read} & found.memory and {maker, reader} <= untagged:
                assert any({maker, reader} <= group for group in members)
    assert groups == group_nodes(found.nodes, mode, found.in_memory, "__default__")


def check_order(
    found: RandomPipeline, groups: tuple[NodeGroup, ...], members: list[set[int]]
) -> None:
    """Each group after those it reads of, and nodes in their own order."""
    for maker, reader, _, _ in found.links():
        (one,), (other,) = ([i for i, m in enumerate(members) if p in m] for p in (maker, reader))
        assert one <= other
    direct = waiting(found, members)
    left = set(range(len(members)))
    for index in range(len(members)):
        ready = [one for one in left if not any(one in direct[other] for other in left)]
        assert index == min(ready, key=lambda one: min(members[one]))
        left.remove(index)
    order = {n.name: place for place, n in enumerate(found.nodes)}
    for group in groups:
        places = [order[n.name] for n in group.nodes]
        assert places == sorted(places)


def check_names(
    found: RandomPipeline,
    groups: tuple[NodeGroup, ...],
    members: list[set[int]],
    tagged: dict[str, set[int]],
    mode: str,
) -> None:
    names = [group.name for group in groups]
    assert all(names)
    assert len(set(names)) == len(names)
    for name, positions in tagged.items():
        assert names[members.index(positions)] == name
    for group, positions in zip(groups, members, strict=True):
        levels = [n.namespace for n in group.nodes]
        if group.namespace:
            for level in levels:
                assert level is not None
                assert f"{level}.".startswith(f"{group.namespace}.")
        if len(group.nodes) == 1 and positions not in tagged.values() and mode != "pipeline":
            # A tag may have a node's name, which is then its group's.
            assert group.name.startswith(group.nodes[0].name)
            assert group.namespace == group.nodes[0].namespace


# Size.


def chain(size: int) -> list[PipelineNode]:
    return [
        PipelineNode(f"n{i}", f"ns{i % 7}", inputs=(f"d{i}",), outputs=(f"d{i + 1}",))
        for i in range(size)
    ]


def star(size: int) -> list[PipelineNode]:
    arms = [PipelineNode(f"a{i}", "ns", inputs=("x",), outputs=(f"o{i}",)) for i in range(size)]
    return [PipelineNode("center", outputs=("x",)), *arms]


def layer(size: int) -> list[PipelineNode]:
    common = tuple(f"x{i}" for i in range(50))
    return [
        *(PipelineNode(f"m{i}", "made", outputs=(name,)) for i, name in enumerate(common)),
        *(PipelineNode(f"r{i}", f"ns{i % 9}", inputs=common) for i in range(size)),
    ]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("shape", [chain, star, layer])
@pytest.mark.parametrize("memory", [True, False])
def test_five_thousand_nodes_do_not_reach_the_recursion_limit(
    mode: str, shape: Callable[[int], list[PipelineNode]], memory: bool
) -> None:
    nodes = shape(5000)
    groups = group_nodes(nodes, mode, lambda dataset: memory, "__default__")
    assert sum(len(group.nodes) for group in groups) == len(nodes)
    namespaces = {"chain": 1, "star": 2, "layer": 10}[shape.__name__]
    joined = {"pipeline": 1, "namespace": namespaces, "memory": 1 if memory else len(nodes)}
    assert len(groups) == joined.get(mode, len(nodes))


@pytest.mark.parametrize("mode", MODES[:3])
def test_a_tag_at_both_ends_of_five_thousand_nodes_is_refused(mode: str) -> None:
    nodes = chain(5000)
    tag = ("airflow-k8s.group.ends",)
    nodes[0] = PipelineNode("n0", outputs=("d1",), tags=tag)
    nodes[-1] = PipelineNode("n4999", inputs=("d4999",), tags=tag)
    message = refusal(*nodes, mode=mode)
    assert (
        "Add this tag to the 4998 nodes in between, or remove it from 'n0' or 'n4999'." in message
    )


def test_every_dataset_is_asked_about_once() -> None:
    """Patterns of a catalog take their time."""
    asked: list[str] = []

    def in_memory(dataset: str) -> bool:
        asked.append(dataset)
        return False

    group_nodes(layer(200), "memory", in_memory, "__default__")
    assert sorted(asked) == sorted(f"x{i}" for i in range(50))
