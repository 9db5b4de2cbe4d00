"""The pages that `ui` prints, opened in a browser: what people see of their DAG on real Airflows.

With DOCS_SCREENSHOTS naming a folder, the picture for the documentation is written there.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from kedro_airflow_k8s.airflow_api import DagRun
from tests.e2e.server_project import kedro, said
from tests.support.airflow_environments import EXAMPLES
from tests.support.airflow_servers import AirflowServer
from tests.support.browser import expect_graph, log_in, needs_browser, open_page, write_screenshot
from tests.support.recorded_dag import run_dag_file
from tests.support.waiting import wait_until

pytestmark = needs_browser


@pytest.fixture
def page() -> Iterator[Page]:
    with open_page(1440, 640) as page:
        yield page


def run_once(server: AirflowServer, dag_id: str, *arguments: str, environment: str) -> None:
    """Upload a pipeline of one task and see a run of it to its end, whichever that is."""
    command = ("-e", environment, "run-once", "-d", dag_id, "-w", "10", *arguments)
    text = said(kedro(server, *command))
    assert "success: 1 of 1 tasks" in text or "failed: 1 failed." in text, text


def open_ui(server: AirflowServer, page: Page, *arguments: str) -> None:
    """Open what `ui` prints."""
    done = kedro(server, "ui", *arguments)
    assert done.returncode == 0, said(done)
    # Before it, Kedro may say which logging configuration it uses.
    address = done.stdout.split()[-1]
    log_in(page, address, server.username, server.password)


def test_the_page_of_a_dag_shows_its_graph_with_every_task_and_group(
    server: AirflowServer,
    page: Page,
) -> None:
    source = (EXAMPLES / "spaceflights/dags/spaceflights.py").read_text(encoding="utf-8")
    dag = run_dag_file(source)
    # There are no images here to run it with.
    unscheduled = source.replace('schedule="@daily"', "schedule=None")
    (server.dags / "spaceflights.py").write_text(unscheduled, encoding="utf-8")
    client = server.client()
    wait_until(lambda: client.find_dag("spaceflights") is not None, "Airflow shows the DAG")

    open_ui(server, page, "-d", "spaceflights")

    expect_graph(page, list(dag.tasks), dag.group_ids)
    if server.major == 3 and (folder := os.environ.get("DOCS_SCREENSHOTS")):
        page.get_by_role("button", name="Collapse Details Panel").click()
        page.get_by_role("button", name="Fit View").click()
        page.mouse.move(0, 0)
        write_screenshot(page, Path(folder, "airflow-dag.png"))


@pytest.mark.core_once
def test_the_page_of_a_run_shows_the_graph_with_the_task_that_ran(
    server: AirflowServer,
    page: Page,
) -> None:
    run_once(server, "browsed", "-p", "quick", environment="local")

    open_ui(server, page, "-d", "browsed", "--run")

    expect_graph(page, ["do_nothing"], [])
    expect(page.locator(".react-flow__node")).to_contain_text("success")


def test_the_trigger_form_offers_the_listed_parameters_and_kedro_gets_what_is_typed(
    server: AirflowServer,
    page: Page,
) -> None:
    run_once(server, "form-in-browser", "-p", "broken", environment="form")
    client = server.client()

    def last_run() -> DagRun:
        return client.last_runs(["form-in-browser"])["form-in-browser"]

    before = last_run()
    open_ui(server, page, "-d", "form-in-browser")
    if server.major == 3:
        page.get_by_test_id("trigger-dag-button").click()
        form = page.get_by_role("dialog")
    else:
        page.goto(f"{server.url}/dags/form-in-browser/trigger")
        form = page.locator("form#trigger_form")
    field = form.locator('[name="element_model.depth"]')
    expect(field).to_have_value("3")
    expect(form).to_contain_text("How deep the tree may grow.")
    field.fill("7")
    form.get_by_role("button", name="Trigger", exact=True).click()

    wait_until(lambda: last_run() != before and last_run().state.ended, "the run ends")
    log = client.task_log("form-in-browser", last_run().run_id, "show_and_fail", 1)
    found = re.search(r"PARAMETERS (\{.*\})", log)
    assert found is not None, log
    assert json.loads(found[1])["model"]["depth"] == 7
