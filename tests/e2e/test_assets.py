"""Assets on real Airflows: pipelines write to a real object store, and data starts a pipeline.

With DOCS_SCREENSHOTS naming a folder, the picture for the documentation is written there.
"""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests
from playwright.sync_api import expect

from tests.e2e.server_project import failed, kedro, succeeded
from tests.support.airflow_servers import AirflowServer
from tests.support.browser import log_in, needs_browser, open_page, write_screenshot
from tests.support.kedro_projects import ProjectFolder
from tests.support.storage_servers import S3, s3_server  # noqa: F401 - fixture
from tests.support.waiting import wait_until

BUCKET = "shop-data"
MAKE = """
from kedro.pipeline import Pipeline, node

def make_orders():
    return [{"price": 3}, {"price": 4}]

def make_report(orders, fail):
    if fail:
        raise ValueError("no report today")
    return {"orders": len(orders)}

def create_pipeline():
    return Pipeline([
        node(make_orders, None, "orders", name="make_orders"),
        node(make_report, ["orders", "params:fail"], "report", name="make_report"),
    ])
"""
TOGETHER = (
    MAKE.replace("make_", "group_")
    .replace('"orders"', '"group_orders"')
    .replace('"report"', '"group_report"')
    .replace('{"group_orders":', '{"orders":')
)
FIXED_LATER = """
from pathlib import Path
from kedro.pipeline import Pipeline, node

def make_first(flag):
    return [1]

def make_last(first, flag):
    if not Path(flag).exists():
        raise ValueError("not yet")
    return first

def make_none(last):
    return last

def create_pipeline():
    return Pipeline([
        node(make_first, "params:flag", "NAME_first", name="NAME_make_first"),
        node(make_last, ["NAME_first", "params:flag"], "NAME_last", name="NAME_make_last"),
        node(make_none, "NAME_last", "NAME_none", name="NAME_make_none"),
    ])
"""
SPELLED = """
from kedro.pipeline import Pipeline, node

def count(stock):
    return len(stock)

def create_pipeline():
    return Pipeline([node(count, "SOURCE", "TARGET", name="make_TARGET")])
"""
SALES = """
from kedro.pipeline import Pipeline, node

def add_up(orders):
    return {"total": sum(order["price"] for order in orders)}

def create_pipeline():
    return Pipeline([node(add_up, "orders", "total", name="add_up")])
"""
CATALOG = f"""
"{{name}}":
  type: json.JSONDataset
  filepath: s3://{BUCKET}/{{name}}.json
spelled_stock:
  type: json.JSONDataset
  filepath: s3a://{BUCKET}/stock.json
"""
RENAMING = f"""
from datetime import datetime, timezone
from airflow.providers.common.compat.sdk import DAG, Asset, BaseOperator

with DAG("renames-asset", start_date=datetime(2021, 1, 1, tzinfo=timezone.utc), schedule=None):
    BaseOperator(task_id="read", inlets=[Asset(NAMEuri="s3://{BUCKET}/renamed.json")])
"""
CONFIG = """
host: {host}
output: {output}
run_config:
  assets: true
  retries: 0
  env_vars:
    AWS_ENDPOINT_URL: {s3}
    AWS_ACCESS_KEY_ID: someone
    AWS_SECRET_ACCESS_KEY: secret-of-someone
    AWS_DEFAULT_REGION: us-east-1
  grouping:
    together: {{by: pipeline, nodes: visible}}
    resumed_together: {{by: pipeline, nodes: visible}}
pipelines:
  __default__: {{enabled: false}}
  adding:
    schedule: {{assets: [making]}}
"""
ENV = ("-e", "assets")
ADDING = "shop--assets.adding"


@pytest.fixture(name="shop", scope="module")
def _shop(server: AirflowServer, s3_server: S3) -> S3:  # noqa: F811 - fixture
    """The server's project with three more pipelines, whose data is on object storage."""
    project = ProjectFolder(server.project)
    s3_server.make_bucket(BUCKET)
    requests.put(f"{s3_server.url}/{BUCKET}/stock.json", data="[1, 2]", timeout=60)
    pipelines = {
        "making": MAKE,
        "together": TOGETHER,
        "adding": SALES,
        "resumed": FIXED_LATER.replace("NAME", "r"),
        "resumed_together": FIXED_LATER.replace("NAME", "t"),
        "spelling": SPELLED.replace("SOURCE", "spelled_stock").replace("TARGET", "stock_count"),
        "renaming": SPELLED.replace("SOURCE", "stock").replace("TARGET", "renamed"),
    }
    for name, text in pipelines.items():
        project.pipeline(name, text)
    project.write("conf/assets/catalog.yml", CATALOG)
    project.write("conf/assets/parameters.yml", "fail: false\nflag: none\n")
    project.config(
        CONFIG.format(host=server.url, output=server.dags, s3=s3_server.url), env="assets"
    )
    return s3_server


@dataclass(frozen=True)
class Started:
    """What commands have said that let a pipeline start by an event.

    Attributes:
        schedule: Of the pipeline that waits for data.
        run: Of the run that made it, one of whose nodes failed.
    """

    schedule: subprocess.CompletedProcess[str]
    run: subprocess.CompletedProcess[str]


@pytest.fixture(name="started", scope="module")
def _started(server: AirflowServer, shop: S3) -> Started:
    """A pipeline that has run because another one has made its data."""
    schedule = kedro(server, *ENV, "schedule", "-p", "adding", "-w", "5")
    run = kedro(server, *ENV, "run-once", "-p", "making", "-w", "10", "--params", "fail=true")
    client = server.client()
    wait_until(lambda: ADDING in client.last_runs([ADDING]), "the event starts the other pipeline")
    wait_until(lambda: client.last_runs([ADDING])[ADDING].state.ended, "its run ends")
    return Started(schedule, run)


def events(server: AirflowServer, dataset: str) -> list[dict[str, Any]]:
    """The events of an asset in Airflow, oldest first."""
    kind = "asset" if server.major == 3 else "dataset"
    listed = server.client()._get(f"{kind}s", "events").data[f"{kind}_events"]
    uri = f"s3://{BUCKET}/{dataset}.json"
    known = [e for e in listed if uri in (e.get("uri"), e.get("dataset_uri"))]
    return sorted(known, key=lambda event: str(event["timestamp"]))


def test_a_pipeline_starts_when_the_data_that_it_reads_is_there(
    server: AirflowServer, shop: S3, started: Started
) -> None:
    text = succeeded(started.schedule)
    assert f"Schedule: new data in s3://{BUCKET}/orders.json\n" in text
    assert f"Next run: when there is new data in s3://{BUCKET}/orders.json\n" in text
    failed(started.run, "no report today")

    assert server.client().last_runs([ADDING])[ADDING].state.value == "success"
    assert json.loads(shop.read(BUCKET, "total.json")) == {"total": 7}

    (event,) = events(server, "orders")
    orders = shop.read(BUCKET, "orders.json")
    extra = event["extra"]
    assert {k: extra.get(k) for k in ("dataset", "rows", "bytes")} == {
        "dataset": "orders",
        "rows": 2,
        "bytes": len(orders),
    }
    assert "commit" in extra
    failed_run = server.client().newest_runs("shop--assets.making")[-1].run_id
    assert not [e for e in events(server, "report") if e["source_run_id"] == failed_run]


@pytest.mark.usefixtures("started")
def test_a_task_that_a_run_of_a_part_does_not_run_has_no_event(
    server: AirflowServer, shop: S3
) -> None:
    before = len(events(server, "orders"))
    part = ("run-once", "-p", "making", "-w", "10", "--nodes", "make_report")
    succeeded(kedro(server, *ENV, *part))
    assert len(events(server, "orders")) == before
    (event,) = events(server, "report")
    assert event["extra"]["dataset"] == "report"
    assert event["extra"]["bytes"] == len(shop.read(BUCKET, "report.json"))


def test_in_a_visible_group_only_nodes_that_have_succeeded_have_events(
    server: AirflowServer, shop: S3
) -> None:
    fails = ("run-once", "-p", "together", "-w", "10", "--params", "fail=true")
    failed(kedro(server, *ENV, *fails), "no report today")
    (event,) = events(server, "group_orders")
    assert event["source_task_id"].endswith("group_orders")
    assert event["extra"]["rows"] == 2
    assert event["extra"]["bytes"] == len(shop.read(BUCKET, "group_orders.json"))
    assert events(server, "group_report") == []


@pytest.mark.parametrize(("pipeline", "prefix"), [("resumed", "r"), ("resumed_together", "t")])
def test_a_resumed_run_has_events_only_for_what_it_has_written_itself(
    server: AirflowServer, shop: S3, pipeline: str, prefix: str, tmp_path: Path
) -> None:
    flag = tmp_path / "flag"
    start = ("run-once", "-p", pipeline, "-w", "10", "--params", f"flag={flag}")
    failed(kedro(server, *ENV, *start), "not yet")
    first, last, after = (f"{prefix}_{name}" for name in ("first", "last", "none"))
    assert [len(events(server, name)) for name in (first, last, after)] == [1, 0, 0]

    flag.touch()
    run_id = server.client().newest_runs(f"shop--assets.{pipeline}")[0].run_id
    succeeded(kedro(server, *ENV, "resume", run_id, "-p", pipeline, "-w", "10"))

    # The first node had succeeded before.
    assert [len(events(server, name)) for name in (first, last, after)] == [1, 1, 1]


def test_two_spellings_of_a_place_are_one_asset_whose_tasks_airflow_runs(
    server: AirflowServer, shop: S3
) -> None:
    said = kedro(server, *ENV, "run-once", "-p", "spelling", "-w", "10")
    assert "Airflow fails the tasks" not in succeeded(said) + said.stderr
    (event,) = events(server, "stock_count")
    assert event["source_dag_id"] == "shop--assets.spelling"


def test_an_asset_that_another_dag_calls_something_else_is_a_warning_before_its_task_fails(
    server: AirflowServer, shop: S3
) -> None:
    # On Airflow 2.11, a dataset has no name besides its URI.
    name = 'name="mine", ' if server.major == 3 else ""
    server.dags.joinpath("renames-asset.py").write_text(RENAMING.replace("NAME", name))
    wait_until(lambda: server.client().find_dag("renames-asset") is not None, "Airflow has it")

    done = kedro(server, *ENV, "run-once", "-p", "renaming", "-w", "10")

    if server.major == 2:
        succeeded(done)
        return
    text = failed(done, "Airflow fails the tasks of DAG shop--assets.renaming that make or read")
    assert f'Another DAG has Asset(name="mine", uri="s3://{BUCKET}/renamed.json")' in text
    assert "inactive" in text.lower()
    assert events(server, "renamed") == []


@needs_browser
@pytest.mark.usefixtures("started")
def test_the_page_of_an_asset_shows_who_makes_and_reads_it(server: AirflowServer) -> None:
    if server.major == 2:
        address = f"{server.url}/datasets"
    else:
        listed = server.client()._get("assets").data["assets"]
        (number,) = (a["id"] for a in listed if a["uri"] == f"s3://{BUCKET}/orders.json")
        address = f"{server.url}/assets/{number}"
    with open_page(1440, 640) as page:
        log_in(page, address, server.username, server.password)
        if server.major == 2:
            expect(page.get_by_text(f"s3://{BUCKET}/orders.json").first).to_be_visible()
            return
        for name in ("shop--assets.making", "shop--assets.adding"):
            expect(page.get_by_text(name).first).to_be_visible()
        expect(page.get_by_text("1 Asset Event", exact=True)).to_be_visible()
        page.get_by_role("button", name="Fit View").click()
        if folder := os.environ.get("DOCS_SCREENSHOTS"):
            page.mouse.move(0, 0)
            write_screenshot(page, Path(folder, "asset.png"))
