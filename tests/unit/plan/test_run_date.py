"""The date of a run: one rule for each kind of run, with the records of Airflow 2.11 and of 3."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone, tzinfo
from types import SimpleNamespace
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from jinja2 import StrictUndefined
from jinja2.sandbox import SandboxedEnvironment

from kedro_airflow_k8s.plan.params import params_template
from kedro_airflow_k8s.pod.params import params_option
from tests.support.strategies import config_of

TICK = datetime(2026, 1, 2, 6, tzinfo=timezone.utc)
DAY = timedelta(days=1)
LATER = datetime(2026, 3, 4, 12, tzinfo=timezone.utc)


def of_2(run_type: str, logical_date: datetime, end: datetime | None) -> SimpleNamespace:
    """A run of Airflow 2.11, which has no `run_after`."""
    return SimpleNamespace(
        run_type=run_type, logical_date=logical_date, data_interval_end=end, conf={}
    )


def of_3(run_type: str, logical_date: datetime | None, end: datetime | None) -> SimpleNamespace:
    """A run of Airflow 3, created later."""
    return SimpleNamespace(
        **vars(of_2(run_type, TICK, end)) | {"logical_date": logical_date}, run_after=LATER
    )


def rendered(run: SimpleNamespace, zone: tzinfo = timezone.utc, **run_config: Any) -> str:
    """What a run passes to `kedro run --params`."""
    config = config_of({"date_param": "run_date", **run_config}).run_config
    environment = SandboxedEnvironment(undefined=StrictUndefined)
    template = environment.from_string(params_template(config))
    text = template.render(
        dag_run=run,
        dag=SimpleNamespace(timezone=zone),
        macros=SimpleNamespace(datetime=datetime),
        ds="2000-01-01",
    )
    return params_option(text.replace("$$", "$"))


@pytest.mark.parametrize(
    ("run", "date"),
    [
        # Of the schedule: its moment, which is the end of the interval on Airflow 2.11.
        (of_2("scheduled", TICK - DAY, TICK), "2026-01-02"),
        (of_3("scheduled", TICK, TICK), "2026-01-02"),
        # Airflow 3 with [scheduler] create_cron_data_intervals.
        (of_3("scheduled", TICK - DAY, TICK), "2026-01-02"),
        (of_3("backfill", TICK, TICK), "2026-01-02"),
        # By hand, with a logical date; on 2.11 the interval is the last whole one before it.
        (of_2("manual", TICK, TICK - DAY), "2026-01-02"),
        (of_3("manual", TICK, TICK), "2026-01-02"),
        # By hand, without one; Airflow 2.11 takes the present as the logical date.
        (of_2("manual", LATER, TICK), "2026-03-04"),
        (of_3("manual", None, None), "2026-03-04"),
        # By an asset; Airflow 2.11 takes the time of the last event as the logical date.
        (of_2("dataset_triggered", LATER, TICK), "2026-03-04"),
        (of_3("asset_triggered", None, None), "2026-03-04"),
        (of_3("asset_materialization", None, None), "2026-03-04"),
    ],
)
def test_every_kind_of_run_has_a_date(run: SimpleNamespace, date: str) -> None:
    assert rendered(run) == f'run_date="{date}"'


def test_the_date_is_that_of_the_time_zone_of_the_dag() -> None:
    evening = datetime(2026, 1, 2, 23, 30, tzinfo=timezone.utc)
    run = of_3("scheduled", evening, evening)
    assert rendered(run, ZoneInfo("Europe/Warsaw")) == 'run_date="2026-01-03"'
    assert rendered(run, ZoneInfo("America/New_York")) == 'run_date="2026-01-02"'


def test_the_format_is_that_of_the_configuration_and_the_name_may_be_nested() -> None:
    param = {"name": "run.hour", "format": "%Y%m%dT%H"}
    assert rendered(of_3("backfill", TICK, TICK), date_param=param) == 'run.hour="20260102T06"'


def test_a_value_that_the_run_is_given_takes_precedence() -> None:
    run = of_3("backfill", TICK, TICK)
    run.conf = {"kedro_params": {"run_date": "2025-12-31"}}
    # Kedro takes the last value of a name.
    assert rendered(run).split(",") == ['run_date="2026-01-02"', 'run_date="2025-12-31"']


def test_macros_are_passed_with_it() -> None:
    both = rendered(of_3("scheduled", TICK, TICK), macro_params=["ds"])
    assert sorted(both.split(",")) == ['ds="2000-01-01"', 'run_date="2026-01-02"']


def test_without_the_key_nothing_is_rendered_of_it() -> None:
    assert params_template(config_of({}).run_config) == (
        '{{ {"conf": (dag_run.conf or {}).get("kedro_params")} | tojson | replace("$", "$$") }}'
    )
    text = json.dumps(params_template(config_of({"date_param": None}).run_config))
    assert "strftime" not in text


PARTS: dict[str, Any] = {"partitioned": {"by": "hourly", "param": "part"}}


def of_partition(run_type: str, **more: Any) -> SimpleNamespace:
    """A run of Airflow 3.3 in a DAG with partitions."""
    none: dict[str, Any] = {"logical_date": None, "data_interval_end": None, "conf": {}}
    found = {**none, "partition_key": None, "partition_date": None, "run_after": LATER, **more}
    return SimpleNamespace(run_type=run_type, **found)


@pytest.mark.parametrize(
    ("run", "key", "date"),
    [
        # Airflow makes key and date of scheduled and of filled runs.
        (
            of_partition("scheduled", partition_key="2026-01-02T06", partition_date=TICK),
            "2026-01-02T06",
            "2026-01-02",
        ),
        # Airflow 3.2 tells tasks the key alone. These runs begin at their moment.
        (
            SimpleNamespace(
                **vars(of_3("scheduled", None, None)) | {"run_after": TICK},
                partition_key="2026-01-02T06",
            ),
            "2026-01-02T06",
            "2026-01-02",
        ),
        # Started by data, or by hand with a key.
        (
            of_partition("asset_triggered", partition_key="2026-01-02T06", partition_date=TICK),
            "2026-01-02T06",
            "2026-01-02",
        ),
        # Airflow 3.3 tells no date if the data comes from several DAGs, and for some keys by hand.
        (
            of_partition("asset_triggered", partition_key="2026-01-02T06"),
            "2026-01-02T06",
            "2026-01-02",
        ),
        (of_partition("manual", partition_key="2026-01-02T06"), "2026-01-02T06", "2026-01-02"),
        # Started by hand without a key: the date of the run makes it.
        (of_partition("manual", logical_date=TICK), "2026-01-02T06", "2026-01-02"),
        (of_partition("manual"), "2026-03-04T12", "2026-03-04"),
        # A DAG without a schedule, on Airflow 2.11.
        (of_2("manual", TICK, None), "2026-01-02T06", "2026-01-02"),
    ],
)
def test_every_run_has_the_key_of_a_partition_and_the_date_of_it(
    run: SimpleNamespace, key: str, date: str
) -> None:
    assert rendered(run, **PARTS) == f'part="{key}",run_date="{date}"'
    assert rendered(run, date_param=None, **PARTS) == f'part="{key}"'


def test_the_runs_of_a_partition_have_one_date_however_they_are_started() -> None:
    config: dict[str, Any] = {
        "partitioned": "daily",
        "date_param": {"name": "run_date", "format": "%Y-%m-%dT%H"},
    }
    key = {"partition_key": "2026-01-02"}
    runs = (
        of_partition("scheduled", partition_date=TICK, **key),
        of_partition("manual", partition_date=TICK - timedelta(hours=6), **key),
        of_partition("manual", logical_date=TICK, **key),
    )
    found = {rendered(run, ZoneInfo("Europe/Warsaw"), **config) for run in runs}
    assert found == {'partition_key="2026-01-02",run_date="2026-01-02T00"'}
