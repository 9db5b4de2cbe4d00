"""Checks of pods, their machines and the configuration: what they find, and what they let pass."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from kedro_airflow_k8s.checks import settings, unknown_pipelines, unknown_resources
from kedro_airflow_k8s.checks.order import Order
from kedro_airflow_k8s.plan.params import MACRO_SUCCESSORS
from kedro_airflow_k8s.project.entities import ProjectPipeline
from tests.support.airflow_environments import AIRFLOW_PYTHONS
from tests.support.checked import check, check_config, config, node, only, shown, subject

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


# --- a claim for one machine ------------------------------------------------------------------


def test_tasks_at_the_same_time_whose_machines_contradict_cannot_share_a_claim() -> None:
    resources = selectors(left={"pool": "a"}, right={"pool": "b"}, __default__={})
    found = [f for f in check(BRANCHES, {}, resources=resources) if f.is_error]
    finding = only(found, "split-claim")
    assert finding.where == "run_config.resources.left and run_config.resources.right"
    for word in ("'left'", "'right'", "'a'", "'b'", "pool", "ReadWriteOnce"):
        assert word in finding.problem
    assert "startup_time" in finding.consequence


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


# --- tags and ids -----------------------------------------------------------------------------


def pipeline_of(nodes: Any) -> ProjectPipeline:
    return ProjectPipeline(
        package_name="shop",
        env="local",
        is_default_env=True,
        name="sales",
        nodes=tuple(nodes),
        commit="none",
    )


def test_all_nodes_with_a_tag_that_has_no_entry_are_told_with_the_nearest() -> None:
    nodes = [
        node("a", "", "x", "resources.bigg"),
        node("b", "x", "y", "resources.bigg", "other"),
        node("c", "y", "", "resources.nothing_like_it"),
        node("d", "y", "", "resources.big"),
        node("e", "y", "", "resources.__default__"),
    ]
    run = config(resources={"big": {}}).run_config
    first, second = unknown_resources(pipeline_of(nodes), run)
    assert shown([first, second]) == [
        ("unknown-resources", "error", "tag 'resources.bigg'"),
        ("unknown-resources", "error", "tag 'resources.nothing_like_it'"),
    ]
    assert "'a', 'b'" in first.problem
    assert "Did you mean 'big'?" in first.problem
    assert "Did you mean" not in second.problem


@pytest.mark.parametrize(
    ("tag", "meant"),
    [
        ("airflow-k8s.groups.prepare", "'airflow-k8s.group.prepare'"),
        ("airflow-k8s-group-prepare", "'airflow-k8s.group.prepare'"),
        ("airflow_k8s.group.prepare", "'airflow-k8s.group.prepare'"),
        ("Airflow-K8s.Group.prepare", "'airflow-k8s.group.prepare'"),
        ("airflowk8s:group:a.b", "'airflow-k8s.group.a.b'"),
        ("airflow-k8s.prepare", "'airflow-k8s.group.<name>' or 'resources.<entry>'"),
        ("airflow-k8s", "'airflow-k8s.group.<name>' or 'resources.<entry>'"),
        ("resource.big", "'resources.big'"),
        ("resources_big", "'resources.big'"),
        ("Resources.big", "'resources.big'"),
        ("airflow-k8s.resources.big", "'resources.big'"),
    ],
)
def test_a_tag_that_only_looks_like_one_of_the_plugin_has_no_effect(tag: str, meant: str) -> None:
    nodes = [node("a", "", "x", tag), node("b", "x", "", tag, "other")]
    finding = only(check(nodes, {}, resources={"big": {}}), "unknown-tag")
    assert (finding.severity, finding.where) == ("warning", f"tag {tag!r}")
    assert "'a', 'b'" in finding.problem
    assert f"Write {meant}," in finding.fix


@pytest.mark.parametrize(
    "tag",
    [
        *("airflow-k8s.group.x", "airflow-k8s:group:x", "resources.big", "resources:big"),
        *("resource", "resources", "resourceful", "airflow", "human_resources", "k8s"),
    ],
)
def test_tags_of_the_plugin_and_those_of_others_are_fine(tag: str) -> None:
    assert check([node("a", "", "x", tag)], {}, resources={"big": {}}) == []


def test_a_grouping_of_a_pipeline_that_is_not_registered_has_the_nearest_name() -> None:
    grouping = {"__default__": "none", "sale": "memory", "stock": "memory", "xyz": "none"}
    run = config(grouping=grouping).run_config
    first, second = unknown_pipelines(run, ["sales", "stock"])
    assert shown([first, second]) == [
        ("unknown-pipeline", "warning", "run_config.grouping.sale"),
        ("unknown-pipeline", "warning", "run_config.grouping.xyz"),
    ]
    assert "Did you mean 'sales'?" in first.problem
    assert "Did you mean" not in second.problem
    assert "'sales', 'stock'" in second.fix
    assert list(unknown_pipelines(config(grouping="memory").run_config, [])) == []


def test_ids_that_only_a_hash_tells_apart_are_a_doubt() -> None:
    nodes = [node("same.name", "", "x"), node("same", "", "y"), node("same.name.deep", "x y")]
    assert check(nodes, {}) == []
    # Neither can be an id, and both are spelled the same way but for the hash.
    found = check([node("a<b>", "", "x"), node("a(b)", "x")], {})
    assert found == []


def test_a_node_named_like_a_task_of_the_dag_is_told_apart_by_a_hash() -> None:
    finding = only(check([node("create_volume")], {}), "id-collision")
    assert finding.severity == "warning"
    assert finding.where.startswith("task 'create_volume-")
    assert "'create_volume'" in finding.problem


# --- the configuration ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("image", "said"),
    [
        ("shop", "no tag"),
        ("example.com:5000/shop", "no tag"),
        ("shop:latest", "the tag latest"),
        ("example.com:5000/team/shop:latest", "the tag latest"),
    ],
)
def test_an_image_that_may_be_another_tomorrow_is_a_doubt(image: str, said: str) -> None:
    finding = only(check_config(image=image), "image-tag")
    assert finding.severity == "warning"
    assert said in finding.problem
    assert "IfNotPresent" in finding.consequence
    (always,) = check_config(image=image, image_pull_policy="Always")
    assert "keep it" not in always.consequence


@pytest.mark.parametrize(
    "image", ["shop:1.0", "example.com:5000/shop:0a1b2c", f"shop@sha256:{'0' * 64}"]
)
def test_an_image_with_a_tag_or_digest_is_fine(image: str) -> None:
    assert check_config(image=image) == []


def test_without_an_image_there_is_no_dag() -> None:
    assert shown(check_config(image=None)) == [("no-image", "error", "run_config.image")]


@pytest.mark.parametrize(
    ("request_", "limit"), [("2Gi", "1Gi"), ("1500M", "1.4G"), ("1Gi", "1G"), ("2e9", "1Gi")]
)
def test_a_request_above_its_limit_is_refused_by_kubernetes(request_: str, limit: str) -> None:
    entry = {"requests": {"memory": request_}, "limits": {"memory": limit, "cpu": "1"}}
    finding = only(check_config(resources={"big": entry}), "request-above-limit")
    assert finding.where == "run_config.resources.big"
    assert request_ in finding.problem
    assert limit in finding.problem


@pytest.mark.parametrize(
    ("requests", "limits"),
    [
        ({"memory": "1Gi"}, {"memory": "1Gi"}),
        ({"memory": "1024Mi"}, {"memory": "1Gi"}),
        ({"cpu": "500m"}, {"cpu": "0.5"}),
        ({"cpu": "1"}, {"memory": "1Gi"}),
        ({"nvidia.com/gpu": "1"}, {"nvidia.com/gpu": "1"}),
        ({}, {"nvidia.com/gpu": "1"}),
    ],
)
def test_requests_that_kubernetes_takes(requests: Any, limits: Any) -> None:
    assert check_config(resources={"x": {"requests": requests, "limits": limits}}) == []


@pytest.mark.parametrize("limits", [{}, {"nvidia.com/gpu": "2"}])
def test_a_device_is_requested_and_limited_alike(limits: dict[str, str]) -> None:
    entry = {"requests": {"nvidia.com/gpu": "1"}, "limits": limits}
    finding = only(check_config(resources={"gpu": entry}), "device-limit")
    assert finding.fix == "Set limits.nvidia.com/gpu to 1."


def test_macros_that_one_airflow_lacks_are_a_doubt_and_names_of_none_have_the_nearest() -> None:
    found = check_config(
        macro_params=["ds", "next_ds", "dag_run.run_id", "prev_ds", "partition_key", "logical_dat"]
    )
    assert [(f.code, f.where.rpartition(" ")[2], f.problem) for f in found] == [
        ("unknown-macro", "prev_ds", "Airflow 3 does not have it."),
        ("unknown-macro", "partition_key", "Airflow 2 does not have it."),
        (
            "unknown-macro",
            "logical_dat",
            "Airflow has no macro 'logical_dat'. Did you mean 'logical_date'?",
        ),
    ]


CONTEXT_KEYS = """
import json, airflow
try:
    from airflow.sdk.definitions.context import KNOWN_CONTEXT_KEYS
except ImportError:
    from airflow.utils.context import KNOWN_CONTEXT_KEYS
print(json.dumps([airflow.__version__[0], *KNOWN_CONTEXT_KEYS]))
"""


@pytest.mark.parametrize("python", AIRFLOW_PYTHONS)
def test_the_macros_are_those_of_airflow_itself(python: Path, tmp_path: Path) -> None:
    run = subprocess.run(
        [python, "-c", CONTEXT_KEYS],
        env={**os.environ, "AIRFLOW_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    version, *found = json.loads(run.stdout.splitlines()[-1])
    own = {
        "2": settings.MACROS_OF_AIRFLOW_2 | settings.MACROS_MADE_GOOD,
        "3": settings.MACROS_OF_AIRFLOW_3,
    }
    assert set(found) == settings.MACROS_OF_BOTH | own[version]


def test_the_macros_made_good_are_those_of_the_dag() -> None:
    assert set(MACRO_SUCCESSORS) == settings.MACROS_MADE_GOOD
