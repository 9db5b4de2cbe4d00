"""Checks of clusters: what they find, and what they let pass."""

from __future__ import annotations

import sys
import types
from pathlib import Path
from typing import Any

import pytest

from kedro_airflow_k8s.checks.clusters import unused_clusters
from kedro_airflow_k8s.checks.findings import Finding
from kedro_airflow_k8s.checks.slips import unused_resources
from tests.support.checked import check, config, node

SPARK = {"type": "spark-connect", "resources": "spark"}
BIG = {"service_account_name": "spark", "limits": {"memory": "4Gi"}}
RUN: dict[str, Any] = {"clusters": {"spark": SPARK}, "resources": {"spark": BIG}}
CODES = ("cluster-pods", "spark-in-memory", "spark-context", "unknown-cluster")


def one(findings: list[Finding], code: str) -> Finding:
    (finding,) = [each for each in findings if each.code == code]
    return finding


def found(*nodes: Any, catalog: dict[str, Any] | None = None, **run: Any) -> list[str]:
    findings = check(nodes, catalog or {}, **{**RUN, **run})
    return [finding.code for finding in findings if finding.code in CODES]


def test_a_cluster_without_a_node_is_named_unless_datasets_choose_it() -> None:
    run = config(
        clusters={
            "spark": SPARK,
            "other": SPARK,
            "auto": {**SPARK, "for": "spark_datasets"},
        },
        resources={"spark": BIG},
    ).run_config

    (finding,) = unused_clusters(run, {"a": ["cluster.spark"]})

    assert (finding.code, finding.where) == ("unused-cluster", "run_config.clusters.other")


def test_an_entry_of_resources_that_only_a_cluster_names_is_used() -> None:
    run = config(**RUN).run_config

    assert list(unused_resources(run, {"a": ["cluster.spark"]})) == []


def test_a_tag_without_any_clusters_has_no_effect_and_is_named() -> None:
    finding = one(check([node("a", "", "x", "cluster.spark")], {}), "unknown-cluster")

    assert (finding.severity, finding.where) == ("warning", "tag 'cluster.spark'")


def test_a_cluster_that_fits_has_no_findings() -> None:
    nodes = [node("a", "x", "y", "cluster.spark"), node("b", "y", "z")]

    assert found(*nodes) == []


def test_a_server_without_a_service_account_cannot_start_executors() -> None:
    finding = one(
        check(
            [node("a", "x", "y", "cluster.spark")],
            {},
            clusters={"spark": {"type": "spark-connect"}},
        ),
        "cluster-pods",
    )

    assert finding.severity == "warning"
    assert "run_config.resources.__default__ has no service_account_name" in finding.problem


def test_memory_that_is_too_small_for_spark_is_an_error_for_each_entry() -> None:
    findings = check(
        [node("a", "x", "y", "cluster.spark")],
        {},
        clusters={"spark": {**SPARK, "worker_resources": "small"}},
        resources={"spark": BIG, "small": {"requests": {"memory": "512Mi"}}},
    )

    finding = one(findings, "cluster-pods")
    assert finding.severity == "error"
    assert "run_config.resources.small has 512Mi" in finding.problem


def test_a_dataframe_that_leaves_its_pod_in_memory_cannot_be_pickled() -> None:
    nodes = [node("a", "x", "y", "cluster.spark"), node("b", "y", "z", "cluster.spark")]

    assert found(*nodes) == ["spark-in-memory"]
    assert found(*nodes, grouping="memory") == []
    stored = {"y": {"type": "spark.SparkDatasetV2", "filepath": "s3a://shop/y"}}
    assert found(*nodes, catalog=stored) == []


def test_code_that_uses_the_spark_context_is_named_with_its_module(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hooks = tmp_path / "hooks.py"
    hooks.write_text("def after_context_created(spark):\n    spark.sparkContext.setLogLevel('W')\n")
    module = types.ModuleType("shop.hooks")
    module.__file__ = str(hooks)
    monkeypatch.setitem(sys.modules, "shop.hooks", module)

    finding = one(
        check([node("a", "x", "y", "cluster.spark")], {}, **RUN),
        "spark-context",
    )

    assert finding.where == "module 'shop.hooks'"
    assert found(node("a", "x", "y")) == []


@pytest.mark.parametrize("kind", ["spark-connect", "ray", "dask"])
def test_a_cluster_with_another_image_than_its_nodes_is_named(kind: str) -> None:
    nodes = [node("a", "x", "y", "cluster.c"), node("b", "y", "z")]
    other = {**BIG, "image": "registry.example.com/spark:2.0"}
    clusters = {"c": {"type": kind, "resources": "spark"}}

    finding = one(check(nodes, {}, clusters=clusters, resources={"spark": other}), "cluster-pods")

    assert finding.severity == "warning"
    assert "task 'a': 'registry.example.com/spark:2.0', not 'registry" in finding.problem
    same = check(nodes, {}, clusters=clusters, resources={"spark": BIG})
    assert [each for each in same if each.code == "cluster-pods"] == []
