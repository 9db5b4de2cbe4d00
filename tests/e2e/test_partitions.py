"""Partitions on real Airflows: 3.3 starts a run for each, 2.11 gets no such DAG."""

from __future__ import annotations

import json
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tests.e2e.server_project import failed, kedro, succeeded
from tests.support.airflow_servers import AirflowServer
from tests.support.kedro_projects import ProjectFolder
from tests.support.storage_servers import S3, s3_server  # noqa: F401 - fixture
from tests.support.waiting import wait_until

BUCKET = "shop-days"
MAKING = """
from kedro.pipeline import Pipeline, node

def make_sales(key, day):
    return {"key": key, "day": day}

def create_pipeline():
    inputs = ["params:partition_key", "params:day"]
    return Pipeline([node(make_sales, inputs, "day_sales", name="make_sales")])
"""
ADDING = """
from kedro.pipeline import Pipeline, node

def add_up(sales, key):
    return {"from": sales, "key": key}

def create_pipeline():
    inputs = ["day_sales", "params:partition_key"]
    return Pipeline([node(add_up, inputs, "day_total", name="day_add_up")])
"""
CATALOG = f"""
"day_{{name}}":
  type: json.JSONDataset
  filepath: s3://{BUCKET}/{{name}}/${{runtime_params:partition_key,today}}.json
"""
CONFIG = """
host: {host}
output: {output}
run_config:
  assets: true
  retries: 0
  start_date: "20260101"
  timezone: Europe/Warsaw
  partitioned: daily
  date_param: {{name: day, format: "%d.%m.%Y"}}
  env_vars:
    AWS_ENDPOINT_URL: {s3}
    AWS_ACCESS_KEY_ID: someone
    AWS_SECRET_ACCESS_KEY: secret-of-someone
    AWS_DEFAULT_REGION: us-east-1
pipelines:
  __default__: {{enabled: false}}
  day_adding:
    schedule: {{assets: [day_making]}}
"""
ENV = ("-e", "days")
MAKES, ADDS = "shop--days.day_making", "shop--days.day_adding"


@pytest.fixture(name="days", scope="module")
def _days(server: AirflowServer, s3_server: S3) -> S3:  # noqa: F811 - fixture
    """Two more pipelines of the server's project, whose runs each make the data of a day."""
    project = ProjectFolder(server.project)
    s3_server.make_bucket(BUCKET)
    for name, text in (("day_making", MAKING), ("day_adding", ADDING)):
        project.pipeline(name, text)
    project.write("conf/days/catalog.yml", CATALOG)
    project.write("conf/days/parameters.yml", "partition_key: none\nday: none\n")
    project.config(CONFIG.format(host=server.url, output=server.dags, s3=s3_server.url), env="days")
    return s3_server


def finished(server: AirflowServer, dag_id: str, key: str) -> bool:
    """Whether the run of a partition has ended; it has to succeed."""
    runs = server.client().partitions_between(dag_id, date(2026, 1, 1), date(2099, 1, 1))
    found = [run for run in runs if run.partition_key == key and run.state.ended]
    assert all(run.state.value == "success" for run in found)
    return bool(found)


def events(server: AirflowServer, uri: str) -> list[dict[str, Any]]:
    listed = server.client()._get("assets").data["assets"]
    (number,) = (asset["id"] for asset in listed if asset["uri"] == uri)
    found: list[dict[str, Any]] = server.client()._get("assets", "events").data["asset_events"]
    return [event for event in found if event["asset_id"] == number]


def test_each_run_makes_a_partition_and_starts_the_pipeline_that_waits_for_it(
    server: AirflowServer, days: S3
) -> None:
    today = f"{datetime.now(ZoneInfo('Europe/Warsaw')):%Y-%m-%d}"
    if server.major == 2:
        done = kedro(server, *ENV, "schedule", "-p", "day_making", "-w", "5")
        failed(done, "has no partitions; 3.2 is the first that does")
        # Without a schedule the DAG has none, and the date of a run makes its key.
        succeeded(kedro(server, *ENV, "run-once", "-p", "day_making", "-w", "10"))
        assert json.loads(days.read(BUCKET, f"sales/{today}.json"))["key"] == today
        return
    succeeded(kedro(server, *ENV, "schedule", "-p", "day_adding", "-w", "5"))
    said = succeeded(kedro(server, *ENV, "schedule", "-p", "day_making", "-w", "5"))
    assert "Airflow starts a run now" in said
    wait_until(lambda: finished(server, MAKES, today), "the scheduled run ends")
    wait_until(lambda: finished(server, ADDS, today), "its data starts a run of the same partition")
    made = json.loads(days.read(BUCKET, f"sales/{today}.json"))
    assert made == {"key": today, "day": f"{date.fromisoformat(today):%d.%m.%Y}"}
    assert json.loads(days.read(BUCKET, f"total/{today}.json")) == {"from": made, "key": today}

    # By hand, for another day.
    past = ("--logical-date", "2026-01-05T06:00", "-w", "10")
    succeeded(kedro(server, *ENV, "trigger", "-p", "day_making", *past))
    wait_until(lambda: finished(server, ADDS, "2026-01-05"), "the event starts its partition")
    made = {"key": "2026-01-05", "day": "05.01.2026"}
    assert json.loads(days.read(BUCKET, "sales/2026-01-05.json")) == made
    total = json.loads(days.read(BUCKET, "total/2026-01-05.json"))
    assert total == {"from": made, "key": "2026-01-05"}

    found = events(server, f"s3://{BUCKET}/sales/*.json")
    assert {event["partition_key"] for event in found} == {today, "2026-01-05"}
    assert all(event["extra"]["dataset"] == "day_sales" for event in found)
