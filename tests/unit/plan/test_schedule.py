"""The schedule of a pipeline: times, and data that it waits for."""

from __future__ import annotations

from typing import Any

import pytest

from kedro_airflow_k8s.dag.render import render_dag
from kedro_airflow_k8s.errors import ConfigError
from kedro_airflow_k8s.plan.build import Overrides, Plan, build_plan
from kedro_airflow_k8s.project.entities import PipelineNode, ProjectPipeline
from tests.support.strategies import IMAGE, config_of

AWAITED = {
    "sales": {"totals": "s3://shop/totals", "report": "s3://shop/report"},
    "orders": {"orders": "s3://shop/orders"},
}


def planned(overrides: Overrides | None = None, **run_config: Any) -> Plan:
    pipeline = ProjectPipeline(
        "shop",
        "local",
        True,
        "__default__",
        (PipelineNode("clean", inputs=("orders",), outputs=("x",)),),
        "0a1b2c",
        awaited=AWAITED,
    )
    config = config_of({"image": IMAGE, **run_config})
    return build_plan(pipeline, config, overrides or Overrides())


def schedule_in(plan: Plan) -> str:
    source = render_dag(plan).source
    start = source.index("    schedule=") + len("    schedule=")
    return " ".join(source[start : source.index(",\n    start_date")].split())


def test_all_assets_of_pipelines_and_datasets_start_a_run() -> None:
    plan = planned(schedule={"assets": ["sales", "orders"]})
    assert schedule_in(plan) == '[ASSETS["orders"], ASSETS["report"], ASSETS["totals"]]'
    assert plan.schedule.waits_for == "s3://shop/report and s3://shop/totals and s3://shop/orders"


def test_with_any_one_of_them_starts_a_run_and_a_pipeline_still_means_all_of_its_data() -> None:
    plan = planned(schedule={"assets": ["sales", "orders"], "when": "any"})
    assert schedule_in(plan) == ('( (ASSETS["report"] & ASSETS["totals"]) | ASSETS["orders"] )')
    assert plan.schedule.waits_for == "(s3://shop/report and s3://shop/totals) or s3://shop/orders"


def test_times_start_runs_as_well() -> None:
    plan = planned(schedule={"assets": ["orders"], "cron": "0 6 * * *"}, timezone="Europe/Warsaw")
    assert schedule_in(plan) == (
        'AssetOrTimeSchedule( timetable=CronTriggerTimetable("0 6 * * *",'
        ' timezone="Europe/Warsaw"), **{WAITS_FOR: [ASSETS["orders"]]}, )'
    )


def test_what_it_waits_for_is_an_inlet_of_the_task_that_reads_it() -> None:
    plan = planned(schedule={"assets": ["orders"]})
    assert plan.assets.inlets == {"clean": ("orders",)}
    assert plan.assets.outlets == {}


@pytest.mark.parametrize("overrides", [Overrides(once=True), Overrides(cron="@daily")])
def test_a_command_that_says_when_runs_start_takes_the_waits_away(overrides: Overrides) -> None:
    plan = planned(overrides, schedule={"assets": ["orders"], "cron": "0 6 * * *"})
    assert schedule_in(plan) == ("None" if overrides.once else '"@daily"')
    assert plan.schedule.waits_for == ""
    assert "Asset" not in render_dag(plan).source


def test_the_last_day_and_the_limits_hold_for_runs_that_data_starts() -> None:
    plan = planned(schedule={"assets": ["orders"]}, end_date="2030-01-01", max_active_runs=1)
    assert str(plan.schedule.end_date) == "2030-01-01"
    assert plan.schedule.max_active_runs == 1


@pytest.mark.parametrize(
    ("run_config", "words"),
    [
        ({"schedule": {"assets": []}}, r"schedule\.assets"),
        ({"schedule": {"cron": "@daily"}}, r"schedule\.assets"),
        ({"schedule": {"assets": ["a", "a"]}}, r"schedule\.assets.*duplicates: a"),
        ({"schedule": {"assets": ["a"], "when": "both"}}, r"schedule\.when.*any, all"),
        ({"schedule": {"assets": ["a"], "cron": "@once"}}, r"schedule\.cron.*must be times"),
        ({"schedule": {"assets": ["a"], "cron": "6"}}, r"schedule\.cron"),
        (
            {"schedule": {"assets": ["a"]}, "cron_expression": "@daily"},
            r"schedule: .*contradicts `cron_expression`: write the times as `cron`",
        ),
        (
            {"schedule": {"assets": ["a"]}, "external_dependencies": [{"dag_id": "b"}]},
            r"external_dependencies: .*contradicts `schedule`",
        ),
    ],
)
def test_a_schedule_that_is_impossible_is_refused(run_config: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        config_of({"image": IMAGE, **run_config})
