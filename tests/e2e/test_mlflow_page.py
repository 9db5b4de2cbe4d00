"""MLflow's own page of a run, opened in a browser: what people see of a DAG run there.

With DOCS_SCREENSHOTS naming a folder, the picture for the documentation is written there.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from kedro_airflow_k8s.sandbox.up import find_sandbox
from tests.e2e.coffee import Coffee, coffee_in
from tests.support.browser import expect_graph, log_in, needs_browser, open_page, write_screenshot
from tests.support.mlflow_servers import mlflow_server, needs_mlflow

pytestmark = [needs_mlflow, needs_browser]

TASKS = (
    *("start_mlflow_run", "create_volume"),
    *("observe", "fit_line", "fit_average", "judge_line", "judge_average", "choose"),
    *("all_succeeded", "end_mlflow_run", "delete_volume"),
)


@pytest.fixture
def page() -> Iterator[Page]:
    with open_page(1280, 840) as page:
        yield page


@pytest.fixture
def coffee(tmp_path: Path) -> Iterator[Coffee]:
    """The example in the sandbox, with an MLflow server that no one has used."""
    with (
        mlflow_server(tmp_path / "mlflow") as server,
        coffee_in(Path(sys.executable), tmp_path / "project", server) as found,
    ):
        yield found


def commit(project: Path) -> str:
    """Put a project under git, and return the commit."""
    git = ("git", "-c", "user.name=Ada", "-c", "user.email=ada@example.com")
    for arguments in (
        ("init", "--quiet", "--initial-branch", "main"),
        ("add", "."),
        ("commit", "--quiet", "--message", "Coffee"),
    ):
        subprocess.run([*git, *arguments], cwd=project, check=True)
    found = subprocess.run(
        [*git, "rev-parse", "HEAD"], cwd=project, check=True, capture_output=True, text=True
    )
    return found.stdout.strip()


def test_the_page_of_a_run_shows_status_metrics_parameters_and_the_way_to_airflow(
    coffee: Coffee, page: Page
) -> None:
    sha = commit(coffee.project)
    done = coffee.run_once()
    assert done.code == 0, done.text
    run_id = done.run_id
    run = coffee.mlflow_run(run_id)
    folder = os.environ.get("DOCS_SCREENSHOTS")
    if folder:
        # kedro-mlflow notes the project's folder, which is of this machine.
        coffee.mlflow.call("POST", "runs/delete-tag", run_id=run.id, key="project_path")

    page.goto(f"{coffee.mlflow.url}/#/experiments/{run.experiment_id}/runs/{run.id}")

    expect(page.get_by_role("heading", name=f"coffee {run_id}")).to_be_visible()
    expect(page.get_by_text("Finished", exact=True)).to_be_visible()
    # Each is of another pod.
    for row in (r"line_error 5\.", r"average_error 25\.", "days 200", "line .*False"):
        expect(page.get_by_role("row", name=re.compile(f"^{row}"))).to_be_visible()
    for tag in (f"kedro.commit : {sha}", f"airflow.run_id : {run_id}"):
        expect(page.get_by_text(re.compile(re.sub(" : ", r"\\s*:\\s*", tag))).first).to_be_visible()
    link = page.get_by_role("link", name="Run in Airflow")
    expect(link).to_have_attribute("href", coffee.client.run_url("coffee", run_id))
    if folder:
        take_picture(page, Path(folder, "mlflow-run.png"))

    sandbox = find_sandbox(coffee.project)
    assert sandbox is not None
    log_in(page, str(link.get_attribute("href")), sandbox.username, sandbox.password)
    expect_graph(page, TASKS, [])


def take_picture(page: Page, path: Path) -> None:
    """Write what the page of a run shows, without what is beside the point."""
    address = page.url
    page.get_by_text("Model training", exact=True).click()
    page.wait_for_url(lambda url: url != address)
    page.goto(address)
    page.get_by_role("button", name="Close", exact=True).click()
    page.get_by_role("button", name="Toggle sidebar").click()
    expect(page.get_by_text("Finished", exact=True)).to_be_visible()
    page.mouse.move(0, 0)
    write_screenshot(page, path)
