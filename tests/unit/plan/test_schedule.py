"""The schedule of a pipeline: times, and data that it waits for."""

from __future__ import annotations

from typing import Any

import pytest

from kedro_airflow_k8s.dag.render import render_dag
from kedro_airflow_k8s.errors import ConfigError, OptionError
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


@pytest.mark.parametrize(
    ("run_config", "schedule"),
    [
        ({"partitioned": "daily"}, '"@daily", timezone="UTC", key_format="%Y-%m-%d"'),
        ({"partitioned": "hourly"}, '"@hourly", timezone="UTC", key_format="%Y-%m-%dT%H"'),
        (
            {"partitioned": "daily", "cron_expression": "30 6 * * 1-5", "timezone": "Asia/Tokyo"},
            '"30 6 * * 1-5", timezone="Asia/Tokyo", key_format="%Y-%m-%d"',
        ),
        (
            {"partitioned": {"by": "cron"}, "cron_expression": "*/15 * * * *"},
            '"*/15 * * * *", timezone="UTC", key_format="%Y-%m-%dT%H:%M:%S"',
        ),
    ],
)
def test_each_run_of_a_schedule_makes_a_partition(
    run_config: dict[str, Any], schedule: str
) -> None:
    plan = planned(**run_config)
    assert schedule_in(plan) == f"CronPartitionTimetable({schedule})"
    assert "PartitionedAssetTimetable" not in render_dag(plan).source


def test_runs_that_data_starts_are_for_the_partition_of_that_data() -> None:
    both = planned(schedule={"assets": ["sales", "orders"]}, partitioned="daily")
    assert schedule_in(both) == (
        'PartitionedAssetTimetable( assets=( ASSETS["orders"] & ASSETS["report"] &'
        ' ASSETS["totals"] ) )'
    )
    one = planned(schedule={"assets": ["orders"]}, partitioned="daily")
    assert schedule_in(one) == 'PartitionedAssetTimetable(assets=ASSETS["orders"])'
    some = planned(schedule={"assets": ["sales", "orders"], "when": "any"}, partitioned="cron")
    assert '(ASSETS["report"] & ASSETS["totals"]) | ASSETS["orders"]' in schedule_in(some)
    assert "CronPartitionTimetable" not in render_dag(both).source


def test_without_a_schedule_there_are_no_partitions_and_any_airflow_can_import_the_dag() -> None:
    plan = planned(Overrides(once=True), partitioned="daily")
    assert schedule_in(plan) == "None"
    assert "Partition" not in render_dag(plan).source


def test_the_times_of_a_command_have_to_fit_the_partitions() -> None:
    plan = planned(Overrides(cron="0 7 * * *"), partitioned="daily")
    assert '"0 7 * * *"' in schedule_in(plan)
    with pytest.raises(
        OptionError, match=r"does not fit the partitions\. .* is daily, but '@hourly'"
    ):
        planned(Overrides(cron="@hourly"), partitioned="daily")


@pytest.mark.parametrize(
    ("run_config", "words"),
    [
        ({"partitioned": "weekly"}, r"partitioned.*daily, hourly, cron"),
        ({"partitioned": "cron"}, r"partitioned: .*needs `cron_expression`"),
        ({"partitioned": "daily", "cron_expression": "0 6,18 * * *"}, r"several runs in a day"),
        ({"partitioned": "daily", "cron_expression": "* 6 * * *"}, r"several runs in a day"),
        ({"partitioned": "daily", "cron_expression": "@hourly"}, r"several runs in a day"),
        ({"partitioned": "hourly", "cron_expression": "*/5 * * * *"}, r"several runs in an hour"),
        ({"partitioned": "cron", "cron_expression": "@once"}, r"needs times, which @once"),
        (
            {"partitioned": "daily", "schedule": {"assets": ["a"], "cron": "@daily"}},
            r"schedule: .*has `cron`, which contradicts `partitioned`",
        ),
        (
            {"partitioned": "daily", "external_dependencies": [{"dag_id": "b"}]},
            r"external_dependencies: .*contradicts `partitioned`",
        ),
        ({"partitioned": "daily", "date_param": "partition_key"}, r"must not repeat partitioned"),
        ({"partitioned": "daily", "macro_params": ["partition_key"]}, r"not repeat partitioned"),
        ({"partitioned": {"by": "daily", "param": "a,b"}}, r"partitioned\.param"),
    ],
)
def test_partitions_that_are_impossible_are_refused(run_config: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        config_of({"image": IMAGE, **run_config})
