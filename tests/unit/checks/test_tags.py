"""Checks of tags: what they find, and what they let pass."""

from __future__ import annotations

import pytest

from kedro_airflow_k8s.checks.tags import missing_resources, unknown_resources
from tests.support.checked import check, config, node, only, shown


def test_all_nodes_with_a_tag_that_has_no_entry_are_reported_with_the_nearest() -> None:
    nodes = [
        node("a", "", "x", "resources.bigg"),
        node("b", "x", "y", "resources.bigg", "other"),
        node("c", "y", "", "resources.nothing_like_it"),
        node("d", "y", "", "resources.big"),
        node("e", "y", "", "resources.__default__"),
    ]
    run = config(resources={"big": {}}).run_config
    first, second = unknown_resources(missing_resources(nodes, run), run)
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
