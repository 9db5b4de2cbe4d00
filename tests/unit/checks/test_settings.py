"""Checks of the configuration: what they find, and what they let pass."""

from __future__ import annotations

from typing import Any

import pytest

from kedro_airflow_k8s.checks.settings import doubtful_settings, no_image, unknown_pipelines
from tests.support.checked import check_config, config, only, shown


def test_a_doubtful_setting_is_a_finding_also_where_its_name_has_a_colon() -> None:
    (found,) = doubtful_settings(config(resources={"a: b": {}}))
    assert shown([found]) == [("config", "warning", "run_config.resources['a: b']")]
    assert found.problem == "Kedro's tags contain only letters, digits, `-`, `_` and `.`."
    assert found.consequence == "No node can choose this entry."
    assert found.fix == "Rename it."


def test_a_grouping_of_a_pipeline_that_is_not_registered_has_the_nearest_name() -> None:
    grouping = {"__default__": "none", "sale": "memory", "stock": "memory", "xyz": "none"}
    first, second = unknown_pipelines(config(grouping=grouping), ["sales", "stock"])
    assert shown([first, second]) == [
        ("unknown-pipeline", "warning", "run_config.grouping.sale"),
        ("unknown-pipeline", "warning", "run_config.grouping.xyz"),
    ]
    assert "Did you mean 'sales'?" in first.problem
    assert "Did you mean" not in second.problem
    assert "'sales', 'stock'" in second.fix
    assert list(unknown_pipelines(config(grouping="memory"), [])) == []


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
    assert check_config(image=None) == []
    assert shown(list(no_image(config(image=None).run_config))) == [
        ("no-image", "error", "run_config.image")
    ]


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
def test_a_device_is_requested_and_limited_equally(limits: dict[str, str]) -> None:
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
